import type { EncryptionKey, Model, Secret } from "../../model/model.ts";
import type { Fields } from "../values/shape.ts";
import { resumeByHand, rotateToGiven } from "./by-hand.ts";
import { abortRotation, resumeRotation, rotate } from "./engine.ts";
import { type Bounds, callsPerRotation, type Held, runFleet } from "./fleet.ts";
import { type Rotatable, type Turn, takeTurn } from "./fleet-turn.ts";
import {
  type Asking,
  completeEvidence,
  keepEvidence,
  mayBegin,
  refuseUnreached,
  type Unkept,
} from "./gates.ts";
import { isUnderWay } from "./journal.ts";
import { keyCandidatesOf, keyInTurn } from "./key-runner.ts";
import { keyStatusOf } from "./key-status.ts";
import { othersOf } from "./others.ts";
import type { Outcome } from "./outcome.ts";
import { destroyExpired } from "./retention.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { clockOf, mannerOf, type Runner, subjectOf } from "./runner.ts";
import { blackoutAt } from "./schedule.ts";
import { settlesOf } from "./settles.ts";
import {
  candidatesOf,
  type Left,
  oneStatus,
  reasonOf,
  type Status,
  statusOf,
  type Wanted,
} from "./status.ts";

/** What became of one secret or encryption key in a run. What then failed beside that has a row of its own. */
export type Row = { secret: string } & (
  | { outcome: Outcome }
  | { held: Held }
  | { left: string }
  | { error: unknown }
);

/**
 * Rotates what is wanted, secrets and encryption keys, as many at once as the bounds allow, and takes each as far as it
 * goes: to its end, or to where only time has to pass. With `wait` it stays for that as well. One whose journal cannot be
 * read holds up no other.
 */
export async function rotateMany(
  runner: Runner,
  secrets: readonly Secret[],
  wanted: Wanted,
  { wait, keys = [] }: { wait: boolean; keys?: readonly EncryptionKey[] },
): Promise<Row[]> {
  const clock = await clockOf(runner);
  const [states, keyStates] = await Promise.all([
    statusOf(runner, secrets, clock.now()),
    keyStatusOf(runner, keys, clock.now()),
  ]);
  const { jitter } = runner.model.rotation;
  const chosen = candidatesOf(states, wanted, jitter, clock.now());
  for (const { secret, why } of chosen.left)
    runner.report({ subject: secret, state: "unchanged", text: why });
  const turn = { runner, clock, wanted, wait };
  const rotatables = new Map(
    [
      ...states.map((status) => secretInTurn(turn, status)),
      ...keyStates.map((status) => keyInTurn(turn, status)),
    ].map((one) => [one.id, one]),
  );
  const others = othersOf(runner, clock);
  const unkept: Unkept[] = [];
  const { ended, held } = await runFleet({
    candidates: [...chosen.candidates, ...keyCandidatesOf(keyStates, wanted, jitter, clock.now())],
    elsewhere: others.places,
    bounds: boundsOf(runner.model, secrets),
    clock,
    signal: runner.signal,
    waits({ secret, why }) {
      const text = `waits for another runner's, which has leaked as well: ${why}`;
      runner.report({ subject: secret, state: "unchanged", text });
    },
    run: async ({ secret: id }) => {
      const one = rotatables.get(id);
      if (one === undefined) throw new Error(`${id} is not among what was read`);
      const outcome = await takeTurn(turn, one);
      if (outcome.busy !== undefined) others.forget();
      unkept.push(...(await one.keep(outcome)));
      return outcome;
    },
  });
  const failed: Failed[] = [...states, ...keyStates].flatMap(({ standing: { secret }, error }) =>
    error === undefined ? [] : [{ secret, error }],
  );
  for (const { secret, journal } of states) {
    if (journal?.kept === undefined || journal.kept.length === 0 || runner.signal.aborted) continue;
    try {
      const count = await destroyExpired(runner, secret, clock.now());
      const text = `${count} old key(s) destroyed: their retention has ended`;
      if (count > 0) runner.report({ subject: secret.id, state: "progress", text });
    } catch (error) {
      // What has become of the others is told all the same.
      failed.push({ secret: secret.id, error });
    }
  }
  failed.push(...unkept);
  if (wanted.what !== "these") {
    // Of those the rotation before would lack it for the same reason.
    const lacking = new Set(unkept.map(({ secret }) => secret));
    const shows = [
      ...states.map(({ secret, journal }) => ({ subject: secret, ...(journal && { journal }) })),
      ...keyStates.map(({ key, journal }) => ({ subject: key, ...(journal && { journal }) })),
    ].filter(({ subject }) => !lacking.has(subject.id));
    failed.push(...(await completeEvidence(runner, shows)));
  }
  return rowsOf([...secrets, ...keys], [...ended, ...failed], held, chosen.left);
}

function secretInTurn({ runner, wanted, wait }: Turn, { secret, journal: seen }: Status): Rotatable {
  const options = async () => ({ ...(await subjectOf(runner, secret)), ...mannerOf(runner), wait });
  return {
    id: secret.id,
    settles: Math.max(0, ...secret.consumers.map((consumer) => settlesOf(runner.model, consumer))),
    seen,
    async look(now) {
      const status = await oneStatus(runner, secret, now);
      const { candidates } = candidatesOf([status], wanted, runner.model.rotation.jitter, now);
      return {
        journal: status.journal,
        isChosen: candidates.length > 0,
        reason: reasonOf(status, wanted),
        async mayBegin(reason) {
          await refuseUnreached(runner, secret, reason);
          await mayBegin(runner, askingOf(status), reason);
          tellImpact(runner, status);
        },
      };
    },
    rotate: async (begins) => rotate({ ...(await options()), ...begins }),
    resume: async () => resumeRotation(await options()),
    keep: (outcome) => keepEvidence(runner, secret, outcome),
  };
}

/** What a rotation that now begins does to people (R49); a first value takes nothing from anybody. */
function tellImpact({ report, impactsTold }: Runner, { secret: { id, impact }, version }: Status): void {
  if (impact === undefined || impactsTold === true || version === 0) return;
  report({ subject: "impact", state: "unchanged", text: `${id}: ${impact}` });
}

/** A secret before the gates. */
export function askingOf({ secret, version, standing: { last } }: Status): Asking {
  return { subject: secret, version, ...(last !== undefined && { last }) };
}

/** Rolls rotations back. @returns a row for each */
export async function abortMany(runner: Runner, secrets: readonly Secret[], why: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secret of secrets) {
    try {
      const subject = await subjectOf(runner, secret);
      const outcome = await abortRotation({ ...subject, ...mannerOf(runner), wait: true, why });
      rows.push({ secret: secret.id, outcome }, ...(await keepEvidence(runner, secret, outcome)));
    } catch (error) {
      rows.push({ secret: secret.id, error });
    }
  }
  return rows;
}

/**
 * Rotates what a person makes to the value that was given, as far as it goes now. What begins passes the gates of every
 * rotation: blackouts, and what the environment before has shown.
 * @throws ValueError, ConflictError, EvidenceError, DeliveryError, PersonNeededError
 */
export async function rotateGiven(
  runner: Runner,
  secret: Secret,
  given: Fields,
  reason: Exclude<Reason, "first">,
): Promise<Row[]> {
  const now = (await clockOf(runner)).now();
  const status = await oneStatus(runner, secret, now);
  const begins = !isUnderWay(status.journal);
  await refuseUnreached(runner, secret, begins ? reason : undefined);
  if (begins) {
    const blackout = isShort(reason) ? undefined : blackoutAt(runner.model.rotation.blackouts, now);
    if (blackout !== undefined) {
      const { reason: why, until } = blackout;
      return [{ secret: secret.id, held: { secret: secret.id, why, until } }];
    }
    await mayBegin(runner, askingOf(status), reason);
    tellImpact(runner, status);
  }
  const subject = await subjectOf(runner, secret);
  const manner = { ...mannerOf(runner), reason, wait: false };
  const outcome = await rotateToGiven({ ...subject, ...manner }, given);
  return [{ secret: secret.id, outcome }, ...(await keepEvidence(runner, secret, outcome))];
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
      rows.push({ secret: secret.id, outcome }, ...(await keepEvidence(runner, secret, outcome)));
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
): Promise<Row[]> {
  const subject = await subjectOf(runner, secret);
  const outcome = await resumeRotation({ ...subject, ...mannerOf(runner), wait, overVersion });
  return [{ secret: secret.id, outcome }, ...(await keepEvidence(runner, secret, outcome))];
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

interface Failed {
  secret: string;
  outcome?: undefined;
  error: unknown;
}

function rowsOf(
  all: readonly { id: string }[],
  ended: readonly (Failed | Awaited<ReturnType<typeof runFleet<Outcome>>>["ended"][number])[],
  held: readonly Held[],
  left: readonly Left[],
): Row[] {
  const rows = Map.groupBy<string, Row>(
    [
      ...left.map(({ secret, why }) => ({ secret, left: why })),
      ...held.map((one) => ({ secret: one.secret, held: one })),
      ...ended.map(({ secret, outcome, error }) =>
        outcome === undefined ? { secret, error } : { secret, outcome },
      ),
    ],
    ({ secret }) => secret,
  );
  return all.flatMap(({ id }) => rows.get(id) ?? []);
}
