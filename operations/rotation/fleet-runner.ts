import type { Model, Secret } from "../../model/model.ts";
import type { Fields } from "../values/shape.ts";
import { resumeByHand, rotateToGiven } from "./by-hand.ts";
import { vaultClock } from "./clock.ts";
import { abortRotation, type Outcome, resumeRotation } from "./engine.ts";
import { type Bounds, type Held, runFleet } from "./fleet.ts";
import { takeTurn } from "./fleet-turn.ts";
import { completeEvidence, keepEvidence, mayBegin, refuseUnreached } from "./gates.ts";
import { isUnderWay } from "./journal.ts";
import { othersOf } from "./others.ts";
import { destroyExpired } from "./retention.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { mannerOf, type Runner, subjectOf } from "./runner.ts";
import { blackoutAt } from "./schedule.ts";
import { candidatesOf, type Left, statusOf, type Wanted } from "./status.ts";

/** What became of one secret in a run. */
export type Row = { secret: string } & (
  | { outcome: Outcome }
  | { held: Held }
  | { left: string }
  | { error: unknown }
);

/**
 * Rotates what is wanted, as many at once as the bounds allow, and takes each as far as it goes: to its end, or to where
 * only time has to pass. With `wait` it stays for that as well.
 */
export async function rotateMany(
  runner: Runner,
  secrets: readonly Secret[],
  wanted: Wanted,
  { wait }: { wait: boolean },
): Promise<Row[]> {
  const clock = await vaultClock(runner.vault);
  const states = await statusOf(runner, secrets, clock.now());
  const chosen = candidatesOf(states, wanted, runner.model.rotation.jitter, clock.now());
  const byId = new Map(states.map((status) => [status.secret.id, status]));
  for (const { secret, why } of chosen.left)
    runner.report({ subject: secret, state: "unchanged", text: why });
  const others = othersOf(runner, clock);
  const { ended, held } = await runFleet({
    candidates: chosen.candidates,
    elsewhere: others.places,
    bounds: boundsOf(runner.model, secrets),
    signal: runner.signal,
    run: async ({ secret }) => {
      const seen = byId.get(secret);
      if (seen === undefined) throw new Error(`${secret} is not among what was read`);
      const outcome = await takeTurn({ runner, clock, wanted, wait }, seen);
      if (outcome.busy !== undefined) others.forget();
      return outcome;
    },
  });
  for (const { secret, journal } of states) {
    if (journal?.kept === undefined || runner.signal.aborted) continue;
    const count = await destroyExpired(runner, secret, clock.now());
    const text = `${count} old key(s) destroyed: their retention has ended`;
    if (count > 0) runner.report({ subject: secret.id, state: "progress", text });
  }
  if (wanted.what !== "these") await completeEvidence(runner, states);
  return rowsOf(secrets, ended, held, chosen.left);
}

/** Rolls rotations back. @returns a row for each */
export async function abortMany(runner: Runner, secrets: readonly Secret[], why: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secret of secrets) {
    try {
      const subject = await subjectOf(runner, secret);
      const outcome = await abortRotation({ ...subject, ...mannerOf(runner), wait: true, why });
      await keepEvidence(runner, secret, outcome);
      rows.push({ secret: secret.id, outcome });
    } catch (error) {
      rows.push({ secret: secret.id, error });
    }
  }
  return rows;
}

/**
 * Rotates what a person makes to the value that was given, as far as it goes now. What begins passes the gates of every
 * rotation: blackouts, and what the environment before has shown.
 * @throws ValueError, ConflictError, EvidenceError, DeliveryError
 */
export async function rotateGiven(
  runner: Runner,
  secret: Secret,
  given: Fields,
  reason: Exclude<Reason, "first">,
): Promise<Row> {
  await refuseUnreached(runner, secret);
  const now = (await vaultClock(runner.vault)).now();
  const [status] = await statusOf(runner, [secret], now);
  if (status !== undefined && !isUnderWay(status.journal)) {
    const blackout = isShort(reason) ? undefined : blackoutAt(runner.model.rotation.blackouts, now);
    if (blackout !== undefined) {
      const { reason: why, until } = blackout;
      return { secret: secret.id, held: { secret: secret.id, why, until } };
    }
    await mayBegin(runner, status, reason);
  }
  const subject = await subjectOf(runner, secret);
  const manner = { ...mannerOf(runner), reason, wait: false };
  const outcome = await rotateToGiven({ ...subject, ...manner }, given);
  await keepEvidence(runner, secret, outcome);
  return { secret: secret.id, outcome };
}

/**
 * Goes on with rotations of what a person makes.
 * @param confirmedBy the person who says to have revoked the old values
 */
export async function resumeConfirmed(
  runner: Runner,
  secrets: readonly Secret[],
  { wait, confirmedBy }: { wait: boolean; confirmedBy: string },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secret of secrets) {
    try {
      const subject = await subjectOf(runner, secret);
      const outcome = await resumeByHand({ ...subject, ...mannerOf(runner), wait }, confirmedBy);
      await keepEvidence(runner, secret, outcome);
      rows.push({ secret: secret.id, outcome });
    } catch (error) {
      rows.push({ secret: secret.id, error });
    }
  }
  return rows;
}

/**
 * Goes on with rotations that somebody else's write to the source has stopped.
 * @param overVersion the version of the source that is let go
 */
export async function resumeOver(
  runner: Runner,
  secret: Secret,
  { wait, overVersion }: { wait: boolean; overVersion: number },
): Promise<Row> {
  const subject = await subjectOf(runner, secret);
  const outcome = await resumeRotation({ ...subject, ...mannerOf(runner), wait, overVersion });
  await keepEvidence(runner, secret, outcome);
  return { secret: secret.id, outcome };
}

/** What may run at once, here. */
export function boundsOf({ rotation }: Pick<Model, "rotation">, secrets: readonly Secret[]): Bounds {
  const providers: Bounds["providers"] = {};
  for (const { provider } of secrets) {
    if (provider?.rate === undefined) continue;
    const { requests, per } = provider.rate;
    providers[provider.name] = { calls: requests, interval: per, perRotation: callsPerRotation };
  }
  return { concurrent: rotation.concurrent, blackouts: rotation.blackouts, providers };
}

/**
 * Of a key that says itself what it is: three to make the next one, one to stage it, two to probe it, one to see the old
 * one idle, three to revoke it, and the question whether it is refused. Lists of several pages and providers that say
 * less take more, which the throttle of `providers/` spaces out.
 */
const callsPerRotation = 11;

function rowsOf(
  secrets: readonly Secret[],
  ended: Awaited<ReturnType<typeof runFleet<Outcome>>>["ended"],
  held: readonly Held[],
  left: readonly Left[],
): Row[] {
  const rows = new Map<string, Row>();
  for (const { secret, why } of left) rows.set(secret, { secret, left: why });
  for (const one of held) rows.set(one.secret, { secret: one.secret, held: one });
  for (const { secret, outcome, error } of ended) {
    rows.set(secret, outcome === undefined ? { secret, error } : { secret, outcome });
  }
  return secrets.flatMap(({ id }) => rows.get(id) ?? []);
}
