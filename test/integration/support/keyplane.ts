import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";

export interface Run {
  /** Exit code; null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The real command as a process of its own, with its own state folder. */
export function spawnKeyplane(
  home: string,
  args: string[],
  { input = "", environment = {} }: { input?: string; environment?: Record<string, string> } = {},
): { child: ChildProcess; ended: Promise<Run> } {
  const child = spawn(process.execPath, [resolve("cli/keyplane.ts"), ...args], {
    env: {
      ...process.env,
      KEYPLANE_HOME: home,
      NODE_TEST_CONTEXT: undefined,
      GITHUB_ACTIONS: undefined,
      ...environment,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  // A command that does not read its input may have closed it.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const ended = new Promise<Run>((settle, reject) => {
    child.once("error", reject);
    child.once("close", (code) => settle({ code, ...output }));
  });
  return { child, ended };
}

export async function keyplane(
  home: string,
  args: string[],
  options: { input?: string; environment?: Record<string, string> } = {},
): Promise<Run> {
  return spawnKeyplane(home, args, options).ended;
}
