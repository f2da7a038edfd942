import { randomBytes, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Secret } from "../../model/model.ts";
import { inWords } from "../errors.ts";
import { sourceState } from "../values/deliver.ts";
import { ConflictError } from "../values/kv.ts";
import { type Clock, pause, vaultClock } from "./clock.ts";
import { drive, type Waits } from "./drive.ts";
import {
  isOpen,
  isPastReturn,
  isUnderWay,
  type Journal,
  owed,
  pastOf,
  takesWord,
  type Wish,
  wasAsked,
} from "./journal.ts";
import { type Kept, readJournal } from "./journal-store.ts";
import { askHolder, isHeld, Lease, LeaseLostError, type LeaseTimes, usualLease } from "./lease.ts";
import { madeAt } from "./made-at.ts";
import { noRotation, type Outcome, outcomeOf, untouched } from "./outcome.ts";
import { destroysNext } from "./retention.ts";
import { type Backoff, isPassing, usualBackoff, withBackoff } from "./retry.ts";
import type { Reason } from "./rotator.ts";
import { isShort, type Manner, type Patience, runOf, type Subject, usualPatience } from "./run.ts";
import { atIt, enteringWith } from "./takeover.ts";

export interface RotateOptions extends Subject {
  reason: Reason;
  /** Git commit of the catalogue, for the evidence that a later environment asks for. */
  commit?: string;
  by: string;
  report: Manner["report"];
  /**
   * Id of the last rotation that whoever asks has seen, "" where there was none: after another one nothing begins, which
   * the outcome says (`doneBy`).
   */
  after?: string;
  /** Who says to have revoked the old value, of what a person makes: the journal keeps it once nobody is given that value. */
  confirmedBy?: string;
  /** With a compromise or a leaver: an old encryption key is not kept for its retention (R22) but destroyed at once. */
  destroysOld?: boolean;
  /** A version of the source that somebody else wrote meanwhile, and that the last one may take the place of. */
  overVersion?: number;
  /** Stays until the rotation has ended; otherwise it goes as far as it can go now and says what it waits for. */
  wait: boolean;
  signal?: AbortSignal;
  clock?: Clock;
  /** The machine's name; by default what it says itself. */
  host?: string;
  /** Unique to this run; by default the role, the host, the process and something random. */
  owner?: string;
  lease?: LeaseTimes;
  backoff?: Backoff;
  patience?: Patience;
}

/** The secret cannot be rotated as it is. Says why and what to do. */
export class RotationError extends Error {
  override name = "RotationError";
}

/** The old value may be refused already: nobody may ask for the way back. */
export class NoWayBackError extends Error {
  override name = "NoWayBackError";
}

/**
 * Rotates one secret as far as it can go: begins a rotation, or goes on with the one that is under way, whoever began
 * it. May be killed anywhere and run again anywhere.
 * @throws RotationError, JournalError, VaultError, VaultUnreachableError; the signal's reason
 */
export async function rotate(options: RotateOptions): Promise<Outcome> {
  return follow(options, "rotate");
}

/** Goes on with a rotation that is under way, and begins none but the one that follows a hastened one. */
export async function resumeRotation(options: Omit<RotateOptions, "reason">): Promise<Outcome> {
  return follow({ ...options, reason: "scheduled" }, "resume");
}

/**
 * Rolls back the rotation that is under way; where another runner is at it, that one is asked to.
 * @throws NoWayBackError once the old value may be refused
 */
export async function abortRotation(
  options: Omit<RotateOptions, "reason"> & { why: string },
): Promise<Outcome> {
  return follow({ ...options, reason: "scheduled" }, "abort", options.why);
}

type Intent = "rotate" | "resume" | "abort";

const maximumHistory = 20;

/** What a run of this process is about, while it gives the lease back and takes it again. */
interface Following {
  options: RotateOptions;
  intent: Intent;
  why: string;
  manner: Manner;
  owner: string;
  /** Id of the rotation that is followed to its end. */
  id?: string;
  /** Its wishes stand in a journal: told once, or they would be taken for another's, or be of a rotation that follows. */
  isTold: boolean;
  /** Why a person's word was not taken. */
  notTaken?: string;
  reloaded: Set<string>;
}

async function follow(options: RotateOptions, intent: Intent, why = ""): Promise<Outcome> {
  const signal = options.signal ?? new AbortController().signal;
  const backoff = options.backoff ?? usualBackoff;
  const patience = options.patience ?? usualPatience;
  const clock = options.clock ?? (await clockOf(options, signal, backoff));
  const reloaded = new Set<string>();
  const { by, report, wait, host = hostname() } = options;
  const following: Following = {
    options,
    intent,
    why,
    manner: { by, report, signal, clock, backoff, patience, host, reloaded, waits: wait },
    owner: options.owner ?? `${by} on ${host}, process ${process.pid}, ${randomBytes(4).toString("hex")}`,
    reloaded,
    isTold: false,
  };
  for (;;) {
    const outcome = await onceMore(following);
    if (outcome === "again") continue;
    if (!wait || !isUnderWay(outcome)) return withNote(outcome, following.notTaken);
    report({ subject: options.secret.id, state: "progress", text: outcome.waiting ?? "waits" });
    const until = outcome.busy === undefined ? outcome.notBefore : undefined;
    const left = until === undefined ? 1000 : Date.parse(until) - clock.now().getTime();
    await clock.sleep(Math.max(left, patience.poll.first), signal);
  }
}

function withNote(outcome: Outcome, note: string | undefined): Outcome {
  return note === undefined ? outcome : { ...outcome, notes: [...outcome.notes, note] };
}

async function clockOf({ vault }: RotateOptions, signal: AbortSignal, backoff: Backoff): Promise<Clock> {
  const own: Clock = { now: () => new Date(), sleep: pause };
  return withBackoff(() => vaultClock(vault), { clock: own, signal, backoff, said: () => {} });
}

/** One hold of the lease, or a look at who has it. */
async function onceMore(following: Following): Promise<Outcome | "again"> {
  const { options, manner } = following;
  const { clock, signal, backoff, patience } = manner;
  const { secret, report } = options;
  const said = (error: Error) => report({ subject: secret.id, state: "progress", text: error.message });
  try {
    return await withBackoff(() => hold(following), { clock, signal, backoff, said });
  } catch (error) {
    // Where another runner was quicker than its first write, its wishes stand nowhere yet.
    if (error instanceof LeaseLostError) {
      return options.wait || !following.isTold ? "again" : seen(following);
    }
    // Vault is away: what has begun is waited for; what has not is told at once.
    if (following.id === undefined || !options.wait || !isPassing(error)) throw error;
    await clock.sleep(patience.again, signal);
    return "again";
  }
}

async function hold(following: Following): Promise<Outcome | "again"> {
  const { options, manner, owner } = following;
  const { vault, model, secret } = options;
  const kept = await readJournal(options, secret);
  const { journal } = kept;
  const now = manner.clock.now();
  if (journal !== undefined && isUnderWay(journal) && isHeld(journal, owner, now)) {
    following.id ??= journal.id;
    return busyWith(following, kept, journal);
  }
  const begun = await claim(following, journal, now);
  if ("unchanged" in begun) return begun;
  const times = options.lease ?? usualLease;
  const lease = await Lease.take({ vault, model, secret, clock: manner.clock, owner, times }, begun, kept);
  following.id = begun.id;
  following.isTold = true;
  const run = runOf(options, manner, lease);
  options.report({ subject: secret.id, state: "started", text: enteringWith(begun), step: begun.state });
  let waits: Waits | undefined;
  try {
    waits = await drive(run);
  } catch (error) {
    // Whoever comes next need not wait for the lease to run out; why it stopped stands in the journal.
    const waiting = manner.signal.aborted ? run.journal.waiting : inWords(error);
    await lease.release({ waiting }).catch(() => {});
    throw error;
  } finally {
    run.stop.end();
  }
  const said = waits && { waiting: waits.wait, notBefore: waits.until.toISOString() };
  const before = run.journal;
  await lease.release(said ?? {}).catch((error: unknown) => {
    if (!isPassing(error) && !(error instanceof LeaseLostError)) throw error;
  });
  // Asked in the very moment in which it gave the lease back: nobody else would look before the next schedule.
  if (isUnderWay(run.journal) && wasAsked(before, run.journal)) return "again";
  const { isStuck = false, waitsFor } = waits ?? {};
  const last = outcomeOf(secret.id, { ...run.journal, ...said });
  const outcome = { ...last, isStuck, ...(waitsFor !== undefined && { waitsFor }) };
  return owed(run.journal) !== undefined && following.intent !== "abort" ? "again" : outcome;
}

/** The journal to take the rotation over with, or an outcome where there is nothing to do. */
async function claim(
  following: Following,
  journal: Journal | undefined,
  now: Date,
): Promise<Journal | Outcome> {
  const { options, intent, why, owner, isTold } = following;
  const { secret } = options;
  const lease = { owner, leaseUntil: now.toISOString() };
  if (journal !== undefined && isUnderWay(journal)) {
    if (intent === "abort") {
      refuseAfterReturn(secret.id, journal);
      return { ...journal, ...lease, attempt: journal.attempt + 1, abort: journal.abort ?? why };
    }
    return { ...journal, ...lease, attempt: journal.attempt + 1, ...wishOf(following, journal, false) };
  }
  const follows = intent === "abort" ? undefined : owed(journal);
  if (follows !== undefined) return begin(following, journal, follows, now);
  const isFollowed = journal !== undefined && ids(journal).includes(following.id ?? "");
  if ((isFollowed && isTold) || intent !== "rotate") {
    const last = journal ?? noRotation(now);
    return { ...outcomeOf(secret.id, last), unchanged: !isFollowed };
  }
  const { after } = options;
  if (after !== undefined && after !== (journal?.id ?? "")) {
    return untouched(secret, journal, now, journal?.owner);
  }
  return begin(following, journal, options.reason, now);
}

/** Of the last rotation and those before it. One that was followed to its end may have had another one follow. */
function ids({ id, history }: Journal): string[] {
  return [id, ...history.map((past) => past.id)];
}

/** What whoever runs this wants of the rotation that is under way, beside its end. */
function wishOf(following: Following, journal: Journal, isHeld: boolean): Wish {
  const { options, isTold } = following;
  const destroys = options.destroysOld === true ? { destroysOld: true } : {};
  if (isTold) return { reason: journal.reason, ...destroys };
  const { confirmedBy, overVersion, secret } = options;
  const isTaken = confirmedBy !== undefined && takesWord(journal, options.secret);
  if (confirmedBy !== undefined && !isTaken) {
    const which = journal.state === "rolling-back" ? "new" : "old";
    following.notTaken = `${confirmedBy}'s word is not taken: the ${which} value of ${secret.id} was still in use. Once the rotation asks for it, say it again`;
  } else delete following.notTaken;
  const { reason, followedBy } = hasten(options.reason, journal, mayBeMade(secret, isHeld));
  // Whoever begins nothing after a rotation that it has not seen has another runner begin nothing after it either.
  const follows = options.after === undefined && followedBy !== undefined;
  return {
    reason,
    ...(follows && { followedBy }),
    ...destroys,
    ...(isTaken && { confirmedBy }),
    ...(overVersion !== undefined && { overVersion }),
  };
}

async function begin(
  { options, owner, manner }: Following,
  journal: Journal | undefined,
  reason: Reason,
  now: Date,
): Promise<Journal | Outcome> {
  const { secret, vault, model } = options;
  // One that is owed is the end of the one before.
  if (secret.retired !== undefined && !isOpen(journal)) {
    throw new RotationError(`${secret.id} is retired (${secret.retired.reason}): it is not rotated any more`);
  }
  const state = await sourceState({ vault, model, by: manner.by }, secret);
  const takenBack =
    journal?.state === "rolled-back" && journal.reason === "first" && journal.to === state.version;
  const isFirst = state.version === 0 || (state.gone && takenBack);
  if (state.gone && !isFirst) {
    throw new RotationError(
      `the latest version of ${secret.source} was deleted: undelete it, or set a value with \`keyplane set ${secret.id}\``,
    );
  }
  if (reason === "first" && !isFirst) {
    const last = journal ?? { ...noRotation(now), from: state.version };
    return { ...outcomeOf(secret.id, last), unchanged: true };
  }
  const at = now.toISOString();
  return {
    state: "generate",
    id: randomUUID(),
    reason: isFirst ? "first" : reason,
    owner,
    leaseUntil: at,
    attempt: 1,
    from: state.version,
    startedAt: at,
    madeAt: madeAt(secret, model),
    paths: secret.consumers.map(({ path }) => path),
    ...(options.commit !== undefined && { commit: options.commit }),
    since: at,
    ...destroysNext(journal, options.destroysOld),
    ...(journal?.kept !== undefined && { kept: journal.kept }),
    ...(journal?.unrevoked !== undefined && { unrevoked: journal.unrevoked }),
    skipped: [],
    history: journal === undefined ? [] : [pastOf(journal), ...journal.history].slice(0, maximumHistory),
  };
}

/** Someone else is at it: asked for haste or for an end, or told a person's word. */
async function busyWith(
  following: Following,
  { version }: Kept,
  journal: Journal,
): Promise<Outcome | "again"> {
  const { options, intent, why } = following;
  const { secret } = options;
  if (intent === "abort") refuseAfterReturn(secret.id, journal);
  const wish = {
    ...wishOf(following, journal, true),
    ...(intent === "abort" && { abort: journal.abort ?? why }),
  };
  const asked = await askHolder(options, secret, { journal, version }, wish);
  if (asked === undefined) return "again";
  following.isTold = true;
  const busy = { owner: journal.owner, until: journal.leaseUntil };
  return { ...outcomeOf(secret.id, asked), busy, waiting: atIt(journal) };
}

function refuseAfterReturn(secret: string, journal: Journal): void {
  if (!isPastReturn(journal)) return;
  throw new NoWayBackError(
    `the old value of ${secret} may be revoked already (${journal.state}): the rotation can only be finished, and goes back by itself where the target refuses the new one and accepts the old one; rotate it again if the new one is wrong`,
  );
}

/**
 * The reason with which it goes on: a compromise hastens what is under way, and nothing slows it down again. Where that
 * has a new value already, which may be the one that leaked, another rotation follows, and the journal says so: whoever
 * ends this one, and whenever. So it is where a scheduled one may have made a value that the journal does not tell of yet.
 */
export function hasten(
  asked: Reason,
  journal: Journal,
  mayBeMade = true,
): Pick<Journal, "reason" | "followedBy"> {
  const { reason, to, fingerprints, state } = journal;
  if (!isShort(asked)) return { reason };
  const isScheduled = reason === "scheduled";
  const hasValue = to !== undefined || fingerprints !== undefined || state === "rolling-back";
  return {
    reason: isScheduled ? asked : reason,
    ...((hasValue || (isScheduled && mayBeMade)) && { followedBy: journal.followedBy ?? asked }),
  };
}

/**
 * Whether the next value may be there while the journal tells of none: made by whoever is at it, or kept at the target by a
 * runner that died. What a person gives is nowhere else.
 */
export function mayBeMade({ rotate }: Pick<Secret, "rotate">, isHeld: boolean): boolean {
  return isHeld || rotate.by === "machine";
}

async function seen({ options, manner, id }: Following): Promise<Outcome> {
  const { journal } = await readJournal(options, options.secret);
  const { secret } = options;
  if (journal !== undefined && journal.id !== id && !isUnderWay(journal)) {
    return untouched(secret, journal, manner.clock.now(), journal.owner);
  }
  if (journal === undefined) throw new ConflictError(`the journal of ${secret.id} was removed meanwhile`);
  const busy = { owner: journal.owner, until: journal.leaseUntil };
  return { ...outcomeOf(secret.id, journal), ...(isUnderWay(journal) && { busy }) };
}
