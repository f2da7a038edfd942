import type { Seconds } from "../../model/duration.ts";
import type { Clock } from "./clock.ts";
import { looks } from "./fleet.ts";
import type { Unkept } from "./gates.ts";
import { isUnderWay, type Journal, owed } from "./journal.ts";
import { type Outcome, untouched } from "./outcome.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import type { Runner } from "./runner.ts";
import type { Wanted } from "./status.ts";

/** Milliseconds for which a run stays with a rotation that waits for others, beside the time that it watches. */
const stays = 2 * 60_000;
/** A wait of more milliseconds than that in the drain is the overlap, which a later run takes up. */
const shortly = 2 * 60_000;

export interface Turn {
  runner: Runner;
  clock: Clock;
  wanted: Wanted;
  wait: boolean;
}

/** What takes turns in a run: a secret or an encryption key. */
export interface Rotatable {
  id: string;
  /** The most that one of its consumers has to take up a new value where nobody sees it. */
  settles: Seconds;
  /** Its journal when it was chosen. */
  seen: Journal | undefined;
  /** How it stands now, and whether it would still be chosen. */
  look(now: Date): Promise<Looked>;
  rotate(begins: { reason: Reason; after?: string }): Promise<Outcome>;
  /** Goes on with what is under way, and begins nothing. */
  resume(): Promise<Outcome>;
  /** Shows to the environment after this one what has ended. @returns what could not be written, and why */
  keep(outcome: Outcome): Promise<Unkept[]>;
}

export interface Looked {
  journal: Journal | undefined;
  isChosen: boolean;
  /** Why it begins, where that is not what was asked for: what may have leaked is in force again. */
  reason?: Exclude<Reason, "first">;
  /** Also tells what it does to people. @throws EvidenceError, DeliveryError, PersonNeededError before anything is made */
  mayBegin(reason: Reason): Promise<void>;
}

/**
 * One turn in a run. Time has passed since the choice, and another runner may have rotated it meanwhile: it is looked at
 * anew, and nothing begins after a rotation that this run has not seen.
 */
export async function takeTurn(turn: Turn, one: Rotatable): Promise<Outcome> {
  const { clock, wanted } = turn;
  const asked = wanted.what === "these" ? wanted.reason : "scheduled";
  const { journal, isChosen, reason = asked, mayBegin } = await one.look(clock.now());
  if (isUnderWay(journal)) {
    // Haste is asked for whoever began it; without, nothing is begun where it has ended in between.
    return isShort(asked) ? take(turn, one, { reason: asked }) : take(turn, one);
  }
  if (owed(journal) === undefined && !isShort(asked)) {
    const isAnothers = journal?.id !== one.seen?.id || isUnderWay(one.seen);
    if (isAnothers || !isChosen) {
      return untouched(one, journal, clock.now(), isAnothers ? journal?.owner : undefined);
    }
  }
  await mayBegin(owed(journal) ?? reason);
  return take(turn, one, { reason, ...(!isShort(asked) && { after: journal?.id ?? "" }) });
}

/**
 * To its end or to where only the overlap has to pass; meanwhile it looks when the rotation says. What has leaked does not
 * stay with a runner that may be dead: that one's lease is waited for.
 */
async function take(
  { runner, clock, wait }: Turn,
  one: Rotatable,
  begins?: { reason: Reason; after?: string },
): Promise<Outcome> {
  const isUrgent = begins !== undefined && isShort(begins.reason);
  // What has leaked is not left to a later run while those whom nobody sees take up the new value, signers after listeners.
  const settles = isUrgent ? 2 * one.settles : 0;
  const until = clock.now().getTime() + (runner.model.rotation.watch + settles) * 1000 + stays;
  let outcome = begins === undefined ? await one.resume() : await one.rotate(begins);
  while (isUnderWay(outcome) && !outcome.isStuck && (outcome.busy === undefined || isUrgent || wait)) {
    const now = clock.now().getTime();
    const at = outcome.busy ? now + looks : Date.parse(outcome.notBefore ?? clock.now().toISOString());
    const isOverlap = !outcome.busy && outcome.state === "drain" && at > now + shortly;
    if (!wait && (at > until || now > until || isOverlap)) break;
    await clock.sleep(Math.max(at - now, 200), runner.signal);
    const next = await one.resume();
    // The other one has ended it.
    outcome = outcome.busy && next.unchanged ? { ...next, unchanged: false } : next;
  }
  return outcome;
}
