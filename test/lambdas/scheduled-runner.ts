import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AwsFunction } from "../../model/aws.ts";
import type { Model, Secret } from "../../model/model.ts";
import { shipped } from "../../model/shipping.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import { AwsPlatform, type DeclaredFunction } from "./platform.ts";

/** What reads Vault itself and can be rotated from anywhere, a database user among it; and what lies on a host. */
export const here = ["soma/redis", "solo/main-solo-app"] as const;
export const elsewhere = ["solo/minio", "titan/nats"] as const;

/** Vault, Postgres and the emulator, with the policy and the roles of the runner. */
export interface ScheduledRunner {
  server: DatabaseServer;
  aws: AwsPlatform;
  /** The function as the model has it, with what it rotates by. */
  runner: DeclaredFunction;
  model: Model;
  source(id: string): Promise<{ version: number; fields: Fields } | undefined>;
}

export async function startScheduledRunner(t: {
  after(end: () => Promise<void>): void;
}): Promise<ScheduledRunner> {
  const server = await startDatabaseServer(t, { only: ["vault", "postgres", "aws"] });
  const folder = await mkdtemp(join(tmpdir(), "keyplane-lambdas-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const aws = new AwsPlatform(server.services, server.root, folder);
  await aws.trustAws(server.model);
  const isRunner = (each: AwsFunction): each is AwsFunction & { code: "rotate-due" } =>
    each.code === "rotate-due";
  const declared = server.model.aws?.functions.find(isRunner);
  if (declared === undefined) throw new Error("the model has no runner");
  const model = modelOf(server.model);
  const runner = await aws.declare(server.model, declared, { model: shipped(model), commit: "c0ffee" });
  return {
    server,
    aws,
    runner,
    model,
    async source(id) {
      const { source } = server.secret(id);
      const read = await server.root.read<{ data: Fields; metadata: { version: number } }>(
        `kv/data/${source}`,
      );
      return read === undefined ? undefined : { version: read.metadata.version, fields: read.data };
    },
  };
}

/** The real model's secrets, due a second after they were made; those that are `here` have consumers that read Vault. */
function modelOf(model: Model): Model {
  const secrets = model.secrets
    .filter(({ id }) => [...here, ...elsewhere].some((one) => one === id))
    .map((secret): Secret => {
      const rotate = { ...secret.rotate, every: 1, overlap: 0 };
      return { ...secret, rotate, ...(secret.id === "soma/redis" && { idle: { source: "none" } }) };
    });
  const reads = new Set(
    secrets
      .filter(({ id }) => here.some((one) => one === id))
      .flatMap(({ consumers }) => consumers.map(({ id }) => id)),
  );
  const services = model.services.map((service) =>
    reads.has(service.id) ? { ...service, deliver: [], settles: 0, observe: { instances: [] } } : service,
  );
  return { ...model, secrets, services, encryptionKeys: [], rotation: { ...model.rotation, watch: 0 } };
}
