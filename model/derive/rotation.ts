import { seconds } from "../duration.ts";
import type { RotationSettings } from "../model.ts";
import { type Context, day, hour, minute } from "./context.ts";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** When and how much may rotate at once; the platform's usual bounds where nothing is written. Times in seconds. */
export function deriveRotation({ block, environment, organization }: Context): RotationSettings {
  const said = block.rotation ?? {};
  // The catalogue's own word: in the block the local stack has filled in its address.
  const isLocal = organization.environments[environment]?.vault?.address === undefined;
  return {
    concurrent: {
      perService: said.concurrent?.["per-service"] ?? 1,
      total: said.concurrent?.total ?? 8,
    },
    jitter: lasting(said.jitter, hour),
    blackouts: (said.blackouts ?? []).map(({ days: named, from, to, reason }) => ({
      days: (named ?? days).map((name) => days.indexOf(name)).sort(),
      from: minuteOfDay(from),
      to: minuteOfDay(to),
      reason,
    })),
    watch: lasting(said.watch, isLocal ? 2 : 5 * minute),
    evidence: lasting(said.evidence, 14 * day),
  };
}

function lasting(said: string | undefined, usual: number): number {
  return said === undefined ? usual : seconds(said);
}

/** Minutes after midnight of "22:30". */
function minuteOfDay(time: string): number {
  const [hours = 0, rest = 0] = time.split(":").map(Number);
  return hours * 60 + rest;
}
