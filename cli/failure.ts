import { code, plain } from "../model/markdown.ts";
import { unexpected } from "../operations/rotation/words.ts";
import { codes } from "./exit.ts";
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

/** Those that are told by the status of an answer, and not by the table of exit codes. */
const answers = ["VaultError", "KubernetesError"];

/** Only our own errors are known to hold no value; a comment is read by everybody. */
function reason(error: unknown): string {
  const isOurs = error instanceof Error && (Object.hasOwn(codes, error.name) || answers.includes(error.name));
  return isOurs ? error.message : `${unexpected(error)}: the run's log says more`;
}
