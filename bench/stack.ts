import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Vault } from "../clients/vault.ts";
import { type Changes, Engine, preview, update } from "../local/engine.ts";
import { eachPart } from "../local/parts.ts";
import { startVaultProvider } from "../local/providers/index.ts";
import {
  environmentOf,
  type LocalServices,
  prepareDatabases,
  startServices,
  stopServices,
} from "../local/services/index.ts";
import { findTool } from "../local/toolchain/index.ts";
import type { Catalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import type { Model } from "../model/model.ts";
import { timed } from "./measure.ts";

/** A real Vault and Postgres in a temporary folder, with the engine and our providers, driven step by step. */
export interface BenchStack extends AsyncDisposable {
  model: Model;
  services: LocalServices;
  /** With the root token: nothing here is about rights. */
  vault: Vault;
  engine: Engine;
  /** Milliseconds, and what happened to the resources. */
  build(): Promise<{ time: number; changes: Changes }>;
  previewUnchanged(): Promise<number>;
}

/** Starts everything and derives the model; `parts` overrides in how many stacks the systems are built. */
export async function startBenchStack(
  catalogue: Catalogue,
  { parts = 1 }: { parts?: number } = {},
): Promise<BenchStack> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  const home = join(folder, "home");
  const quiet = () => {};
  const dispose = async () => {
    await stopServices(home, { deleteData: true, report: quiet });
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const services = await startServices(home, { report: quiet });
    const { aws: _, ...environment } = environmentOf(services);
    const model = derive(catalogue, "local", { ...environment, parts });
    const token = services.vault.rootToken ?? "";
    const vault = new Vault({ address: services.vault.address, ca: services.vault.ca, token });
    const bootstrapPasswords = await prepareDatabases(services, model.databases, {
      exists: async () => false,
    });
    const provider = await startVaultProvider({
      address: services.vault.address,
      ca: services.vault.ca,
      token: () => token,
    });
    const engine = await Engine.open({
      home,
      pulumi: await findTool("pulumi", quiet),
      environment: { PULUMI_DEBUG_PROVIDERS: `vault:${provider.port}` },
    });
    const all = (act: typeof update) =>
      eachPart(engine, model, { bootstrapPasswords }, (opened) => act(opened, quiet));
    return {
      model,
      services,
      vault,
      engine,
      async build() {
        let changes: Changes = {};
        const time = await timed(async () => {
          changes = await all(update);
        });
        return { time, changes };
      },
      previewUnchanged: async () => {
        let changes: Changes = {};
        const time = await timed(async () => {
          changes = await all(async (opened, report) => (await preview(opened, report)).changes);
        });
        const touched = Object.keys(changes).filter((name) => name !== "same");
        if (touched.length > 0) throw new Error(`The preview is not without changes: ${touched.join(", ")}`);
        return time;
      },
      async [Symbol.asyncDispose]() {
        await provider.close();
        await vault.close();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
