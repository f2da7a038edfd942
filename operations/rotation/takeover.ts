import type { Seconds } from "../../model/duration.ts";
import type { Journal } from "./journal.ts";
import { longestHold } from "./lease.ts";

/** What a run says as it begins a rotation, or takes one up. The dry run says the same. */
export function enteringWith({
  attempt,
  reason,
  state,
}: Pick<Journal, "attempt" | "reason" | "state">): string {
  return attempt === 1 ? `rotation begins (${reason})` : `rotation goes on at ${state}`;
}

/** Why a rotation that another runner has goes on without this one. */
export function atIt({ owner, state }: Pick<Journal, "owner" | "state">): string {
  return `${owner} is at it (${state})`;
}

/** How often `keyplane rotate --due` runs at least: by AWS' schedule (model/derive/aws/functions.ts), a CronJob, a workflow. */
const scheduled: Seconds = 15 * 60;

/**
 * How long a rotation stands where its runner died: nobody else may act before the lease is over; after that anybody's
 * `rotations resume` goes on, and at the latest the next scheduled run.
 */
export const takeover: { lease: Seconds; latest: Seconds } = {
  lease: longestHold,
  latest: longestHold + scheduled,
};
