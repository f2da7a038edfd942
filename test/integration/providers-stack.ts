import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { Vault } from "../../clients/vault.ts";
import { platform } from "../../infra/index.ts";
import { Engine } from "../../local/engine.ts";
import { freshBundles } from "../../local/lambdas.ts";
import { startAwsProvider, startVaultProvider } from "../../local/providers/index.ts";
import {
  type LocalServices,
  prepareDatabases,
  startServices,
  stopServices,
} from "../../local/services/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import { creationStatements, renewStatements, revocationStatements } from "../../model/derive/databases.ts";
import type { Model } from "../../model/model.ts";
import type { Part } from "../../model/parts.ts";
import { smallModel } from "../infra/model.ts";

/** What one run of the engine did: each resource that did not stay as it was, as `operation type name`. */
export interface Run {
  steps: string[];
}

/** The program on real services, through the real engine; as root and of a small model unless the test says otherwise. */
export class ProgramStack implements AsyncDisposable {
  readonly home: string;
  readonly services: LocalServices;
  readonly vault: Vault;
  /** What the program is run with; tests change it. */
  model: Model;
  /** What the provider logs in with. */
  token: string;
  bootstrapPasswords: Record<string, string> = {};
  readonly #engine: Engine;
  readonly #providers: { close(): Promise<void> }[];

  private constructor(
    home: string,
    services: LocalServices,
    model: Model,
    vault: Vault,
    engine: Engine,
    providers: { close(): Promise<void> }[],
  ) {
    this.home = home;
    this.services = services;
    this.vault = vault;
    this.#engine = engine;
    this.#providers = providers;
    this.model = model;
    this.token = services.vault.rootToken ?? "";
  }

  /** Starts everything; nothing is declared yet. What was started ends again when something fails. */
  static async start(modelOf: (services: LocalServices) => Model = localModel): Promise<ProgramStack> {
    const home = join(await mkdtemp(join(tmpdir(), "keyplane-providers-")), "home");
    await using started = new AsyncDisposableStack();
    started.defer(() => removeHome(home));
    const report = () => {};
    const services = await startServices(home, { report });
    const { address, ca } = services.vault;
    const vault = new Vault({ address, ca, token: services.vault.rootToken ?? "" });
    started.defer(() => vault.close());
    const provider = await startVaultProvider({ address, ca, token: () => stack.token });
    started.defer(() => provider.close());
    const aws = await startAwsProvider(services.aws);
    started.defer(() => aws.close());
    const engine = await Engine.open({
      home,
      pulumi: await findTool("pulumi", report),
      environment: { PULUMI_DEBUG_PROVIDERS: `vault:${provider.port},aws:${aws.port}` },
    });
    const stack = new ProgramStack(home, services, modelOf(services), vault, engine, [provider, aws]);
    await stack.prepareDatabases();
    started.move();
    return stack;
  }

  /** Asks for the bootstrap passwords of the connections that Vault does not have. */
  async prepareDatabases(): Promise<void> {
    this.bootstrapPasswords = await prepareDatabases(this.services, this.model.databases, {
      exists: async (connection) => (await this.vault.read(`database/config/${connection}`)) !== undefined,
    });
  }

  async up(options: { refresh?: boolean } = {}, part?: Part): Promise<Run> {
    return this.#run((stack, onEvent) => stack.up({ onEvent, ...options }), part);
  }

  async preview(part?: Part): Promise<Run> {
    return this.#run((stack, onEvent) => stack.preview({ onEvent }), part);
  }

  /** What differs between the state and the live Vault; changes neither. */
  async drift(): Promise<Run> {
    return this.#run((stack, onEvent) => stack.previewRefresh({ onEvent }));
  }

  async #run(
    act: (stack: Stack, onEvent: (event: EngineEvent) => void) => Promise<unknown>,
    part: Part = { stack: "local", part: "all" },
  ): Promise<Run> {
    const { model, bootstrapPasswords } = this;
    const lambdaCode = await freshBundles(join(this.home, "lambdas"), model);
    const { stack } = await this.#engine.stack(part.stack, async () =>
      platform(model, { part: part.part, bootstrapPasswords, lambdaCode }),
    );
    const steps: string[] = [];
    await act(stack, ({ resOutputsEvent, resourcePreEvent }) => {
      const metadata = (resOutputsEvent ?? resourcePreEvent)?.metadata;
      if (metadata === undefined || metadata.op === "same" || metadata.op === "refresh") return;
      const [, , type = "", name] = metadata.urn.split("::");
      const step = `${metadata.op} ${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
      if (/(vault|aws):/.test(type) && !type.endsWith("providers:aws") && !steps.includes(step))
        steps.push(step);
    });
    return { steps: steps.sort() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of this.#providers) await provider.close();
    await this.vault.close();
    await removeHome(this.home);
  }
}

async function removeHome(home: string): Promise<void> {
  await stopServices(home, { deleteData: true, report: () => {} });
  await rm(join(home, ".."), { recursive: true, force: true });
}

export function localModel(services: LocalServices): Model {
  const small = smallModel();
  const suffix = randomBytes(4).toString("hex");
  return smallModel({
    vault: {
      ...small.vault,
      address: services.vault.address,
      kubernetes: { host: "https://127.0.0.1:6443", certificate: services.issuer.ca },
      audit: services.vault.auditDirectories.map((folder, index) => ({
        name: ["first", "second"][index] ?? `device${index}`,
        type: "file",
        options: { file_path: join(folder, "audit.log") },
      })),
    },
    github: { ...small.github, issuer: services.issuer.url, issuerCertificate: services.issuer.ca },
    databases: small.databases.map((database) => ({
      ...database,
      host: services.postgres.host,
      port: services.postgres.port,
      manager: `keyplane_ledger_${suffix}`,
      groups: database.groups.map((group) => ({ ...group, grants: [] })),
      users: database.users.map((user) => ({
        ...user,
        creationStatements: creationStatements(user.memberOf),
        renewStatements,
        revocationStatements: revocationStatements(user.memberOf),
      })),
    })),
  });
}
