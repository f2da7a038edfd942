import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * The Git commit that a catalogue's folder stands at; undefined where there is none, or where something in the folder
 * is not committed: evidence of a rotation is of a commit that others can check out.
 */
export async function commitOf(folder: string): Promise<string | undefined> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", ["-C", folder, ...args])).stdout.trim();
  try {
    const [commit, changes] = [await git("rev-parse", "HEAD"), await git("status", "--porcelain", "--", ".")];
    return changes === "" ? commit : undefined;
  } catch {
    return undefined;
  }
}
