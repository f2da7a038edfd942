import { Vault } from "../../../clients/vault.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Model, Secret } from "../../../model/model.ts";
import type { Step } from "../../../operations/progress.ts";
import type { RotatorContext } from "../../../operations/rotation/rotator.ts";
import { secretNamed } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";

/** The real catalogue's local environment, without a Vault behind it. */
export async function catalogueModel(): Promise<Model> {
  const model = derive(await loadCatalogue("catalogue"), "local", {
    vault: { address: "https://127.0.0.1:1" },
    github: { issuer: "https://127.0.0.1:1" },
  });
  // Longer than any test takes: what was used in a test was used a moment ago.
  return { ...model, rotation: { ...model.rotation, watch: 600 } };
}

export interface TestContext extends RotatorContext {
  steps: Step[];
}

/** A rotator's context for a secret of the real catalogue, changed; `sources` is what Vault holds. */
export function contextOf(
  model: Model,
  name: string,
  {
    change = {},
    sources = {},
    ...more
  }: { change?: Partial<Secret>; sources?: Record<string, Fields> } & Partial<RotatorContext> = {},
): TestContext {
  const steps: Step[] = [];
  const context: TestContext = {
    vault: sourcesOnly(model, sources),
    model,
    secret: { ...secretNamed(model, name), ...change },
    rotation: "0b4ea4b4-6a4f-4e2b-8a35-1c2d3e4f5a6b",
    reason: "scheduled",
    reach: { fetch, manage: unreachable, login: unreachable },
    now: () => new Date(),
    report: (step) => steps.push(step),
    signal: new AbortController().signal,
    uninterrupted: (does) => does(context),
    steps,
    ...more,
  };
  return context;
}

function sourcesOnly(model: Model, sources: Record<string, Fields>): Vault {
  const vault = new Vault({ address: "https://127.0.0.1:1" });
  vault.read = async <T>(path: string) => {
    const found = Object.entries(sources).find(
      ([name]) => path === `${model.vault.mounts.kv}/data/${secretNamed(model, name).source}`,
    );
    return found === undefined ? undefined : ({ data: found[1], metadata: { version: 1 } } as T);
  };
  return vault;
}

async function unreachable(): Promise<never> {
  throw new Error("no database is reached here");
}

/** What everything that can be printed of an error says: its message, causes and stack. */
export function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name} ${error.message} ${error.stack} ${everythingOf(error.cause ?? "")}`;
}
