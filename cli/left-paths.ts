import { inWords } from "../operations/errors.ts";
import { clockOf, type Runner } from "../operations/rotation/runner.ts";
import { destroyLeft, type LeftPath, leftPaths } from "../operations/values/left-paths.ts";
import { exit, exitCode } from "./exit.ts";
import type { Shown } from "./rotation-rows.ts";

/** What becomes of paths whose consumers the catalogue has no more; a dry run only says it. */
export async function leftRows(
  runner: Pick<Runner, "vault" | "model" | "by" | "clock">,
  { dryRun }: { dryRun: boolean },
): Promise<Shown[]> {
  try {
    const now = (await clockOf(runner)).now();
    const left = await (dryRun ? leftPaths(runner, now) : destroyLeft(runner, now));
    return left.map((one) => row(one, now));
  } catch (error) {
    // What is due rotates all the same.
    const secret = "paths without a consumer";
    return [{ secret, result: "failed", text: inWords(error), code: exitCode(error) }];
  }
}

function row({ path, until, isDestroyed }: LeftPath, now: Date): Shown {
  const what = isDestroyed
    ? "its value is destroyed"
    : `its value would be destroyed ${until <= now ? "now" : `after ${until.toISOString()}`}`;
  return {
    secret: path,
    result: isDestroyed ? "destroyed" : "left",
    text: `the catalogue has no consumer of this path any more: ${what}`,
    code: exit.clean,
    until: until.toISOString(),
  };
}
