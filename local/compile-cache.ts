import { mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { cacheHome } from "./cache-home.ts";

/**
 * Lets this process keep the modules that it compiles, and take those that an earlier one compiled: a third less to
 * wait for Pulumi. What lies there is run, so the folder must be this user's alone; another one is left unused.
 * @returns the folder, for processes that this one starts (NODE_COMPILE_CACHE); undefined where it is not used
 */
export function keepCompiledCode(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const folder = join(cacheHome(environment), "compiled");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    if ((mode & 0o077) !== 0 || uid !== process.getuid?.()) return undefined;
    enableCompileCache(folder);
    return folder;
  } catch {
    // Without it everything runs, only slower: a home that cannot be written is no reason to stop.
    return undefined;
  }
}
