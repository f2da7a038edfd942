import { type ChildProcess, spawn } from "node:child_process";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds for a command to end by itself before its processes are killed. */
const grace = 2000;

export interface CommandLimits {
  /** Ends it, with every process that it has started: whoever runs it may not act any more. */
  signal?: AbortSignal;
  /** Milliseconds that it may take. */
  limit: number;
  /** Exit statuses with which its output is an answer; 0 alone where absent. */
  answers?: readonly number[];
}

/**
 * Becomes the command, with a watcher beside it in the same process group: where the third descriptor ends without a word, this
 * process has died (`kill -9` tells nobody else), and what it had begun ends with it before another runner may act. What a
 * command hands to a daemon (Docker's, Supervisor's) is that one's.
 */
const lifeline = `
( read -r _ <&3 && exit
  trap '' TERM; kill -s TERM -- -$$; sleep ${grace / 1000}; kill -s KILL -- -$$
) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`;

/** What runs now: it ends with this process, whose group alone Ctrl-C reaches. */
const underWay = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of underWay) killGroup(child, "SIGKILL");
});

/** A command that came to no good end, in the words of this program alone: its own may quote values. */
export class CommandError extends Error {
  override name = "CommandError";
  /** False where there is no such program, or it may not be run. */
  readonly isStarted: boolean;

  constructor(message: string, isStarted = true) {
    super(message);
    this.isStarted = isStarted;
  }
}

export interface CommandOptions extends CommandLimits {
  cwd?: string;
  /** All that it has of one, but for what a shell sets by itself; this process' own where absent. */
  env?: NodeJS.ProcessEnv;
  /** Nobody reads what it prints, so that what it leaves running may hold on to that. */
  isSilent?: boolean;
}

/**
 * Runs a command in a process group of its own and returns its output.
 * @throws the signal's reason, CommandError; either once none of its processes runs any more
 */
export async function runCommand(
  [program = "", ...rest]: string[],
  { signal, limit, cwd, env, isSilent = false, answers = [0] }: CommandOptions,
): Promise<string> {
  signal?.throwIfAborted();
  const late = AbortSignal.timeout(limit);
  const ends = signal === undefined ? late : AbortSignal.any([signal, late]);
  const child = spawn("/bin/sh", ["-c", lifeline, "sh", program, ...rest], {
    detached: true,
    stdio: ["ignore", isSilent ? "ignore" : "pipe", "ignore", "pipe"],
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
  });
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [, , , life] = child.stdio;
  if (life instanceof Writable) {
    // The watcher may have been killed with the group.
    life.on("error", () => {});
    child.once("exit", () => life.end("ended\n"));
  }
  const closed = endOf(child, answers);
  underWay.add(child);
  try {
    const end = await Promise.race([closed, aborted(ends)]);
    if (end === "aborted") {
      for (const name of ["SIGTERM", "SIGKILL"] as const) {
        killGroup(child, name);
        for (const last = Date.now() + grace; killGroup(child, 0) && Date.now() < last; ) await sleep(20);
      }
      // What has left the group may hold on to it, and is not waited for.
      child.stdout?.destroy();
      await closed.catch(() => {});
      signal?.throwIfAborted();
      throw new CommandError(`did not end within ${limit / 1000} s`);
    }
    return Buffer.concat(chunks).toString();
  } finally {
    underWay.delete(child);
  }
}

function killGroup({ pid }: ChildProcess, name: NodeJS.Signals | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, name);
  } catch {
    // None of it is left.
    return false;
  }
}

/** Resolves where it ended with an answer and its output is whole. @throws CommandError */
async function endOf(child: ChildProcess, answers: readonly number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("error", ({ code }: NodeJS.ErrnoException) => {
      reject(new CommandError(`could not be started (${code})`, false));
    });
    child.once("close", (code, signal) => {
      if (code !== null && answers.includes(code)) resolve();
      else if (code === 127 || code === 126) {
        reject(new CommandError(`could not be started (${code === 127 ? "ENOENT" : "EACCES"})`, false));
      } else
        reject(
          new CommandError(signal === null ? `failed with exit status ${code}` : `was ended by ${signal}`),
        );
    });
  });
}

async function aborted(signal: AbortSignal): Promise<"aborted"> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return "aborted";
}
