import type { Kind } from "./detector.ts";

/** A value where none may be: everything about it but the value. */
export interface Detection {
  kind: Kind;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 code units. */
  column: number;
  /** The value's, in bytes. */
  length: number;
  /** See `printOf`. */
  print: string;
}

/** What a scan reports: a detection and where it was, or something about a file. */
export interface Finding {
  kind: Kind;
  /** As Git names it, with "/". */
  path: string;
  line: number;
  column: number;
  /** What was found, a clause without the value. */
  message: string;
  /** Only of values. */
  print?: string;
  /** The commit that brought it, where history was read. */
  commit?: string;
}
