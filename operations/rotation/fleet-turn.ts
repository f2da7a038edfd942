import type { Secret } from "../../model/model.ts";
import type { Clock } from "./clock.ts";
import { type Outcome, resumeRotation, rotate, untouched } from "./engine.ts";
import { keepEvidence, mayBegin, refuseUnreached } from "./gates.ts";
import { isUnderWay, owed } from "./journal.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { mannerOf, type Runner, subjectOf } from "./runner.ts";
import { candidatesOf, type Status, statusOf, type Wanted } from "./status.ts";

/** Milliseconds for which a run stays with a rotation that waits for others, beside the time that it watches. */
const stays = 2 * 60_000;
/** A wait of more milliseconds than that in the drain is the overlap, which a later run takes up. */
const shortly = 2 * 60_000;
/** Milliseconds between two looks at a rotation that another runner holds. */
const looks = 1000;

interface Turn {
  runner: Runner;
  clock: Clock;
  wanted: Wanted;
  wait: boolean;
}

/**
 * One secret's turn in a run. Time has passed since it was chosen, and another runner may have rotated it meanwhile: it
 * is looked at anew, and nothing begins after a rotation that this run has not seen.
 */
export async function takeTurn(turn: Turn, seen: Status): Promise<Outcome> {
  const { runner, clock, wanted } = turn;
  const reason = wanted.what === "these" ? wanted.reason : "scheduled";
  const [now] = await statusOf(runner, [seen.secret], clock.now());
  if (now === undefined) throw new Error(`${seen.secret.id} is retired meanwhile`);
  const { journal } = now;
  if (isUnderWay(journal)) {
    // Haste is asked for whoever began it; without, nothing is begun where it has ended in between.
    return isShort(reason) ? take(turn, now, { reason }) : take(turn, now);
  }
  if (owed(journal) === undefined && !isShort(reason)) {
    const isAnothers = journal?.id !== seen.journal?.id || isUnderWay(seen.journal);
    if (
      isAnothers ||
      candidatesOf([now], wanted, runner.model.rotation.jitter, clock.now()).candidates.length === 0
    ) {
      return untouched(now.secret, journal, clock.now(), isAnothers ? journal?.owner : undefined);
    }
  }
  await refuseUnreached(runner, now.secret);
  await mayBegin(runner, now, owed(journal) ?? reason);
  return take(turn, now, { reason, ...(!isShort(reason) && { after: journal?.id ?? "" }) });
}

/**
 * To its end or to where only the overlap has to pass; meanwhile it looks when the rotation says. What has leaked does not
 * stay with a runner that may be dead: that one's lease is waited for.
 */
async function take(
  { runner, clock, wait }: Turn,
  { secret }: { secret: Secret },
  begins?: { reason: Reason; after?: string },
): Promise<Outcome> {
  const options = { ...(await subjectOf(runner, secret)), ...mannerOf(runner), wait };
  const until = clock.now().getTime() + runner.model.rotation.watch * 1000 + stays;
  const isUrgent = begins !== undefined && isShort(begins.reason);
  let outcome =
    begins === undefined ? await resumeRotation(options) : await rotate({ ...options, ...begins });
  while (!wait && isUnderWay(outcome) && !outcome.isStuck && (outcome.busy === undefined || isUrgent)) {
    const now = clock.now().getTime();
    const at = outcome.busy ? now + looks : Date.parse(outcome.notBefore ?? clock.now().toISOString());
    if (at > until || now > until || (!outcome.busy && outcome.state === "drain" && at > now + shortly))
      break;
    await clock.sleep(Math.max(at - now, 200), runner.signal);
    const next = await resumeRotation(options);
    // The other one has ended it.
    outcome = outcome.busy && next.unchanged ? { ...next, unchanged: false } : next;
  }
  await keepEvidence(runner, secret, outcome);
  return outcome;
}
