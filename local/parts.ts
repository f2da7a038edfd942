import { availableParallelism } from "node:os";
import { type PlatformOptions, platform } from "../infra/index.ts";
import { withoutTraces } from "../infra/without-traces.ts";
import type { Model } from "../model/model.ts";
import { type Part, partsOf } from "../model/parts.ts";
import type { Changes, Engine, OpenedStack } from "./engine.ts";

/**
 * Opens every stack of the environment and does the same with each: stage after stage, within a stage as many side
 * by side as the machine has processors.
 * @returns the resource counts of all together
 */
export async function eachPart(
  engine: Engine,
  model: Model,
  options: Pick<PlatformOptions, "bootstrapPasswords" | "lambdaCode">,
  act: (opened: OpenedStack, part: Part) => Promise<Changes>,
): Promise<Changes> {
  const total: Changes = {};
  for (const stage of partsOf(model)) {
    const waiting = [...stage];
    const worker = async () => {
      for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
        const { stack: name, part: which } = part;
        const opened = await engine.stack(name, async () =>
          withoutTraces(() => platform(model, { ...options, part: which })),
        );
        add(total, await act(opened, part));
      }
    };
    // All end before the first failure counts: a provider must not be closed under an update that still runs.
    const ended = await Promise.allSettled(Array.from({ length: availableParallelism() }, worker));
    for (const end of ended) if (end.status === "rejected") throw end.reason;
  }
  return total;
}

function add(total: Changes, changes: Changes): void {
  for (const [op, count] of Object.entries(changes) as [keyof Changes, number][]) {
    total[op] = (total[op] ?? 0) + count;
  }
}
