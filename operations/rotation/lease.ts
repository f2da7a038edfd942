import type { Vault } from "../../clients/vault.ts";
import { VaultUnreachableError } from "../../clients/vault.ts";
import type { Seconds } from "../../model/duration.ts";
import type { Model, Secret } from "../../model/model.ts";
import { ConflictError } from "../values/kv.ts";
import type { Clock } from "./clock.ts";
import type { Journal, Wish } from "./journal.ts";
import { type Kept, readJournal, writeJournal } from "./journal-store.ts";

/** Another runner took the rotation over, or the journal could not be renewed in time: nothing may be begun any more. */
export class LeaseLostError extends Error {
  override name = "LeaseLostError";
}

export interface LeaseTimes {
  /** Milliseconds for which each write of the journal keeps other runners away. */
  lasts: number;
  /**
   * Milliseconds that one outside call may take at most; none begins with less of the lease left. What takes longer takes
   * the lease's signal.
   */
  call: number;
}

/** A call to Vault ends after 30 s, by its client. */
export const usualLease: LeaseTimes = { lasts: 60_000, call: 35_000 };

/** Milliseconds by which two runners' ideas of Vault's time may differ, with room to spare. */
const clockError = 2000;

/** Seconds for which a runner that died keeps others away at most. */
export const longestHold: Seconds = (usualLease.lasts + clockError) / 1000;

/** How much of a lease is left when it counts as lost: what its signal ends has ended before another runner may act. */
const reserve = 1 / 6;

/** Changes of a journal; undefined takes a field out. */
export type Changes = { [Field in keyof Journal]?: Journal[Field] | undefined };

/** Whether a journal's rotation is another runner's at the moment. */
export function isHeld(journal: Journal, owner: string, now: Date): boolean {
  return journal.owner !== owner && Date.parse(journal.leaseUntil) + clockError > now.getTime();
}

/**
 * Asks whoever has the lease for haste or for an end, or tells it a person's word, in the journal, where it finds that at
 * its next write.
 * @returns the journal as it then is; undefined where somebody wrote it meanwhile: look again
 */
export async function askHolder(
  at: { vault: Vault; model: Pick<Model, "vault"> },
  secret: Pick<Secret, "journal">,
  { journal, version }: { journal: Journal; version: number },
  wish: Wish,
): Promise<Journal | undefined> {
  const asked = { ...journal, ...wish };
  const wishes = Object.keys(wish) as (keyof Wish)[];
  if (wishes.every((one) => asked[one] === journal[one])) return asked;
  try {
    await writeJournal(at, secret, asked, version);
    return asked;
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
}

interface Where {
  vault: Vault;
  model: Pick<Model, "vault">;
  secret: Pick<Secret, "id" | "journal">;
  clock: Clock;
  /** Unique to this run. */
  owner: string;
  times: LeaseTimes;
}

/**
 * One runner's hold on a rotation: the only writer of its journal. Every write renews it, and so does a timer while
 * something takes long. `signal` is aborted as soon as it is lost, or cannot be renewed in time, which is earlier than
 * others may take it.
 */
export class Lease {
  journal: Journal;
  readonly #where: Where;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #version: number;
  #isReleased = false;
  #writing: Promise<void> | undefined;

  private constructor(where: Where, journal: Journal, version: number) {
    this.#where = where;
    this.journal = journal;
    this.#version = version;
    this.#timer = setInterval(() => this.#tick(), where.times.lasts / 12);
  }

  /**
   * Takes a rotation by writing its journal after the version that was read.
   * @throws LeaseLostError when another runner was quicker; VaultError, VaultUnreachableError
   */
  static async take(where: Where, journal: Journal, kept: Kept): Promise<Lease> {
    const lease = new Lease(where, journal, kept.version);
    try {
      await lease.save();
      return lease;
    } catch (error) {
      lease.end();
      throw error;
    }
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Milliseconds for which each write keeps others away. */
  get lasts(): number {
    return this.#where.times.lasts;
  }

  /** Milliseconds for which nobody else may act. */
  get left(): number {
    return Date.parse(this.journal.leaseUntil) - this.#where.clock.now().getTime();
  }

  /** Comes before every call to the outside: there is enough of the lease left for it. @throws LeaseLostError */
  async ready(): Promise<void> {
    this.signal.throwIfAborted();
    if (this.left < this.#where.times.call) await this.save();
  }

  /**
   * Writes changes and renews the lease; one write at a time.
   * @throws LeaseLostError; VaultError, VaultUnreachableError when the journal could not be written this time
   */
  async save(changes: Changes = {}): Promise<void> {
    while (this.#writing !== undefined) await this.#writing.catch(() => {});
    this.#writing = this.#write(changes, this.#where.times.lasts);
    try {
      await this.#writing;
    } finally {
      this.#writing = undefined;
    }
  }

  /** Writes changes and lets the next runner in at once. Nothing may be done after that; once is enough. */
  async release(changes: Changes = {}): Promise<void> {
    this.end();
    while (this.#writing !== undefined) await this.#writing.catch(() => {});
    if (this.#isReleased) return;
    await this.#write(changes, -2 * clockError);
    this.#isReleased = true;
  }

  /** Stops renewing. */
  end(): void {
    clearInterval(this.#timer);
  }

  async #write(changes: Changes, lasts: number): Promise<void> {
    const { clock, owner } = this.#where;
    for (let tries = 1; ; tries++) {
      this.signal.throwIfAborted();
      const leaseUntil = new Date(clock.now().getTime() + lasts).toISOString();
      const journal = merged(this.journal, { ...changes, owner, leaseUntil });
      const sent = performance.now();
      try {
        const { version, at } = await writeJournal(this.#where, this.#where.secret, journal, this.#version);
        clock.observe?.(at, performance.now() - sent);
        this.#version = version;
        this.journal = journal;
        return;
      } catch (error) {
        if (!(await this.#isStillOurs(error)) || tries === 5) throw error;
      }
    }
  }

  /**
   * After a write that failed: whether it may be repeated. A reply may have been lost after Vault wrote, and someone
   * without the lease may have asked for an end (`abort`) or for haste (`reason`, `followedBy`), or given their word
   * (`confirmedBy`): all of it moves the version.
   */
  async #isStillOurs(error: unknown): Promise<boolean> {
    if (!(error instanceof ConflictError) && !(error instanceof VaultUnreachableError)) return false;
    const { journal, version } = await readJournal(this.#where, this.#where.secret);
    if (version === this.#version) return false;
    if (journal === undefined || journal.owner !== this.#where.owner || journal.id !== this.journal.id) {
      throw this.#lose(`another runner has taken over (${journal?.owner ?? "the journal was removed"})`);
    }
    this.#version = version;
    const { abort, reason, followedBy, destroysOld, confirmedBy, overVersion } = journal;
    this.journal = {
      ...this.journal,
      reason,
      ...(abort !== undefined && { abort }),
      ...(followedBy !== undefined && { followedBy }),
      ...(destroysOld !== undefined && { destroysOld }),
      ...(confirmedBy !== undefined && { confirmedBy }),
      ...(overVersion !== undefined && { overVersion }),
    };
    return true;
  }

  #tick(): void {
    const { lasts } = this.#where.times;
    if (this.left <= lasts * reserve) this.#lose("the lease could not be renewed in time");
    else if (this.left < (lasts * 2) / 3 && this.#writing === undefined) {
      // It is tried again at the next tick; what cannot be renewed is lost when it ends.
      this.save().catch(() => {});
    }
  }

  #lose(why: string): LeaseLostError {
    const { secret } = this.#where;
    const error = new LeaseLostError(
      `${secret.id}: ${why}; this run ends, the rotation goes on with the other`,
    );
    this.end();
    this.#lost.abort(error);
    return error;
  }
}

function merged(journal: Journal, changes: Changes): Journal {
  const all = Object.entries({ ...journal, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(all) as unknown as Journal;
}
