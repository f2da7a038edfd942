import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * The folder of what can be made again, ours below the user's: tools and compiled code.
 * See https://specifications.freedesktop.org/basedir-spec/latest/: a relative path is ignored.
 */
export function cacheHome(environment: NodeJS.ProcessEnv): string {
  const given = environment.XDG_CACHE_HOME ?? "";
  return join(isAbsolute(given) ? given : join(homedir(), ".cache"), "keyplane");
}
