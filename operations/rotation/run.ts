import type { Vault } from "../../clients/vault.ts";
import type { Consumer, RotationModel, Secret } from "../../model/model.ts";
import type { LogMark } from "../delivery/log-mark.ts";
import type { Sink } from "../delivery/sink.ts";
import type { Report } from "../progress.ts";
import type { Writer } from "../values/deliver.ts";
import { ConflictError, readFields } from "../values/kv.ts";
import type { Versions } from "../values/phases.ts";
import type { Fields } from "../values/shape.ts";
import type { Clock } from "./clock.ts";
import { fencedReach, fencedVault } from "./fence.ts";
import { HeldStop } from "./held-stop.ts";
import type { Journal, State } from "./journal.ts";
import type { Changes, Lease } from "./lease.ts";
import type { ConsumerProbe, Unprobed, Watch } from "./observer.ts";
import type { Backoff } from "./retry.ts";
import type { Reach, Reason, Rotator, RotatorContext } from "./rotator.ts";

/** Milliseconds for which a run waits for the world before it names what it waits for. */
export interface Patience {
  /** Until a consumer runs what it was brought. */
  pickUp: number;
  /** Until a consumer's probe that fails is believed. */
  probe: number;
  /** Between two looks, at first and at most. */
  poll: { first: number; longest: number };
  /** Until something that was not so is looked at again. */
  again: number;
}

export const usualPatience: Patience = {
  pickUp: 60_000,
  probe: 20_000,
  poll: { first: 100, longest: 5000 },
  again: 15_000,
};

/** What a rotation of one secret works with. */
export interface Subject {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  secret: Secret;
  rotator: Rotator;
  reach: Reach;
  /** Where a consumer reads its values; empty where it reads Vault itself. */
  sinks(consumer: Consumer): Sink[];
  /** @param mark how far its log on this host was when its path was written, where the journal says so */
  probes(consumer: Consumer, mark?: LogMark): ConsumerProbe[];
  /** Where the log ends now that a probe looks into, of whoever reads Vault itself; undefined where there is none here. */
  logEnd?(consumer: Consumer): Promise<LogMark> | undefined;
  /** Why the probe that the catalogue declares is not asked of a consumer. */
  unprobed?(consumer: Consumer): Unprobed | undefined;
  /** None: nothing is watched, and the journal says so. */
  watch?: Watch;
}

/** How it is run. */
export interface Manner {
  /** The role or person, for the record. */
  by: string;
  report: Report;
  /** Whether it waits for what takes its time, or leaves it to a later run. */
  waits: boolean;
  /** Stops the run between two calls; the rotation can be resumed. */
  signal: AbortSignal;
  clock: Clock;
  backoff: Backoff;
  patience: Patience;
  /** The name of the machine that it runs on: from another one something else is seen. */
  host: string;
  /** Consumer, sink and version that this process has reloaded: a slow start is not disturbed by another one. */
  reloaded: Set<string>;
}

/** One run's view of a rotation while it holds the lease. */
export interface Run extends Subject, Manner {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly context: RotatorContext;
  readonly lease: Lease;
  /** A person's stop, as `signal` has it. */
  readonly stop: HeldStop;
  /** The shortest safe path: after a compromise or a leaver. */
  readonly isShort: boolean;
  readonly isFirst: boolean;
  /** The fields of a source version. They are values. */
  fields(version: number): Promise<Fields>;
  versions(): Promise<Versions>;
  /** Saves reading a version that was just written. */
  remember(version: number, fields: Fields): void;
  /** Calls the outside with enough of the lease left for it. */
  act<T>(does: () => Promise<T>): Promise<T>;
  say(text: string): void;
  /** For the journal, written with the next state: what a later run would find out again. */
  change(changes: Partial<Journal>): void;
  /** For the journal: what the short path leaves out, what was accepted unseen. Written with the next state. */
  skip(text: string): void;
  note(text: string): void;
}

/** What a state comes to: the next one, or that there is nothing to do before something else has happened. */
export type Turn =
  | { to: State; changes?: Changes; text: string }
  | { wait: string; until?: Date; isStuck?: boolean; waitsFor?: WaitsFor };

/**
 * What a rotation waits for that is nobody's to do: a time that has to pass, as planned, or something that cannot be reached.
 * Anything else waits for somebody: a consumer, whoever still uses the old value, a person.
 */
export type WaitsFor = "time" | "target";

export function runOf(subject: Subject, manner: Manner, lease: Lease): Run {
  const { secret, model, by, report, clock } = { ...subject, ...manner };
  const say = (text: string) => report({ subject: secret.id, state: "progress", text });
  const stop = new HeldStop(manner.signal, (until) => say(`stops once ${until}`));
  const signal = AbortSignal.any([stop.signal, lease.signal]);
  const ready = async () => {
    signal.throwIfAborted();
    await lease.ready();
    signal.throwIfAborted();
  };
  const vault = fencedVault(subject.vault, ready);
  const reach = fencedReach(subject.reach, ready);
  const kept = new Map<number, Fields>();
  const fields = async (version: number): Promise<Fields> => {
    const found =
      kept.get(version) ?? (await readFields(vault, model.vault.mounts.kv, secret.source, version));
    if (found === undefined) {
      throw new ConflictError(
        `version ${version} of ${secret.source} is gone, which the rotation needs: undelete it`,
      );
    }
    kept.set(version, found);
    return found;
  };
  const add = (list: string[], text: string) => (list.includes(text) ? list : [...list, text]);
  const change = (changes: Partial<Journal>) => {
    lease.journal = { ...lease.journal, ...changes };
  };
  return {
    ...subject,
    ...manner,
    vault,
    reach,
    signal,
    stop,
    lease,
    writer: { vault, model, by },
    get journal() {
      return lease.journal;
    },
    get isShort() {
      return isShort(lease.journal.reason);
    },
    get isFirst() {
      return lease.journal.reason === "first";
    },
    get context() {
      const { id: rotation, reason, confirmedBy, unrevoked } = lease.journal;
      const said = {
        ...(confirmedBy !== undefined && { confirmedBy }),
        ...(unrevoked !== undefined && { unrevoked }),
      };
      const context: RotatorContext = {
        vault,
        model,
        secret,
        rotation,
        reason,
        ...said,
        reach,
        now: () => clock.now(),
        report,
        signal,
        uninterrupted: (does) =>
          stop.during("what the target gives is kept: it exists nowhere else", async () => {
            await ready();
            return does({ ...context, vault: subject.vault, signal: new AbortController().signal });
          }),
      };
      return context;
    },
    fields,
    remember: (version, fields) => void kept.set(version, fields),
    change,
    async versions() {
      const { from, to } = lease.journal;
      const current = lease.journal.reason === "first" ? undefined : await fields(from);
      if (to === undefined) throw new Error(`${secret.id} has no new version yet`);
      return { current, next: await fields(to) };
    },
    async act(does) {
      await ready();
      return does();
    },
    say,
    skip: (text) => change({ skipped: add(lease.journal.skipped, text) }),
    note: (text) => change({ notes: add(lease.journal.notes ?? [], text) }),
  };
}

/** Whether a reason takes the shortest safe path. */
export function isShort(reason: Reason): reason is "compromise" | "leaver" {
  return reason === "compromise" || reason === "leaver";
}
