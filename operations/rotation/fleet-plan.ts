import type { Secret } from "../../model/model.ts";
import { hasten, mayBeMade } from "./engine.ts";
import { askingOf } from "./fleet-runner.ts";
import { barriersTo, type Evidenced, evidenceFor, refusalBy } from "./gates.ts";
import { isUnderWay, type Journal, owed, type State } from "./journal.ts";
import { isHeld } from "./lease.ts";
import { type PlanOptions, planRotation, type RotationPlan } from "./plan.ts";
import type { Reason } from "./rotator.ts";
import type { Subject } from "./run.ts";
import { clockOf, type Runner, subjectOf } from "./runner.ts";
import { blackoutAt } from "./schedule.ts";
import { candidatesOf, reasonOf, type Status, statusOf, type Wanted } from "./status.ts";

/** What a run would do with one secret. */
export type PlannedRow = { secret: string } & (
  | {
      does: "begins";
      plan: RotationPlan;
      /** For which places, and why, it would not begin here. */
      refused?: string;
      evidence?: Evidenced;
      /** Nothing begins before this time. */
      blackout?: { reason: string; until: string };
    }
  | GoesOn
  | { does: "nothing"; why: string }
);

/** What is under way is taken up, or is left to the runner that has it. */
export interface GoesOn {
  does: "goes on";
  at: State;
  /** The reason with which it goes on. */
  reason: Reason;
  /** The one that it had, where it is hastened. */
  hastens?: Reason;
  waiting?: string;
  /** The runner that is at it: it is asked for haste where something has leaked, and waited for. Dead, it has it until then. */
  busy?: { owner: string; until: string };
  /** The rotation that follows at once, since the new value of the one under way may be the one that leaked. */
  follows?: RotationPlan;
}

/**
 * The dry run of `rotateMany`: the same choice, and nothing done. Reads no value.
 * @throws VaultError, VaultUnreachableError
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
    const why = status.error?.message ?? reasons.get(id);
    if (why !== undefined) rows.push({ secret: id, does: "nothing", why });
    else if (chosen.has(id)) rows.push(await planned(runner, status, wanted, now));
  }
  return rows;
}

async function planned(runner: Runner, status: Status, wanted: Wanted, now: Date): Promise<PlannedRow> {
  const { secret, journal, version } = status;
  const asked = owed(journal) ?? reasonOf(status, wanted);
  const isHastened = asked !== "scheduled";
  if (journal !== undefined && isUnderWay(journal)) return goesOn(runner, secret, { journal, asked, now });
  const reason = version === 0 ? "first" : asked;
  const subject = await subjectOf(runner, secret);
  const barriers = await barriersTo(subject, secret, asked);
  const refused = refusalBy(barriers);
  const refusedFor = new Set(barriers.map(({ place }) => place));
  const plan = await planOf(runner, subject, { reason, now, refusedFor });
  const blackout = isHastened ? undefined : blackoutAt(runner.model.rotation.blackouts, now);
  const evidence = await evidenceFor(runner, askingOf(status), reason);
  return {
    secret: secret.id,
    does: "begins",
    plan,
    ...(refused !== undefined && { refused }),
    ...(evidence !== undefined && { evidence }),
    ...(blackout !== undefined && {
      blackout: { reason: blackout.reason, until: blackout.until.toISOString() },
    }),
  };
}

/** The same decisions as the engine's: whose it is, what haste is told, and what follows. */
async function goesOn(
  runner: Runner,
  secret: Secret,
  { journal, asked, now }: { journal: Journal; asked: Reason; now: Date },
): Promise<PlannedRow> {
  const { state, waiting, owner, leaseUntil } = journal;
  const isBusy = isHeld(journal, "", now);
  const { reason, followedBy = journal.followedBy } = hasten(asked, journal, mayBeMade(secret, isBusy));
  return {
    ...{ secret: secret.id, does: "goes on", at: state, reason },
    ...(reason !== journal.reason && { hastens: journal.reason }),
    ...(waiting !== undefined && { waiting }),
    ...(isBusy && { busy: { owner, until: leaseUntil } }),
    ...(followedBy !== undefined && {
      follows: await planOf(runner, await subjectOf(runner, secret), { reason: followedBy, now }),
    }),
  };
}

async function planOf(
  runner: Runner,
  { secret, sinks, probes, unprobed }: Subject,
  options: Pick<PlanOptions, "reason" | "now" | "refusedFor">,
): Promise<RotationPlan> {
  return planRotation(runner.model, secret, {
    ...{ ...options, sinks, probes },
    ...(unprobed !== undefined && { unprobed }),
    ...(runner.destroysOld === true && { destroysOld: true }),
  });
}
