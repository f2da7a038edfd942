import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { UsageError } from "./exit.ts";

/**
 * The Git commit that a catalogue's folder stands at; undefined where there is none, or where anything in its repository is
 * not committed, the program and the rules as well: evidence is of a commit that others can check out. What Git ignores is
 * no part of it.
 */
export async function commitOf(folder: string): Promise<string | undefined> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", ["-C", folder, ...args], { maxBuffer: 1 << 26 })).stdout.trim();
  try {
    const root = await git("rev-parse", "--show-toplevel");
    const [commit, changes] = [
      await git("rev-parse", "HEAD"),
      await git("status", "--porcelain", "--", root),
    ];
    return changes === "" ? commit : undefined;
  } catch {
    return undefined;
  }
}

/** The same for what is nothing without a commit. @throws UsageError where there is none */
export async function requireCommit(folder: string): Promise<string> {
  const found = await commitOf(folder);
  if (found === undefined) {
    throw new UsageError(
      `evidence is of a commit: commit what is changed in the repository of ${folder} first`,
    );
  }
  return found;
}
