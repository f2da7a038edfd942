import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const entry = join(import.meta.dirname, "../../cli/keyplane.ts");

/** Runs the real command in a process of its own, with only the environment variables that are given. */
export function keyplane(
  args: string[],
  options: { input?: string; env?: Record<string, string>; cwd?: string; node?: string[] } = {},
): Promise<Run> {
  const { HOME = "", PATH = "", XDG_CACHE_HOME } = process.env;
  const child = spawn(process.execPath, [...(options.node ?? []), entry, ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: { HOME, PATH, ...(XDG_CACHE_HOME && { XDG_CACHE_HOME }), ...options.env },
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
