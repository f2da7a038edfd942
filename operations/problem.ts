import { type Problem, placed } from "../model/load/problem.ts";

/** Files are not what they must be; all their problems at once. */
export class ProblemsError extends Error {
  override name = "ProblemsError";
  readonly problems: Problem[];
  constructor(problems: Problem[]) {
    super(problems.map(placed).join("\n"));
    this.problems = problems;
  }
}
