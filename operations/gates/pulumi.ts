import { spawn } from "node:child_process";

/** Runs `pulumi` with these arguments, to its end. */
export type RunPulumi = (args: string[]) => Promise<Ended>;

export interface Ended {
  /** Null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * How a stack's commands are run.
 * @param command the executable; it is looked up on PATH where it has no slash
 * @param environment beside the process's own
 */
export function pulumiIn(
  folder: string,
  command: string,
  environment: Readonly<Record<string, string>> = {},
): RunPulumi {
  return (args) =>
    new Promise((settle, reject) => {
      const child = spawn(command, ["--non-interactive", "--color", "never", ...args], {
        cwd: folder,
        env: { ...process.env, ...environment },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const output = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream].setEncoding("utf8").on("data", (text: string) => {
          output[stream] += text;
        });
      }
      child.once("error", reject);
      child.once("close", (code) => settle({ code, ...output }));
    });
}
