import { join } from "node:path";
import type { Platform, Runs } from "../operations/delivery/runs.ts";
import type { Invocation } from "./command.ts";

/**
 * Where `keyplane run` says what it runs: in this machine's folders for the environment of its Vault; for the local stack,
 * and where KEYPLANE_HOME says where our state lies, in the state folder.
 */
export async function runsOf({ home }: Pick<Invocation, "home">, model: Platform): Promise<Runs> {
  if (model.environment === "local" || process.env.KEYPLANE_HOME !== undefined)
    return { runs: join(home, "run") };
  const { machineRuns } = await import("../operations/delivery/runs.ts");
  return machineRuns(home, model);
}
