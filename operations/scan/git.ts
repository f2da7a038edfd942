import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** This is not a repository, or it knows no such revision. */
export class GitError extends Error {
  override name = "GitError";
}

/** There is no Git on this machine. */
export class GitMissingError extends Error {
  override name = "GitMissingError";
}

/** Nothing of the user's settings may run a program or change what is printed. */
const settings = [
  "-c",
  "core.quotePath=false",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "diff.external=",
  "--no-optional-locks",
];

const environment = () => ({ ...process.env, LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" });

/**
 * What a Git command prints.
 * @param ends codes that are answers as well, such as 1 of check-ignore
 * @throws GitError with what Git said
 */
export function git(
  cwd: string,
  args: readonly string[],
  options: { input?: string; ends?: number[] } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      "git",
      [...settings, ...args],
      { cwd, env: environment(), encoding: "buffer", maxBuffer: 1 << 30 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (error === null || options.ends?.includes(Number(code)) === true) resolve(stdout);
        else reject(failed(args, error, stderr.toString("utf8")));
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input ?? "");
  });
}

/** A Git command whose output is read as it comes. */
export function gitStream(
  cwd: string,
  args: readonly string[],
): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn("git", [...settings, ...args], { cwd, env: environment(), stdio: ["pipe", "pipe", "pipe"] });
}

/** Waits until a streamed command has ended. @throws GitError unless it ended well */
export function ended(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  args: readonly string[],
): Promise<void> {
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 4000) said += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(failed(args, error, said)));
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(failed(args, new Error(`it ended with ${code}`), said));
    });
  });
}

function failed(args: readonly string[], cause: Error, said: string): Error {
  if ("code" in cause && cause.code === "ENOENT") {
    return new GitMissingError("there is no `git` on PATH: install it, or name files and folders to scan", {
      cause,
    });
  }
  const [line = ""] = said.trim().split("\n");
  return new GitError(`git ${args[0]}: ${line === "" ? cause.message : line}`, { cause });
}

/** The folder of the repository around `cwd`. @throws GitError where there is none */
export async function rootOf(cwd: string): Promise<string> {
  return (await git(cwd, ["rev-parse", "--show-toplevel"])).toString("utf8").trimEnd();
}

/** Whether a part of the history was never fetched. */
export async function isShallow(root: string): Promise<boolean> {
  return (await git(root, ["rev-parse", "--is-shallow-repository"])).toString("utf8").trim() === "true";
}

/** Parts of an output that ends each with a zero byte. */
export function parts(output: Buffer): string[] {
  return output.toString("utf8").split("\0").slice(0, -1);
}
