import type { Service } from "../../model/model.ts";

/** Everything that one service is delivered, read from its own paths. Holds values: never printed. */
export interface Bundle {
  service: Service;
  /** Variable → value; of a _FILE variable the file's name, without a folder. */
  variables: Record<string, string>;
  /** File name → content. */
  files: Record<string, string>;
  /**
   * Secret id → version of the service's own path (not of the source: one source version can reach a consumer in two
   * steps, and going back to old values is a new version of the path as well).
   */
  versions: Record<string, number>;
}

/** Which version of its own path of a secret a consumer runs. */
export type Running =
  | { state: "runs"; version: number; how: string }
  | { state: "behind"; version: number | undefined; why: string }
  | { state: "unobservable"; why: string };

/** A place where a service reads its values (R39–R45). */
export interface Sink {
  /** The target's own name, for messages, e.g. "env-file .env". */
  readonly name: string;
  /** Brings the bundle there, whole or not at all. Returns whether anything changed. */
  write(bundle: Bundle): Promise<boolean>;
  /** Makes the service read it again, the way its `reload` says. Running it twice is harmless. */
  reload(): Promise<void>;
  /** Whether the service runs so new a version of its own path (or a newer one) of a secret. */
  running(secret: string, version: number): Promise<Running>;
}
