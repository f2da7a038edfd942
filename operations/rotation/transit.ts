import { randomUUID } from "node:crypto";
import type { Vault } from "../../clients/vault.ts";
import type { EncryptionKey, RotationModel } from "../../model/model.ts";
import { inWords } from "../errors.ts";
import type { Report } from "../progress.ts";
import { ConflictError } from "../values/kv.ts";
import { type Clock, vaultClock } from "./clock.ts";
import { hasten, RotationError } from "./engine.ts";
import { isUnderWay, type Journal, owed, pastOf, type State, wasAsked } from "./journal.ts";
import { readJournal } from "./journal-store.ts";
import { beginningOf } from "./key-beginning.ts";
import {
  acceptFrom,
  addVersion,
  deleteBefore,
  type KeyVersions,
  keyVersions,
  refuseBefore,
  verifyRetired,
} from "./key-versions.ts";
import {
  askHolder,
  type Changes,
  isHeld,
  Lease,
  LeaseLostError,
  type LeaseTimes,
  usualLease,
} from "./lease.ts";
import { migrateAll } from "./migration.ts";
import { type Outcome, outcomeOf, untouched } from "./outcome.ts";
import { told } from "./re-encryption/census.ts";
import { migratePiece } from "./re-encryption/columns.ts";
import { rewrapping, rowsBefore, transitCensus } from "./re-encryption/transit-ciphertext.ts";
import { destroysNext } from "./retention.ts";
import { isPassing, retryAfter } from "./retry.ts";
import type { Reach, Reason } from "./rotator.ts";
import { isShort, type WaitsFor } from "./run.ts";
import { atIt, enteringWith } from "./takeover.ts";

export interface EncryptionKeyOptions {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  key: EncryptionKey;
  reach: Pick<Reach, "manage">;
  reason: Reason;
  /** Makes a version even where none is due; a compromise and a leaver always do. */
  anew?: boolean;
  /** Goes on with what is under way or owed, and begins nothing else. */
  onlyResumes?: boolean;
  /** With a compromise or a leaver: the old versions are not kept for `retain` but deleted at once. */
  destroysOld?: boolean;
  /**
   * Id of the last rotation that whoever asks has seen, "" where there was none: after another one nothing begins, which
   * the outcome says (`doneBy`).
   */
  after?: string;
  /** Git commit of the catalogue, for the evidence that a later environment asks for. */
  commit?: string;
  /** Unique to this run. */
  owner: string;
  report: Report;
  signal: AbortSignal;
  clock?: Clock;
  lease?: LeaseTimes;
}

/** Milliseconds after which what was not so is looked at again. */
const again = 60_000;
const maximumHistory = 20;

/**
 * Takes an encryption key as far as it can go now: a new version (Vault makes one by itself every `autoRotate`), stored
 * ciphertext rewrapped to it, the old versions kept for `retain`, then refused and deleted, and never while one row needs
 * them (R17, R22–R24). May be killed anywhere and run again anywhere; two runners never both act.
 * @throws JournalError, VaultError, VaultUnreachableError; the signal's reason
 */
export async function rotateEncryptionKey(options: EncryptionKeyOptions): Promise<Outcome> {
  const { vault, model, key, owner, report } = options;
  const clock = options.clock ?? (await vaultClock(vault));
  const kept = await readJournal({ vault, model }, key);
  const now = clock.now();
  const { journal } = kept;
  if (journal !== undefined && isUnderWay(journal) && isHeld(journal, owner, now)) {
    const wish = {
      ...hasten(options.reason, journal),
      ...(options.destroysOld === true && { destroysOld: true }),
    };
    const asked = await askHolder({ vault, model }, key, { ...kept, journal }, wish);
    return asked === undefined
      ? rotateEncryptionKey(options)
      : {
          ...outcomeOf(key.id, asked),
          busy: { owner: journal.owner, until: journal.leaseUntil },
          waiting: atIt(journal),
        };
  }
  const isOpen = isUnderWay(journal) || owed(journal) !== undefined;
  if (options.onlyResumes === true && !isOpen) return untouched(key, journal, now);
  const isAnothers = options.after !== undefined && options.after !== (journal?.id ?? "");
  if (isAnothers && !isOpen) {
    return untouched(key, journal, now, journal?.owner);
  }
  const begun = await begin(options, journal, now);
  if (begun === undefined) return untouched(key, journal, now);
  const times = options.lease ?? usualLease;
  const taken = Lease.take({ vault, model, secret: key, clock, owner, times }, begun, kept);
  const lease = await taken.catch((error: unknown) => {
    if (error instanceof LeaseLostError) return undefined;
    throw error;
  });
  // Another runner was quicker: it is told what is wanted here.
  if (lease === undefined) return rotateEncryptionKey(options);
  report({ subject: key.id, state: "started", text: enteringWith(begun), step: begun.state });
  const run: Run = { ...options, clock, lease, signal: AbortSignal.any([options.signal, lease.signal]) };
  try {
    const waits = await drive(run);
    const before = lease.journal;
    await lease.release(waits?.said ?? {});
    // A compromise was told while another version was on its way, which may be the one that leaked.
    const isHastened = isUnderWay(lease.journal) && wasAsked(before, lease.journal);
    // Ours is told: told again, it would be taken for another's.
    const told = { ...options, reason: "scheduled", anew: false } as const;
    if (isHastened || owed(lease.journal) !== undefined) return await rotateEncryptionKey(told);
    const { said, ...waitsFor } = waits ?? {};
    return { ...outcomeOf(key.id, { ...lease.journal, ...said }), ...waitsFor };
  } catch (error) {
    if (error instanceof LeaseLostError) return seen(options, clock.now());
    const waiting = options.signal.aborted ? lease.journal.waiting : inWords(error);
    await lease.release({ waiting }).catch(() => {});
    throw error;
  }
}

/** Another runner has taken over: what it is at, or has done. */
async function seen({ vault, model, key }: EncryptionKeyOptions, now: Date): Promise<Outcome> {
  const { journal } = await readJournal({ vault, model }, key);
  if (journal === undefined || !isUnderWay(journal)) return untouched(key, journal, now, journal?.owner);
  const busy = { owner: journal.owner, until: journal.leaseUntil };
  return { ...outcomeOf(key.id, journal), busy, waiting: atIt(journal) };
}

interface Run extends Omit<EncryptionKeyOptions, "lease"> {
  clock: Clock;
  lease: Lease;
}

type Turn =
  | { to: State; changes?: Changes; text: string }
  | { wait: string; until: Date; waitsFor?: WaitsFor };

/** What is under way, hastened where someone says so; else what there is to begin. */
async function begin(
  options: EncryptionKeyOptions,
  journal: Journal | undefined,
  now: Date,
): Promise<Journal | undefined> {
  const { key, owner, model } = options;
  const destroys = options.destroysOld === true ? { destroysOld: true } : {};
  const lease = { owner, leaseUntil: now.toISOString() };
  if (journal !== undefined && isUnderWay(journal)) {
    return {
      ...journal,
      ...lease,
      ...hasten(options.reason, journal),
      ...destroys,
      attempt: journal.attempt + 1,
    };
  }
  const versions = await versionsOf({ vault: options.vault, model, key });
  const beginning = beginningOf(key, { versions, journal }, options, now);
  if (beginning === undefined) return undefined;
  const { reason, from, to } = beginning;
  const at = now.toISOString();
  return {
    ...lease,
    state: "generate",
    id: randomUUID(),
    reason,
    attempt: 1,
    from,
    ...(to !== undefined && { to }),
    startedAt: at,
    ...(options.commit !== undefined && { commit: options.commit }),
    since: at,
    ...destroysNext(journal, options.destroysOld),
    skipped: [],
    history: journal === undefined ? [] : [pastOf(journal), ...journal.history].slice(0, maximumHistory),
  };
}

/** Why it does not go on now: for the journal, and what it waits for. */
interface Waits {
  said: { waiting: string; notBefore: string };
  waitsFor?: WaitsFor;
}

async function drive(run: Run): Promise<Waits | undefined> {
  const { lease, clock, report, key, signal } = run;
  while (isUnderWay(lease.journal)) {
    signal.throwIfAborted();
    await lease.ready();
    const before = lease.journal;
    const turn = await turnOf(run);
    if ("wait" in turn && wasAsked(before, lease.journal)) continue;
    if ("wait" in turn) {
      const { wait, until, waitsFor } = turn;
      const said = { waiting: wait, notBefore: until.toISOString() };
      return { said, ...(waitsFor !== undefined && { waitsFor }) };
    }
    const since = clock.now().toISOString();
    const cleared = { waiting: undefined, notBefore: undefined };
    await lease.save({ ...cleared, ...turn.changes, state: turn.to, since, attempt: 1 });
    const said = turn.to === "done" ? "done" : "progress";
    report({ subject: key.id, state: said, text: turn.text, step: turn.to });
  }
  return undefined;
}

async function turnOf(run: Run): Promise<Turn> {
  try {
    switch (run.lease.journal.state) {
      case "generate":
        return await generate(run);
      case "migrate":
        return await migrate(run);
      case "drain":
        return await drain(run);
      case "revoke":
        return await revoke(run);
      default:
        return await verify(run);
    }
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isPassing(error) || error instanceof ConflictError) throw error;
    const pause = (retryAfter(error) ?? 0) * 1000;
    return {
      wait: (error as Error).message,
      until: later(run, Math.max(pause, again / 4)),
      waitsFor: "target",
    };
  }
}

async function generate(run: Run): Promise<Turn> {
  const { key, lease } = run;
  const { from } = lease.journal;
  let to = lease.journal.to;
  if (to === undefined) {
    let { latest } = await versionsOf(run);
    if (latest === from) {
      await addVersion(run, key);
      ({ latest } = await versionsOf(run));
    }
    to = latest;
  }
  const switchedAt = (await madeAt(run, to)).toISOString();
  if (key.stored.length === 0) {
    const note = `the catalogue names no stored ciphertext of ${key.id}: its old versions stay, because something may need them`;
    return {
      to: "done",
      changes: { to, switchedAt, notes: [note] },
      text: `version ${to} encrypts; ${note}`,
    };
  }
  return { to: "migrate", changes: { to, switchedAt }, text: `version ${to} encrypts` };
}

async function migrate(run: Run): Promise<Turn> {
  const left = await rewrapAll(run);
  if (left === 0) return { to: "drain", text: "no stored ciphertext is left under an older version" };
  return {
    wait: `${left} rows are left under older versions, and others hold them`,
    until: later(run, again / 4),
  };
}

/** Rewraps until nothing is left, or passes get nowhere. */
async function rewrapAll(run: Run): Promise<number> {
  const { key, lease } = run;
  const version = lease.journal.to ?? 0;
  return migrateAll(async () => {
    run.signal.throwIfAborted();
    await lease.ready();
    return migratePiece(run, {
      subject: key.id,
      journal: key.journal,
      rotation: lease.journal.id,
      direction: `v${version}`,
      stored: key.stored,
      recipher: rewrapping(run, key, version),
    });
  });
}

/** The old versions decrypt for `retain` after they were superseded, and for as long as one row needs them. */
async function drain(run: Run): Promise<Turn> {
  const { key, clock, lease } = run;
  const { to = 0, reason, skipped, destroysOld } = lease.journal;
  const end = await keptUntil(run, to);
  let changes: Changes = {};
  if (clock.now() < end) {
    if (!isShort(reason)) {
      const { decrypts } = await versionsOf(run);
      const how = decrypts < to ? "decrypt" : "are refused, and kept";
      const wait = `versions before ${to} ${how} until ${end.toISOString()}`;
      return { wait, until: end, waitsFor: "time" };
    }
    const what =
      destroysOld === true
        ? `the ${key.retain} s for which old versions are kept were cut short: what backups hold under them is lost`
        : `the ${key.retain} s for which old versions decrypt were cut short`;
    changes = { skipped: [...skipped, what] };
  }
  const remaining = await remains(run, to);
  if (remaining === undefined) return { to: "revoke", changes, text: "no row needs an older version" };
  // A straggler: rewrapped now, and looked at again before anything is refused.
  await rewrapAll(run);
  return { wait: remaining, until: later(run, again / 4) };
}

/**
 * Refused first and looked at once more: until the old versions are deleted, refusing them can be taken back. What backups
 * and replicas hold was not rewrapped, so that also after a compromise nothing is deleted before `retain` has passed (R22):
 * a later scheduled run does.
 */
async function revoke(run: Run): Promise<Turn> {
  const { key, lease } = run;
  const { to = 0 } = lease.journal;
  const { available, decrypts } = await versionsOf(run);
  if (available < to) {
    const before = decrypts < to ? await remains(run, to) : undefined;
    if (before === undefined) await refuseBefore(run, key, to);
    const remaining = before ?? (await remains(run, to));
    if (remaining !== undefined) {
      await acceptFrom(run, key, available);
      await rewrapAll(run);
      return { wait: remaining, until: later(run, again / 4) };
    }
    const end = await keptUntil(run, to);
    if (run.clock.now() < end && lease.journal.destroysOld !== true) {
      const note =
        `versions before ${to} are refused, and kept until ${end.toISOString()}: where a backup needs one, lower ` +
        `min_decryption_version of transit key ${key.key} (--destroy-old-keys deletes them at once)`;
      const { notes = [] } = lease.journal;
      return { to: "verify", changes: { notes: [...notes, note] }, text: note };
    }
    await lease.ready();
    await deleteBefore(run, key, to);
  }
  return { to: "verify", text: `versions before ${to} are refused and deleted` };
}

async function verify(run: Run): Promise<Turn> {
  const { key, lease } = run;
  const { to = 0 } = lease.journal;
  await verifyRetired(run, key, to);
  return { to: "done", text: `Vault refuses every version before ${to}` };
}

async function versionsOf({ vault, model, key }: Pick<Run, "vault" | "model" | "key">): Promise<KeyVersions> {
  const found = await keyVersions({ vault, model }, key);
  if (found !== undefined) return found;
  throw new RotationError(
    `${key.id}: Vault has no transit key ${key.key}: build the environment first (keyplane up)`,
  );
}

/** What still needs a version before one, in words; undefined where nothing does. */
async function remains(run: Run, version: number): Promise<string | undefined> {
  const found = await transitCensus(run, run.key);
  if (rowsBefore(found, version) === 0) return undefined;
  return `stored ciphertext needs versions before ${version}: ${found.map(told).join("; ")}`;
}

/** Nothing deletes the versions before one until then. */
async function keptUntil(run: Run, version: number): Promise<Date> {
  return new Date((await madeAt(run, version)).getTime() + run.key.retain * 1000);
}

async function madeAt(run: Run, version: number): Promise<Date> {
  const { made } = await versionsOf(run);
  const time = made.get(version);
  if (time === undefined)
    throw new Error(`${run.key.id}: Vault says of no version ${version} when it was made`);
  return time;
}

function later({ clock }: Run, milliseconds: number): Date {
  return new Date(clock.now().getTime() + milliseconds);
}
