import { meaningOf } from "../operations/errors.ts";

/** What a process's end means to a script. */
export const exit = {
  clean: 0,
  /** Drift, a violation, a file that is not what it should be. */
  finding: 1,
  /** Wrong input or wrong usage. */
  input: 2,
  /** A system could not be reached. */
  unreachable: 3,
  /** Stopped half-way; the same command carries on. */
  resumable: 4,
} as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

/**
 * What Pulumi's own end means by this table. Its codes are of 3.255: sdk/go/common/util/cmdutil/exit.go. A run that failed, was
 * cancelled or killed stopped half-way, a preview too: nothing is known of the rest, and it is run again.
 */
export function ofPulumi(code: number): ExitCode {
  const [configuration, authentication, policy, noStack, noChanges, timeout] = [2, 3, 5, 6, 7, 9];
  if (code === exit.clean) return exit.clean;
  if (code === configuration || code === noStack) return exit.input;
  if (code === authentication || code === timeout) return exit.unreachable;
  return code === policy || code === noChanges ? exit.finding : exit.resumable;
}

/** Someone asked for something that cannot be: a wrong option, name or combination. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * The exit code of an error. What nobody foresaw counts as stopped half-way: every command can be run again.
 * A `status` of 4xx means that the server understood and refused (Vault's client): wrong input.
 */
export function exitCode(error: unknown): ExitCode {
  if (!(error instanceof Error)) return exit.resumable;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map(exitCode).toSorted().at(-1) ?? exit.resumable;
  }
  const meaning = meaningOf(error);
  if (meaning !== undefined && meaning !== "answer") return exit[meaning];
  if ("status" in error && typeof error.status === "number") {
    return error.status >= 500 || error.status === 429 ? exit.unreachable : exit.input;
  }
  return error.cause === undefined ? exit.resumable : exitCode(error.cause);
}
