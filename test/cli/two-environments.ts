import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { ensureFirstValues } from "../../operations/values/first.ts";
import { acme } from "../acme.ts";
import { makePlatform, type SignJob, startTestVault, type TestVault } from "../operations/vault.ts";
import { keyplane, type Run } from "./command.ts";

/** The command's answer about rotations. */
export interface Answer {
  rotations: { secret: string; result: string; text: string; state?: string; skipped?: string[] }[];
}

/** What a token's services, a person's key and an encryption key need. */
export const shop = `system: shop
owner: ada
services:
  api: { runs-on: compose, user: 1000, reload: restart, settles: 1s }
  worker: { runs-on: compose, user: 1000, reload: watch, settles: 1s }
secrets:
  session:
    class: critical
    kind: token
    rotate: { every: 30d, overlap: 1h }
    idle: none
    impact: People are asked to log in again
    per-environment: { staging: { rotate: { every: 30d, overlap: 1s } } }
    consumers:
      worker: { role: listener, as: { SESSION_TOKEN_FILE: token, SESSION_PREVIOUS_FILE: previous } }
      api: { role: signer, as: { SESSION_TOKEN_FILE: token } }
  openai:
    class: critical
    kind: api-key
    rotate: { by: hand, every: 90d, overlap: 1s }
    consumers: { api: { as: { OPENAI_API_KEY: key } } }
encryption-keys:
  documents: { rotate: { every: 90d }, retain: 30d, consumers: { api: [encrypt, decrypt] } }
`;

/**
 * Staging, and production after it, as a workflow finds them: two real Vaults, GitHub's token service played by a local
 * server, a catalogue of one system in a Git repository.
 */
export class TwoEnvironments implements AsyncDisposable {
  readonly folder: string;
  readonly catalogue: string;
  readonly staging: TestVault;
  readonly production: TestVault;
  readonly #models: Record<string, Model> = {};
  readonly #signs: Record<string, SignJob> = {};
  readonly #gitHub: Server;

  private constructor(folder: string, staging: TestVault, production: TestVault) {
    this.folder = folder;
    this.catalogue = join(folder, "catalogue");
    this.staging = staging;
    this.production = production;
    // GitHub signs for the job's own environment, with the audience of whichever Vault is asked.
    this.#gitHub = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1");
      const audience = searchParams.get("audience") ?? "";
      const asked = Object.values(this.#models).find(({ github }) => github.audience === audience);
      const value = await this.#signs[asked?.environment ?? ""]?.("rotate.yml", {
        environment: `${pathname.slice(1)}-rotate`,
      });
      response.end(JSON.stringify({ value }));
    });
  }

  /** With `shop` as its catalogue's `systems/shop.yaml`. */
  static async start(): Promise<TwoEnvironments> {
    const folder = await mkdtemp(join(tmpdir(), "keyplane-rotate-"));
    const [staging, production] = await Promise.all([startTestVault(), startTestVault()]);
    const made = new TwoEnvironments(folder, staging, production);
    await mkdir(join(made.catalogue, "systems"), { recursive: true });
    await writeFile(join(made.catalogue, "organization.yaml"), made.organization());
    await writeFile(join(made.catalogue, "systems/shop.yaml"), shop);
    await made.#git("init", "-q");
    // What runs here is no part of the repository; evidence is of one in which all is committed.
    await writeFile(join(made.folder, ".git", "info", "exclude"), "/*\n!/catalogue/\n");
    await made.commit("The catalogue");
    await Promise.all(["staging", "production"].map((name) => made.#prepare(name)));
    await new Promise<void>((resolve) => made.#gitHub.listen(0, "127.0.0.1", resolve));
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gitHub.closeAllConnections();
    await new Promise((resolve) => this.#gitHub.close(resolve));
    await Promise.all([this.staging.stop(), this.production.stop()]);
    await rm(this.folder, { recursive: true });
  }

  /** The catalogue's organization.yaml. */
  organization(): string {
    const block = (name: string, more: string) => `  ${name}:
    ${more}
    github: { environment: ${name}, audience: "https://${name}.acme.example" }
    rotation: { watch: 1s, jitter: 1m }
    vault:
      address: ${this.#vault(name).address}
      audit: { one: { type: file, path: ${this.#vault(name).auditFile} }, two: { type: file, path: /var/log/two } }
      cidrs: [127.0.0.0/8]
`;
    return `${acme}environments:
${block("staging", "parts: 1")}${block("production", "after: staging")}`;
  }

  async commit(message: string): Promise<void> {
    await this.#git("add", "catalogue");
    await this.#git("commit", "-qm", message);
  }

  async head(): Promise<string> {
    return (await this.#git("rev-parse", "HEAD")).trim();
  }

  /** What a job of an environment has in its own. */
  environmentOf(environment: string): Record<string, string> {
    const { port } = this.#gitHub.address() as AddressInfo;
    return {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/${environment}`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-token",
      VAULT_CACERT: this.#vault(environment).caFile,
      KEYPLANE_PROMOTION_CACERT: this.staging.caFile,
      KEYPLANE_HOME: join(this.folder, "home"),
    };
  }

  run(environment: string, ...args: string[]): Promise<Run> {
    return keyplane([...args, "--environment", environment, "--catalogue", this.catalogue], {
      env: this.environmentOf(environment),
    });
  }

  async json(environment: string, ...args: string[]): Promise<{ code: number | null } & Answer> {
    const { code, stdout } = await this.run(environment, ...args, "--json");
    return { code, ...(JSON.parse(stdout) as Answer) };
  }

  /** Version and value of the source of shop/session. */
  async source(environment: string): Promise<{ version: number; token: string }> {
    const found = await this.#vault(environment).root.read<{
      data: { token: string };
      metadata: { version: number };
    }>("kv/data/source/shop/session");
    if (found === undefined) throw new Error("shop/session has no value");
    return { version: found.metadata.version, token: found.data.token };
  }

  /** Of shop/session. */
  async journal(environment: string): Promise<Record<string, unknown> | undefined> {
    const found = await this.#vault(environment).root.read<{ data: Record<string, unknown> }>(
      "kv/data/rotation/shop/session",
    );
    return found?.data;
  }

  #vault(environment: string): TestVault {
    return environment === "staging" ? this.staging : this.production;
  }

  async #prepare(environment: string): Promise<void> {
    const vault = this.#vault(environment);
    const model = derive(await loadCatalogue(this.catalogue), environment);
    this.#models[environment] = model;
    this.#signs[environment] = await makePlatform(vault, model);
    const { evidenceKey } = model.vault;
    if (evidenceKey !== undefined)
      await vault.root.write(`transit/keys/${evidenceKey}`, { type: "hmac", key_size: 32 });
    for (const { key, type } of model.encryptionKeys) await vault.root.write(`transit/keys/${key}`, { type });
    await ensureFirstValues(vault.root, model, () => {}, { by: "root" });
  }

  async #git(...args: string[]): Promise<string> {
    const name = ["-c", "user.name=Ada", "-c", "user.email=ada@acme.example"];
    return (await promisify(execFile)("git", ["-C", this.folder, ...name, ...args])).stdout;
  }
}
