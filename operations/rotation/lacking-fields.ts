import { fieldsAt } from "../values/phases.ts";
import { fieldsLackedBy } from "../values/shape.ts";
import { putBack } from "./made-at.ts";
import type { Run, Turn } from "./run.ts";
import { again } from "./steps/consumer.ts";

/**
 * What a consumer reads by a catalogue that has changed since the new value was made, and that nobody can give it: neither
 * version has it, and none can be given while a rotation is under way.
 * @returns why the rotation goes neither forward nor back; undefined where it does
 */
export async function lackingFields(run: Run): Promise<Turn | undefined> {
  const { secret, isFirst, journal } = run;
  const { state, from, to, verifiedAt } = journal;
  // From `verify` on nobody is given anything.
  if (to === undefined || state === "verify" || verifiedAt !== undefined) return undefined;
  const isBack = state === "rolling-back";
  if (isBack && isFirst) return undefined;
  const fields = fieldsAt(secret, isBack ? "back" : "next", await run.versions());
  for (const consumer of secret.consumers) {
    const lacks = fieldsLackedBy(secret, consumer, fields);
    if (lacks.length === 0) continue;
    const without = isBack
      ? `neither version ${from} nor version ${to} of ${secret.id} has`
      : `version ${to} of ${secret.id} has not`;
    return {
      wait: `${consumer.id} reads ${lacks.join(", ")} by the catalogue now, which ${without}: ${putBack(secret)}`,
      until: again(run),
      isStuck: true,
    };
  }
  return undefined;
}
