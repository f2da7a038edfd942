import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";

/** Every executable file of that name on PATH, in PATH's order. Relative entries of PATH are not searched. */
export async function executablesOnPath(name: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const folders = new Set((environment.PATH ?? "").split(delimiter).filter(isAbsolute));
  const found: string[] = [];
  for (const folder of folders) {
    const file = join(folder, name);
    if (await isExecutable(file)) found.push(file);
  }
  return found;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/**
 * The version that an executable prints, e.g. "1.21.1" or "1.21.1+ent", or undefined when it prints none.
 * It is told not to ask the network for a newer one.
 */
export async function printedVersion(
  file: string,
  options: { arguments: string[]; environment: NodeJS.ProcessEnv },
): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(file, options.arguments, {
      env: {
        ...options.environment,
        PULUMI_SKIP_UPDATE_CHECK: "true",
        SOPS_DISABLE_VERSION_CHECK: "true",
        CHECKPOINT_DISABLE: "1",
      },
      timeout: 15_000,
      maxBuffer: 64 * 1024,
    });
    return /(?:^|\s)v?(\d+\.\d+\.\d+[^\s,;]*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
