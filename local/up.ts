import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Vault } from "../clients/vault.ts";
import { platform } from "../infra/index.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import type { Model } from "../model/model.ts";
import { dropOrphans } from "../operations/database/orphans.ts";
import { ensureFirstValues } from "../operations/values/first.ts";
import { type Changes, changed, Engine, preview, update } from "./engine.ts";
import { loginAs, loginForUpdate } from "./identity.ts";
import { hold } from "./lock.ts";
import { partsOf } from "./parts.ts";
import type { Report } from "./progress.ts";
import { startVaultProvider } from "./providers/index.ts";
import { environmentOf, type LocalServices, prepareDatabases, startServices } from "./services/index.ts";
import { connectAsSuperuser } from "./services/postgres-server.ts";
import { findTool } from "./toolchain/index.ts";

export interface UpOptions {
  /** The local state folder. */
  home: string;
  catalogue: string;
  dryRun: boolean;
  /** `official`: the plugins that the Pulumi CLI has or downloads, instead of ours in process. */
  providers: "local" | "official";
  /** Whose service accounts log in, where there is one: its address and the PEM of its CA. */
  kubernetes?: { host: string; ca: string };
  report: Report;
}

export interface UpResult {
  model: Model;
  services: LocalServices;
  /** Resource counts by operation, over all parts. */
  changes: Changes;
  /** How many resources are not as they were. */
  changed: number;
  /** Ids of secrets whose first value is made by hand and not there yet. */
  unset: string[];
}

/**
 * Brings the local stack up: services, then the same program that staging and production run, then first values.
 * Nothing is started before the catalogue has been read and accepted.
 * @throws CatalogueError, ToolchainError, ServiceError, UpdateError, each saying what to do.
 */
export async function up({
  home,
  catalogue: folder,
  dryRun,
  providers,
  kubernetes,
  report,
}: UpOptions): Promise<UpResult> {
  const catalogue = await loadCatalogue(folder);
  const pulumi = await findTool("pulumi", report);
  await mkdir(home, { recursive: true, mode: 0o700 });
  using _held = await hold(join(home, "up.lock"), "local stack", { report });
  const services = await startServices(home, { report });
  const environment = environmentOf(services);
  if (kubernetes !== undefined) {
    const { host, ca: certificate } = kubernetes;
    environment.vault = { ...environment.vault, kubernetes: { host, certificate } };
  }
  const model = derive(catalogue, "local", environment);
  const vault = new Vault({ address: services.vault.address, ca: services.vault.ca });
  const deployer = await loginForUpdate(services, model, vault);
  const administered = vault.with(deployer.token);
  const bootstrapPasswords = await prepareDatabases(services, model.databases, {
    exists: async (connection) => (await administered.read(`database/config/${connection}`)) !== undefined,
  });
  const provider =
    providers === "local"
      ? await startVaultProvider({
          address: services.vault.address,
          ca: services.vault.ca,
          token: () => deployer.token,
        })
      : undefined;
  try {
    const engine = await Engine.open({
      home,
      pulumi,
      environment:
        provider === undefined
          ? {
              VAULT_ADDR: model.vault.address,
              VAULT_CACERT: services.vault.caFile,
              VAULT_TOKEN: deployer.token,
            }
          : { PULUMI_DEBUG_PROVIDERS: `vault:${provider.port}` },
    });
    const changes: Changes = {};
    for (const stage of partsOf(model)) {
      await Promise.all(
        stage.map(async (part) => {
          const { stack } = await engine.stack(part.stack, async () =>
            platform(model, { part: part.part, bootstrapPasswords }),
          );
          report({ subject: part.stack, state: "started", text: dryRun ? "previewing" : "updating" });
          const done = dryRun ? await preview(stack, report) : await update(stack, report);
          for (const [op, count] of Object.entries(done)) {
            changes[op as keyof Changes] = (changes[op as keyof Changes] ?? 0) + (count ?? 0);
          }
          report(settled(part.stack, done, dryRun));
        }),
      );
    }
    if (dryRun) return { model, services, changes, changed: changed(changes), unset: [] };
    await deployer.finish();
    const rotator = await loginAs(services, model, vault, "rotate");
    const { unset } = await ensureFirstValues(rotator.vault, model, report);
    await dropOrphans({
      vault: rotator.vault,
      model,
      connect: ({ database }) =>
        connectAsSuperuser({
          home: services.home,
          port: services.postgres.port,
          ca: services.issuer.ca,
          database,
        }),
      report,
    });
    await rotator.end();
    return { model, services, changes, changed: changed(changes), unset };
  } finally {
    await provider?.close();
    await vault.close();
  }
}

function settled(subject: string, changes: Changes, dryRun: boolean) {
  const count = changed(changes);
  if (count === 0)
    return {
      subject,
      state: "unchanged" as const,
      text: `nothing to change (${changes.same ?? 0} resources)`,
    };
  const by = Object.entries(changes).map(([op, n]) => `${n} ${op}`);
  return {
    subject,
    state: "done" as const,
    text: `${dryRun ? "would change" : "changed"}: ${by.join(", ")}`,
  };
}
