/** A place in a file that is wrong: 1-based line and column, and what to do about it. Never a value. */
export interface Problem {
  /** As it was given to us, so that a terminal can open it. */
  file: string;
  line: number;
  column: number;
  message: string;
}

/** Files are not what they must be; all their problems at once. */
export class ProblemsError extends Error {
  override name = "ProblemsError";
  readonly problems: Problem[];
  constructor(problems: Problem[]) {
    super(problems.map((p) => `${p.file}:${p.line}:${p.column}: ${p.message}`).join("\n"));
    this.problems = problems;
  }
}
