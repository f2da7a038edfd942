import type { Service } from "../../model/model.ts";
import type { LogMark } from "./log-mark.ts";

/**
 * Everything that one service is delivered, read from its own paths. Holds values: never printed. A secret's id is the one
 * that a rename keeps (`keptId`), here and wherever a host notes what it was brought.
 */
export interface Bundle {
  service: Service;
  /** Variable → value; of a _FILE variable the file's name, without a folder. */
  variables: Record<string, string>;
  /** File name → content. */
  files: Record<string, string>;
  /**
   * Secret id → KV version of the service's OWN path. Not the source's: a rotation brings one source version to a reader
   * in two steps, and renews only the metadata of a path whose content stays the same (the engine counts on it).
   */
  versions: Record<string, number>;
  /** Where each variable and file comes from. */
  origins: Origins;
  /** Secret id → when its path was written, by Vault's clock (ISO 8601). */
  writtenAt: Record<string, string>;
  /** What has no value yet. */
  missing: Missing[];
}

/** Variable or file name → id of its secret; a variable that is a setting has none. */
export interface Origins {
  variables: Record<string, string | undefined>;
  files: Record<string, string>;
}

export interface Missing {
  variable: string;
  secret: string;
  /** Its name in the catalogue, where that is another one. */
  renamed?: string;
}

/**
 * Which version of its own path of a secret a consumer runs; `isDown` says of one that is behind whether it runs at all,
 * where that is known; `mayBeSeen` that it can be seen from another machine, or once its platform answers.
 */
export type Running =
  | { state: "runs"; version: number; how: string }
  | { state: "behind"; version: number | undefined; why: string; isDown?: boolean }
  | { state: "unobservable"; why: string; mayBeSeen?: boolean };

/** A place where a service reads its values (R39–R45). */
export interface Sink {
  /** The target's own name, for messages, e.g. "env-file .env". */
  readonly name: string;
  /**
   * Why nothing can be brought from here, known before anything is tried; undefined where it can. An UnreachedError where
   * another machine does it; any other where none can.
   */
  unreached?(): Promise<DeliveryError | undefined>;
  /**
   * Where nothing writes yet and a person can: why. What is scheduled does not begin; what is urgent, or under way, goes on, and
   * says what that person has to put there.
   */
  readonly byHand?: string;
  /** Brings nothing there, and refuses what `write` would: asked before anything depends on it. @throws DeliveryError */
  check?(bundle: Bundle): Promise<void>;
  /** Brings the bundle there, whole or not at all. Returns whether anything changed. */
  write(bundle: Bundle): Promise<boolean>;
  /**
   * Makes the service read it again, the way its `reload` says. Running it twice is harmless. It may take minutes: what it
   * runs for that has ended when it throws the signal's reason.
   */
  reload(signal?: AbortSignal): Promise<void>;
  /** Whether the service runs so new a version (or a newer one) of its own path of a secret, by the id that a rename keeps. */
  running(secret: string, version: number): Promise<Running>;
  /** How far the service's log was when it was brought what it has of a secret; undefined where nobody knows. */
  logMark?(secret: string): Promise<LogMark | undefined>;
}

/** A target cannot take what it is to be given, or not safely. Says what stands in the way and what to do. */
export class DeliveryError extends Error {
  override name = "DeliveryError";
}

/** Nothing can be brought from here: another machine has to do it. */
export class UnreachedError extends DeliveryError {
  override name = "UnreachedError";
}

/** What is to be brought was read before somebody brought something newer. Reading it again helps. */
export class StaleBundleError extends DeliveryError {
  override name = "StaleBundleError";
}
