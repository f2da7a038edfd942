/** A place in a file that is wrong: 1-based line and column, and what to do about it. Never a value. */
export interface Problem {
  /** As it was given to us, so that a terminal can open it. */
  file: string;
  line: number;
  column: number;
  message: string;
}
