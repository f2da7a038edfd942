import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeleteSecretCommand } from "@aws-sdk/client-secrets-manager";
import type { AwsFunction } from "../../model/aws.ts";
import { type Catalogue, loadCatalogueFrom } from "../../model/catalogue.ts";
import type { Database, Secret } from "../../model/model.ts";
import { type Shipping, shippings } from "../../model/shipping.ts";
import { realFiles } from "../model/real.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import { AwsPlatform, type DatabaseValue, type DeclaredFunction } from "./platform.ts";

/** Postgres, Vault and the emulator, with the function that rotates users of titan's ledger as the model has it. */
export interface RotatedUsers {
  server: DatabaseServer;
  aws: AwsPlatform;
  database: Database;
  /** Of the catalogue, for `server.query`. */
  like: Secret;
  rotator: DeclaredFunction;
  /** What stands beside its code. */
  shipping: Shipping<"rotate-postgres">;
  /** A secret of its own without a value: its name, ARN and logins. */
  user(): Promise<{ name: string; arn: string; logins: string[] }>;
  /** The SQLSTATE with which Postgres refuses a value; undefined where it gets in. */
  refusal(value: DatabaseValue | undefined): Promise<string | undefined>;
}

/** So many users are known to the function: fewer than IAM has room for. */
const users = 60;

/** The repository's catalogue with more users of the ledger that Secrets Manager keeps. */
function catalogueOfUsers(): Catalogue {
  const files = realFiles();
  const titan = files["systems/titan.yaml"] ?? "";
  const last = "        secrets-manager: { read-by: [titan-rds-proxy] }\n";
  if (titan.split(last).length !== 2) throw new Error("titan has no user in Secrets Manager");
  const more = Array.from(
    { length: users },
    (_, index) => `      relay_${index}:
        member-of: ledger_writer
        rotate: { every: 30d, overlap: 1h, method: alternating }
        secrets-manager: { read-by: [titan-rds-proxy] }
`,
  );
  return loadCatalogueFrom({ ...files, "systems/titan.yaml": titan.replace(last, last + more.join("")) });
}

export async function startRotatedUsers(t: { after(end: () => Promise<void>): void }): Promise<RotatedUsers> {
  const server = await startDatabaseServer(t, { only: ["vault", "postgres", "aws"] }, catalogueOfUsers());
  const folder = await mkdtemp(join(tmpdir(), "keyplane-lambdas-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { model } = server;
  const aws = new AwsPlatform(server.services, server.root, folder);
  await aws.trustAws(model);
  const like = server.secret("titan/ledger-titan-brain");
  const database = server.database(like);
  const isOurs = (each: AwsFunction): each is AwsFunction & { code: "rotate-postgres" } =>
    each.code === "rotate-postgres" && each.of === database.id;
  const declared = model.aws?.functions.find(isOurs);
  if (declared === undefined) throw new Error(`no function rotates users of ${database.id}`);
  const shipping = shippings(model)["rotate-postgres"];
  const rotator = await aws.declare(model, declared, shipping);
  let taken = 0;
  return {
    server,
    aws,
    database,
    like,
    rotator,
    shipping,
    async user() {
      const index = taken++ % users;
      const secret = model.aws?.secrets.find(({ user }) => user === `relay_${index}`);
      if (secret === undefined) throw new Error(`relay_${index} is no user of the model`);
      const { name, logins } = secret;
      if (taken > users) await forget(name, logins);
      return { name, arn: await aws.secret(name, rotator.arn), logins };
    },
    async refusal(value) {
      if (value === undefined) return "no value";
      return server.refusal(like, { user: value.username, password: value.password });
    },
  };

  /** As if it had never been: who takes it next finds neither a secret nor logins. */
  async function forget(SecretId: string, logins: string[]): Promise<void> {
    await aws.secrets.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    for (const login of logins) {
      const [found] = await server.query(like, "select from pg_roles where rolname = $1", [login]);
      if (found === undefined) continue;
      await server.query(like, `drop owned by "${login}"`);
      await server.query(like, `drop role "${login}"`);
    }
  }
}
