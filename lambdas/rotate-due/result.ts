import { UnreachedError } from "../../operations/delivery/sink.ts";
import { inWords } from "../../operations/errors.ts";
import type { Row } from "../../operations/rotation/fleet-runner.ts";
import { isUnderWay } from "../../operations/rotation/journal.ts";
import { LeaseLostError } from "../../operations/rotation/lease.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { EvidenceError } from "../../operations/rotation/promotion.ts";
import { PersonNeededError } from "../../operations/rotation/rotator.ts";
import type { Standing } from "../../operations/rotation/schedule.ts";

/** What a run came to, for the log and for whoever invoked the function by hand. No value. */
export interface Result {
  environment: string;
  rotated: string[];
  /** What goes on with a later run, and what it waits for. */
  underWay: Told[];
  /** What this function does not rotate, and who does. */
  left: Told[];
  /** What somebody has to look at: the run fails by them. */
  failed: Told[];
}

export interface Told {
  secret: string;
  why: string;
}

/** A secret or an encryption key, and where it stands after the run. */
interface Stands {
  secret: { id: string };
  standing: Standing;
}

/**
 * Sorts what became of everything. What only another runner can do is left to it, until it is overdue; what was rolled
 * back or is on its way back, has a value that its target refuses, is stuck or met an error fails the run, each time, until
 * it is mended.
 * @param unreached secrets that cannot be delivered from here
 * @param stopped whether the function's time was over before everything was done
 */
export function resultOf(
  environment: string,
  rows: readonly Row[],
  { unreached, states, stopped }: { unreached: readonly Told[]; states: readonly Stands[]; stopped: boolean },
): Result {
  const result: Result = { environment, rotated: [], underWay: [], left: [...unreached], failed: [] };
  for (const row of rows) {
    const { secret } = row;
    if ("left" in row) result.left.push({ secret, why: row.left });
    else if ("held" in row) result.underWay.push({ secret, why: row.held.why });
    else if ("error" in row) {
      const goesOn = stopped ? whyStopped(row.error) : undefined;
      if (goesOn !== undefined) result.underWay.push({ secret, why: goesOn });
      else (isLeft(row.error) ? result.left : result.failed).push({ secret, why: inWords(row.error) });
    } else if (isUnderWay(row.outcome)) {
      result.underWay.push({ secret, why: row.outcome.waiting ?? `${row.outcome.state} goes on` });
    } else if (!row.outcome.unchanged || row.outcome.doneBy !== undefined) {
      const why = endedBadly(row.outcome);
      if (why !== undefined) result.failed.push({ secret, why });
      else if (!row.outcome.unchanged) result.rotated.push(secret);
    }
  }
  for (const { secret, standing } of states) {
    const { state, lateness, why, step, isRefused } = standing;
    if (result.failed.some((one) => one.secret === secret.id)) continue;
    if (state === "stuck" || state === "held back" || step === "rolling-back")
      result.failed.push({ secret: secret.id, why: `${state}: ${why}` });
    else if (isRefused) result.failed.push({ secret: secret.id, why: `its value is refused: ${why}` });
    else if (lateness === "overdue" && state !== "under way") {
      result.failed.push({
        secret: secret.id,
        why: `overdue: ${whyLeft(secret, result) || why || "not rotated"}`,
      });
    }
  }
  return result;
}

/** Why a rotation that has ended is somebody's to look at; undefined where its new value is in force and let in. */
function endedBadly({ state, failure, keptRefused }: Outcome): string | undefined {
  const back = state === "rolled-back" ? [`rolled back: ${failure ?? "as was asked"}`] : [];
  const refused = keptRefused === undefined ? [] : [`its value is refused: ${keptRefused}`];
  return [...back, ...refused].join("; ") || undefined;
}

function whyLeft({ id }: Stands["secret"], { left }: Result): string | undefined {
  return left.find(({ secret }) => secret === id)?.why;
}

/** Another runner can, on the service's host or with the evidence of the environment before, or only a person. */
function isLeft(error: unknown): boolean {
  const kinds = [UnreachedError, EvidenceError, PersonNeededError];
  return kinds.some((kind) => error instanceof kind);
}

/** Why the end of the function's time is all that was in a secret's way; undefined for any other error. */
function whyStopped(error: unknown): string | undefined {
  if (error instanceof LeaseLostError) return error.message;
  const isTimeOver = error instanceof Error && ["AbortError", "TimeoutError"].includes(error.name);
  return isTimeOver ? "the function's time was over" : undefined;
}
