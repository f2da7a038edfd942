import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Runs `pulumi` with these arguments, to its end. */
export type RunPulumi = (args: string[]) => Promise<Ended>;

export interface Ended {
  /** Null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * How a stack's commands are run. They leave no log: Pulumi writes what a policy pack is told into one, secrets in clear,
 * and only an update encrypts it.
 * @param command the executable; it is looked up on PATH where it has no slash
 * @param environment beside the process's own
 */
export function pulumiIn(
  folder: string,
  command: string,
  environment: Readonly<Record<string, string>> = {},
): RunPulumi {
  return async (args) => {
    const env = { ...process.env, ...environment };
    const home = await homeWithoutLogs(folder, env);
    try {
      return await ended(folder, command, args, { ...env, PULUMI_HOME: home });
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  };
}

/**
 * A Pulumi home (mode 700, the caller removes it) that is the environment's in everything but its logs: there is no switch
 * for them, and a file stands where their folder would be made. Plugins that are downloaded meanwhile stay.
 * @param from where a relative PULUMI_HOME begins
 */
export async function homeWithoutLogs(from: string, env: NodeJS.ProcessEnv): Promise<string> {
  const home = resolve(from, env.PULUMI_HOME || join(homedir(), ".pulumi"));
  await mkdir(join(home, "plugins"), { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(tmpdir(), "keyplane-pulumi-"));
  await writeFile(join(folder, "logs"), "");
  for (const name of await readdir(home)) {
    if (name !== "logs") await symlink(join(home, name), join(folder, name));
  }
  return folder;
}

function ended(folder: string, command: string, args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((settle, reject) => {
    const child = spawn(command, ["--non-interactive", "--color", "never", ...args], {
      cwd: folder,
      env,
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
