import type { Fields } from "../values/shape.ts";
import { isPastReturn } from "./journal.ts";
import { madeAt, putBack } from "./made-at.ts";
import { ProbeError } from "./rotator.ts";
import type { Run, Turn } from "./run.ts";
import { again } from "./steps/consumer.ts";

/**
 * A target that the catalogue has elsewhere than where the rotation began: it may have moved, and it may be another one, where
 * a value that is not known would look like one that was revoked. It is the same one where it accepts the value that stays.
 * @returns why the rotation goes neither forward nor back; undefined where it does
 */
export async function movedTarget(run: Run): Promise<Turn | undefined> {
  const { secret, model, journal, lease } = run;
  const { madeAt: before, verifiedAt } = journal;
  const now = madeAt(secret, model);
  // What was seen to be refused is asked for no more.
  if (before?.address === undefined || before.address === now.address || verifiedAt !== undefined)
    return undefined;
  const { stays, other } = await valuesOf(run);
  const refusal = await refusalOf(run, stays);
  if (refusal !== undefined) {
    const isBefore =
      !isPastReturn(journal) && other !== undefined && (await refusalOf(run, [other])) === undefined;
    const found = isBefore ? "which knows the old value alone" : `which refuses its value (${refusal})`;
    const orBack = isBefore
      ? `, or go back there with \`keyplane rotations abort ${secret.id}\`: what is left at ${before.address} nobody revokes then`
      : "";
    return {
      wait: `its target was ${before.address} when it began, and the catalogue now says ${now.address ?? "none"}, ${found}: ${putBack(secret)}${orBack}`,
      until: again(run),
      isStuck: true,
    };
  }
  // What a person rotates is revoked where that person knows, and mostly cannot be asked.
  if (stays.length > 0 && secret.rotate.by === "machine") {
    run.note(
      `its target was ${before.address} when it began and is ${now.address} now, which accepts its value: nothing is revoked at the one before, should it still run`,
    );
  }
  await lease.save({ madeAt: now });
  return undefined;
}

/**
 * Of the rotation's two values those of which the target must know one; none where nothing was made at it yet. `other`: the one
 * that it accepts as well until it is revoked, where it is not among them.
 */
async function valuesOf(run: Run): Promise<{ stays: Fields[]; other?: Fields }> {
  const { journal, rotator, isFirst } = run;
  const { state, from, to } = journal;
  if (to === undefined) {
    const makesIt = rotator.discard !== undefined;
    return { stays: makesIt && !isFirst ? [await run.fields(from)] : [] };
  }
  const { current, next } = await run.versions();
  if (current === undefined) return { stays: [next] };
  // Before it is staged, and once it has to go again, the target need not know the new one.
  if (state === "stage" || state === "rolling-back") return { stays: [next, current] };
  return { stays: [next], other: current };
}

/** Why the target accepts none of the values, in its own words. */
async function refusalOf(run: Run, values: Fields[]): Promise<string | undefined> {
  let refusal: string | undefined;
  for (const value of values) {
    try {
      await run.act(() => run.rotator.probe(run.context, value, undefined));
      return undefined;
    } catch (error) {
      if (!(error instanceof ProbeError)) throw error;
      refusal = error.message;
    }
  }
  return refusal;
}
