import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { EncryptionKey } from "../../model/model.ts";
import type { Candidate } from "./fleet.ts";
import type { Rotatable, Turn } from "./fleet-turn.ts";
import { type Asking, type Evidenced, evidenceFor, keepEvidence, mayBegin } from "./gates.ts";
import { isOpen, isRetired, isUnderWay, type Journal, owed, type State } from "./journal.ts";
import { beginningOf, followingOf } from "./key-beginning.ts";
import { type KeyStatus, keyStatusOf, oneKeyStatus } from "./key-status.ts";
import { nameOf } from "./re-encryption/column.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { clockOf, type Runner, reachOf } from "./runner.ts";
import { after, blackoutAt } from "./schedule.ts";
import { isByName, type Wanted } from "./status.ts";
import { rotateEncryptionKey } from "./transit.ts";

/** What a run would do with one encryption key. */
export type PlannedKey = { secret: string } & (
  | PlannedBeginning
  | { does: "goes on"; at: State; waiting?: string }
  | { does: "nothing"; why: string }
);

export type PlannedBeginning = (
  | { does: "makes a version"; from: number }
  /** `to` is there and stays; `isShown`: an earlier rotation has replaced those before it, else Vault by itself. */
  | { does: "makes no version"; to: number; isShown: boolean }
) & {
  /** What is under way is ended before, from where it is. */
  after?: State;
  reason: Reason;
  /** Columns that are rewrapped, as "system/database schema.table.column". */
  rewraps: string[];
  /** Until when versions before are there at least, and what a short path leaves out. */
  keptUntil?: string;
  skipped: string[];
  evidence?: Evidenced;
  /** Nothing begins before this time. */
  blackout?: { reason: string; until: string };
};

/**
 * The encryption keys that can begin or go on now, for the fleet: what rewraps what a service stored touches it. Pure.
 * @param jitter what is due at once is spread over so many seconds
 */
export function keyCandidatesOf(
  states: readonly KeyStatus[],
  wanted: Wanted,
  jitter: number,
  now: Date,
): Candidate[] {
  return states.flatMap(({ key, standing, journal, error }): Candidate[] => {
    if (error !== undefined || isRetired(key, journal)) return [];
    const { last, due, bound, until, lateness } = standing;
    const follows = owed(journal);
    const underWay = journal !== undefined && isOpen(journal);
    const isAsked = wanted.what === "these";
    const isDue = wanted.what === "due" && ["due", "overdue", "no value"].includes(standing.state);
    if (!underWay && !isAsked && !isDue) return [];
    // Its versions are kept until then, and a run now would only say so again.
    if (underWay && !isByName(wanted) && until !== undefined && until > now) return [];
    // A version that Vault made by itself is due since then.
    const from = lateness === "on time" ? last : due;
    const since = underWay ? (until ?? new Date(journal.since)) : (from ?? now);
    const spread = from && after(from, jitter);
    return [
      {
        secret: key.id,
        services: key.consumers.map(({ id }) => id),
        since: since < now ? since : now,
        ...(spread && { latest: bound !== undefined && bound < spread ? bound : spread }),
        urgent: follows !== undefined || (isAsked && wanted.reason !== "scheduled"),
        underWay,
      },
    ];
  });
}

/** An encryption key as it takes its turn. */
export function keyInTurn({ runner, wanted }: Turn, { key, journal: seen }: KeyStatus): Rotatable {
  const { vault, model, by, report, signal, commit, destroysOld, clock } = runner;
  const options = {
    ...{ vault, model, key, report, signal },
    reach: runner.reach ?? reachOf(runner),
    owner: `${by} on ${hostname()}, process ${process.pid}, ${randomUUID().slice(0, 8)}`,
    ...(commit !== undefined && { commit }),
    ...(destroysOld === true && { destroysOld }),
    ...(clock !== undefined && { clock }),
  };
  return {
    id: key.id,
    // Vault itself works with it: nothing is brought to anybody.
    settles: 0,
    seen,
    async look(now) {
      const status = await oneKeyStatus(runner, key, now);
      return {
        journal: status.journal,
        isChosen: keyCandidatesOf([status], wanted, 0, now).length > 0,
        mayBegin: (reason) => mayBegin(runner, askingOf(status, wanted, now), reason),
      };
    },
    rotate: (begins) => rotateEncryptionKey({ ...options, ...begins, anew: wanted.what === "these" }),
    resume: () => rotateEncryptionKey({ ...options, reason: "scheduled", onlyResumes: true }),
    keep: (outcome) => keepEvidence(runner, key, outcome),
  };
}

/**
 * An encryption key before the gates. Where only versions are left to go that an earlier rotation has replaced, nothing
 * is asked for: that one was shown.
 */
function askingOf({ key, versions, journal }: KeyStatus, wanted: Wanted, now: Date): Asking {
  const beginning = versions && beginningOf(key, { versions, journal }, askedBy(wanted), now);
  const last = lastBegun(journal);
  return {
    subject: key,
    version: beginning?.isShown === true ? 0 : (versions?.latest ?? 0),
    ...(last !== undefined && { last }),
  };
}

function askedBy(wanted: Wanted): { reason: Reason; anew: boolean } {
  return wanted.what === "these"
    ? { reason: wanted.reason, anew: true }
    : { reason: "scheduled", anew: false };
}

/** Versions that Vault makes by itself are no rotation that was shown by evidence. */
function lastBegun(journal: Journal | undefined): Date | undefined {
  const at = journal?.state === "done" ? journal.startedAt : journal?.history.find(isDone)?.startedAt;
  return at === undefined ? undefined : new Date(at);
}

function isDone({ outcome }: Journal["history"][number]): boolean {
  return outcome === "done";
}

/** The dry run of `rotateMany` for encryption keys: nothing is done, no key is read. */
export async function planKeys(
  runner: Runner,
  keys: readonly EncryptionKey[],
  wanted: Wanted,
): Promise<PlannedKey[]> {
  const now = (await clockOf(runner)).now();
  const states = await keyStatusOf(runner, keys, now);
  const chosen = new Set(keyCandidatesOf(states, wanted, 0, now).map(({ secret }) => secret));
  const plans: PlannedKey[] = [];
  for (const status of states) {
    const { key, standing, error } = status;
    if (error !== undefined) plans.push({ secret: key.id, does: "nothing", why: standing.why });
    else if (chosen.has(key.id)) plans.push(await planned(runner, status, wanted, now));
  }
  return plans;
}

async function planned(runner: Runner, status: KeyStatus, wanted: Wanted, now: Date): Promise<PlannedKey> {
  const { key, standing, versions, journal } = status;
  const asked = askedBy(wanted);
  const underWay = isUnderWay(journal) ? journal : undefined;
  const beginning =
    versions &&
    (underWay === undefined
      ? beginningOf(key, { versions, journal }, asked, now)
      : followingOf(versions, underWay, asked.reason));
  if (beginning === undefined && underWay !== undefined) {
    const { state, waiting } = underWay;
    return { secret: key.id, does: "goes on", at: state, ...(waiting !== undefined && { waiting }) };
  }
  if (beginning === undefined || versions === undefined) {
    return { secret: key.id, does: "nothing", why: standing.why };
  }
  const { reason, from, to } = beginning;
  const stays = key.stored.length === 0;
  const superseded = to === undefined ? now : (versions.made.get(to) ?? now);
  const end = after(superseded, key.retain);
  const isKept = !stays && runner.destroysOld !== true && end > now;
  const evidence = await evidenceFor(runner, askingOf(status, wanted, now), reason);
  const blackout = isShort(reason) ? undefined : blackoutAt(runner.model.rotation.blackouts, now);
  return {
    secret: key.id,
    ...(to === undefined
      ? { does: "makes a version", from }
      : { does: "makes no version", to, isShown: beginning.isShown }),
    ...(underWay !== undefined && { after: underWay.state }),
    reason,
    rewraps: key.stored.map(nameOf),
    ...(isKept && { keptUntil: end.toISOString() }),
    skipped:
      stays || !isShort(reason)
        ? []
        : [
            `the ${key.retain} s for which old versions ${runner.destroysOld === true ? "are kept: what backups hold under them is lost" : "decrypt"}`,
          ],
    ...(evidence !== undefined && { evidence }),
    ...(blackout !== undefined && {
      blackout: { reason: blackout.reason, until: blackout.until.toISOString() },
    }),
  };
}
