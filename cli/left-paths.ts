import { inWords } from "../operations/errors.ts";
import type { Runner } from "../operations/rotation/runner.ts";
import { leftPaths } from "../operations/values/left-paths.ts";
import { exit } from "./exit.ts";
import type { Shown } from "./rotation-rows.ts";

/** Paths whose consumers the catalogue has no more, and what removes them: a finding for people, of which no exit code tells. */
export async function leftRows(runner: Pick<Runner, "vault" | "model">): Promise<Shown[]> {
  const { kv } = runner.model.vault.mounts;
  const row = (secret: string, result: string, text: string) => ({ secret, result, text, code: exit.clean });
  try {
    return (await leftPaths(runner)).map((path) =>
      row(
        path,
        "left",
        "the catalogue of this run has no consumer of this path; once the deployed one has none either, remove it: " +
          `\`vault kv metadata delete -mount=${kv} ${path}\``,
      ),
    );
  } catch (error) {
    // Everything else is told all the same.
    return [row("paths without a consumer", "failed", inWords(error))];
  }
}
