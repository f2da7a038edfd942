import type { QueryResult, QueryResultRow } from "pg";
import type { Vault } from "../../clients/vault.ts";
import type { Database, RotationModel, Secret } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import type { Fields } from "../values/shape.ts";
import type { Migrated } from "./migration.ts";
import type { OwedKey } from "./owed-keys.ts";

/** Why a secret is rotated (R21). `compromise` and `leaver` take the shortest safe path. */
export type Reason = "first" | "scheduled" | "compromise" | "leaver";

/** A database, as far as reaching it goes. */
export type Target = Pick<Database, "id" | "host" | "port" | "database" | "tls" | "rotation" | "retired">;

/** An open connection to one database. */
export interface Connection {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
  /** Asks for more time for its login where that is due; a query does that as well. */
  renew?(): Promise<void>;
  end(): Promise<void>;
}

/** Every way out to a target, handed in, so that tests can stand in between and count or cut what passes. */
export interface Reach {
  /** As `database.rotation.actsAs`, with short credentials from Vault. */
  manage(database: Target): Promise<Connection>;
  /** As one login of the database. */
  login(database: Target, as: { user: string; password: string }): Promise<Connection>;
  fetch: typeof fetch;
}

/** What a rotator works with; the same for each of its functions. */
export interface RotatorContext {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  secret: Secret;
  /** Names this rotation at the target too, so that what was made there is found again after a lost reply. */
  rotation: string;
  reason: Reason;
  /** Who says to have revoked what is to be refused, where a person does that. */
  confirmedBy?: string;
  reach: Reach;
  /** Keys that earlier rotations could not revoke. */
  unrevoked?: OwedKey[];
  now(): Date;
  report: Report;
  /** Aborted when the runner stops or has lost its lease: nothing may be begun after that. */
  signal: AbortSignal;
  /**
   * Does what gets a value that exists nowhere else, until that is kept: a stop waits for it. Its own signal is never aborted,
   * and its Vault writes even where the lease was lost meanwhile: only with check-and-set, at a path that says whose turn it is.
   */
  uninterrupted<T>(does: (context: RotatorContext) => Promise<T>): Promise<T>;
}

/** Whether an old credential is seen to be unused. `by` names who still uses it: services, hosts, sessions. */
export type Idleness =
  | { state: "idle"; evidence: string }
  | { state: "in use"; by: string[]; evidence: string }
  | { state: "unknown"; why: string };

/** Which of two versions a target lets in: the one that everybody has, else the one that is to be revoked. */
export type LetIn = "kept" | "old" | "neither";

/** The new credential does not work, or may not do what the old one may. Rolls the rotation back. */
export class ProbeError extends Error {
  override name = "ProbeError";
}

/** The old credential still works after it was revoked. */
export class StillAcceptedError extends Error {
  override name = "StillAcceptedError";
}

/** The target cannot be reached or asks to wait: the same step is tried again later. */
export class TargetUnavailableError extends Error {
  override name = "TargetUnavailableError";
  /** Seconds after which the target wants to be asked again (Retry-After), where it says so. */
  readonly retryAfter: number | undefined;
  constructor(message: string, options: ErrorOptions & { retryAfter?: number } = {}) {
    super(message, options);
    this.retryAfter = options.retryAfter;
  }
}

/**
 * A person has to do something first, which the message says: the rotation waits there. Its message goes into the journal
 * as it is and never holds a value.
 */
export class PersonNeededError extends Error {
  override name = "PersonNeededError";
}

/**
 * What a kind of secret does at its target. Every function may run twice, and after a crash anywhere in its first
 * run: it looks at what is there and completes it. None of them writes Vault's source or consumers: the engine does.
 * `Fields` are whole source versions.
 */
export interface Rotator {
  /**
   * The fields of the next version. Where the target makes the value, it is made here; what an earlier run of the same
   * rotation made without keeping it is removed first.
   */
  create(context: RotatorContext, current: Fields | undefined): Promise<Fields>;
  /** The target accepts `next` beside `current`. */
  stage(context: RotatorContext, next: Fields, current: Fields | undefined): Promise<void>;
  /** `next` works at the target and may do what `current` may. @throws ProbeError */
  probe(context: RotatorContext, next: Fields, current: Fields | undefined): Promise<void>;
  /**
   * Whether the target lets a version in: asked before another one is revoked (`steps/let-in.ts`). Only where something outside
   * checks it.
   */
  accepts?(context: RotatorContext, version: Fields): Promise<boolean>;
  /** Whether `old` is still used, by the source that the catalogue names. */
  idle(context: RotatorContext, old: Fields, kept: Fields): Promise<Idleness>;
  /**
   * The target refuses `old` from now on and ends its sessions; `kept` goes on working (it is empty where nothing is kept). Also
   * undoes `stage`.
   * @param letIn which of the two the target was seen to let in
   * @returns where that is not `kept`: what may live on there all the same
   */
  revoke(context: RotatorContext, old: Fields, kept: Fields, letIn?: LetIn): Promise<OwedKey[] | undefined>;
  /** What gives a value that works where the target accepts neither; `keyplane rotate` where this says nothing. */
  heals?(secret: Secret): string;
  /**
   * Revokes what earlier rotations could not (`unrevoked`), but never `kept`.
   * @returns what still may live: all that was not asked for where it was made
   */
  revokeLeft?(context: RotatorContext, kept: Fields): Promise<OwedKey[]>;
  /**
   * Comes after every consumer has dropped the value before (kinds that keep one) and runs that.
   * @throws StillAcceptedError when the target still accepts `old`
   */
  verify(context: RotatorContext, old: Fields, kept: Fields): Promise<void>;
  /**
   * Whether the target accepts one of the two at a time: staging `next` puts it in the place of `current`. Its consumers
   * then get it all at once, and on the way back only after the target accepts the old one again.
   */
  replaces?(next: Fields, current: Fields | undefined): boolean;
  /**
   * What must be done between the signers' switch and the revocation, in pieces that can be stopped and resumed:
   * re-encryption. Rolling back after signers had the new value calls it
   * with the two exchanged, while every consumer accepts both: what was written with the new value goes back.
   */
  migrate?(context: RotatorContext, next: Fields, old: Fields): Promise<Migrated>;
  /**
   * Removes what `create` made at the target in this rotation, where no source version came to hold it (stopped in
   * between and rolled back). Only for targets that make the value; may find nothing there.
   */
  discard?(context: RotatorContext): Promise<void>;
}
