import { code, plain } from "../model/markdown.ts";
import { inWords, meaningOf } from "../operations/errors.ts";
import { problemsOf } from "./output.ts";

/** More lines than this nobody reads in a comment; the run's log has them all. */
const most = 50;

/** Why a command came to no result, as the section of a comment in which its result would stand. */
export function failure(error: unknown): string {
  const problems = problemsOf(error);
  if (problems.length === 0) {
    return `**failed**: ${plain(reason(error))}\n`;
  }
  const lines = problems
    .slice(0, most)
    .map(({ file, line, message }) => `- ${code(`${file}:${line}`)} ${plain(message)}`);
  const more =
    problems.length > most ? [`- … and ${problems.length - most} more: the run's log has them.`] : [];
  return `${[`**failed**: ${problems.length} problem(s)`, "", ...lines, ...more].join("\n")}\n`;
}

/** A comment is read by everybody: what is not repeated there, only the run's log has. */
function reason(error: unknown): string {
  const isOurs = error instanceof Error && meaningOf(error) !== undefined;
  return isOurs ? inWords(error) : `${inWords(error)}: the run's log says more`;
}
