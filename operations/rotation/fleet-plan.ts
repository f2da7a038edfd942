import type { Secret } from "../../model/model.ts";
import { askingOf } from "./fleet-runner.ts";
import { type Evidenced, evidenceFor } from "./gates.ts";
import { isUnderWay, owed, type State } from "./journal.ts";
import { planRotation, type RotationPlan } from "./plan.ts";
import { clockOf, type Runner, subjectOf } from "./runner.ts";
import { blackoutAt } from "./schedule.ts";
import { candidatesOf, type Status, statusOf, type Wanted } from "./status.ts";

/** What a run would do with one secret. */
export type PlannedRow = { secret: string } & (
  | {
      does: "begins";
      plan: RotationPlan;
      evidence?: Evidenced;
      /** Nothing begins before this time. */
      blackout?: { reason: string; until: string };
    }
  | { does: "goes on"; at: State; waiting?: string }
  | { does: "nothing"; why: string }
);

/**
 * The dry run of `rotateMany`: the same choice, and nothing done. Reads no value.
 * @throws JournalError, VaultError, VaultUnreachableError
 */
export async function planMany(
  runner: Runner,
  secrets: readonly Secret[],
  wanted: Wanted,
): Promise<PlannedRow[]> {
  const now = (await clockOf(runner)).now();
  const states = await statusOf(runner, secrets, now);
  const { candidates, left } = candidatesOf(states, wanted, runner.model.rotation.jitter, now);
  const reasons = new Map(left.map(({ secret, why }) => [secret, why]));
  const chosen = new Set(candidates.map(({ secret }) => secret));
  const rows: PlannedRow[] = [];
  for (const status of states) {
    const { id } = status.secret;
    const why = reasons.get(id);
    if (why !== undefined) rows.push({ secret: id, does: "nothing", why });
    else if (chosen.has(id)) rows.push(await planned(runner, status, wanted, now));
  }
  return rows;
}

async function planned(runner: Runner, status: Status, wanted: Wanted, now: Date): Promise<PlannedRow> {
  const { secret, journal, version } = status;
  const asked = owed(journal) ?? (wanted.what === "these" ? wanted.reason : "scheduled");
  const isHastened = asked !== "scheduled";
  if (journal !== undefined && isUnderWay(journal) && !isHastened) {
    const { state, waiting } = journal;
    return { secret: secret.id, does: "goes on", at: state, ...(waiting !== undefined && { waiting }) };
  }
  const reason = version === 0 ? "first" : asked;
  const { sinks, probes, unprobed } = await subjectOf(runner, secret);
  const destroys = runner.destroysOld === true && { destroysOld: true };
  const plan = await planRotation(runner.model, secret, {
    ...{ reason, now, sinks, probes },
    ...(unprobed !== undefined && { unprobed }),
    ...destroys,
  });
  const blackout = isHastened ? undefined : blackoutAt(runner.model.rotation.blackouts, now);
  const evidence = await evidenceFor(runner, askingOf(status), reason);
  return {
    secret: secret.id,
    does: "begins",
    plan,
    ...(evidence !== undefined && { evidence }),
    ...(blackout !== undefined && {
      blackout: { reason: blackout.reason, until: blackout.until.toISOString() },
    }),
  };
}
