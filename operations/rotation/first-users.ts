import type { Vault } from "../../clients/vault.ts";
import type { RotationModel } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import { secretNamed } from "../values/set.ts";
import { rotate } from "./engine.ts";
import type { Outcome } from "./outcome.ts";
import type { Backoff } from "./retry.ts";
import type { Reach } from "./rotator.ts";
import { rotatorOf } from "./rotators/index.ts";

export interface FirstUsers {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  reach: Reach;
  report: Report;
  by: string;
  /** How long a database that does not answer is asked again. */
  backoff?: Backoff;
  /**
   * Names whoever runs this, the same in each run: one that was killed is then gone on with at once. The caller sees to
   * it that no two of that name run.
   */
  owner: string;
}

/**
 * Makes database users that have none yet together with their first passwords, and delivers these. Each is a rotation
 * like any other, so that a run that was killed is completed by the next. What does not succeed is reported and left
 * for the next run; the others go on.
 * @param secrets ids of database passwords without a first value, as first values found them
 * @returns the ids of those that are there now
 */
export async function makeFirstUsers(
  { owner, ...subject }: FirstUsers,
  secrets: readonly string[],
): Promise<string[]> {
  const { model, report } = subject;
  const outcomes = await Promise.allSettled(
    secrets.map(async (id): Promise<Outcome> => {
      const secret = secretNamed(model, id);
      const rotator = await rotatorOf(secret);
      // Nothing runs with a value that was never there: what services start with is delivered like any first value.
      const nobody = { sinks: () => [], probes: () => [] };
      return rotate({ ...subject, ...nobody, secret, rotator, reason: "first", owner, wait: false });
    }),
  );
  const made: string[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "rejected") throw outcome.reason;
    const { secret: id, state, failure, waiting } = outcome.value;
    if (state === "done") made.push(id);
    else report({ subject: secrets[index] ?? id, state: "failed", text: failure ?? waiting ?? state });
  }
  return made;
}
