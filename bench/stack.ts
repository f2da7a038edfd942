import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Vault } from "../clients/vault.ts";
import { platform } from "../infra/index.ts";
import { type Changes, Engine, preview, update } from "../local/engine.ts";
import { partsOf } from "../local/parts.ts";
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
    const model = derive(catalogue, "local", { ...environmentOf(services), parts });
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
    const changes: Changes = {};
    const eachPart = async (act: typeof update) => {
      for (const stage of partsOf(model)) {
        await Promise.all(
          stage.map(async ({ stack: name, part }) => {
            const { stack } = await engine.stack(name, async () =>
              platform(model, { part, bootstrapPasswords }),
            );
            for (const [operation, count] of Object.entries(await act(stack, quiet))) {
              changes[operation as keyof Changes] = (changes[operation as keyof Changes] ?? 0) + (count ?? 0);
            }
          }),
        );
      }
    };
    return {
      model,
      services,
      vault,
      engine,
      build: async () => ({ time: await timed(() => eachPart(update)), changes: { ...changes } }),
      previewUnchanged: async () => {
        for (const name of Object.keys(changes)) delete changes[name as keyof Changes];
        const time = await timed(() => eachPart(preview));
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
