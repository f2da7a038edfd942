import type { Secret } from "../../../model/model.ts";
import type { Fields } from "../../values/shape.ts";
import type { OwedKey } from "../owed-keys.ts";
import type { LetIn, Rotator } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";

/**
 * Which of two values the target lets in, before one of them is revoked. That it refuses what everybody has may pass in a moment
 * (a gateway that starts): it is believed when it lasts for as long as a consumer's start. Where nobody outside can be asked, or
 * revoking puts `kept` in force by itself (`replaces`), it is taken for let in.
 */
export async function letIn(run: Run, old: Fields, kept: Fields): Promise<LetIn> {
  return run.rotator.replaces?.(kept, old) ? "kept" : letInNow(run, old, kept);
}

/** The same, also where one takes the place of the other. */
export async function letInNow(run: Run, old: Fields, kept: Fields): Promise<LetIn> {
  const { rotator, clock, signal, patience, secret } = run;
  const { accepts } = rotator;
  if (accepts === undefined || Object.keys(kept).length === 0) return "kept";
  const isAccepted = (version: Fields) => run.act(() => accepts(run.context, version));
  const end = clock.now().getTime() + patience.pickUp;
  for (let pause = patience.poll.first; ; pause = Math.min(pause * 2, patience.poll.longest)) {
    if (await isAccepted(kept)) return "kept";
    if (clock.now().getTime() >= end) return (await isAccepted(old)) ? "old" : "neither";
    if (pause === patience.poll.first) run.say(`${targetOf(secret)} refuses what everybody has`);
    await clock.sleep(pause, signal);
  }
}

/**
 * Nobody loses a value that works: the old one is accepted still, and what everybody has is not. A version without the one
 * before, where it is written already, is what is taken back: the last one, with the old value, comes after it.
 */
export function backToOld({ secret, journal: { final } }: Run): Turn {
  const failure = `${targetOf(secret)} refuses the new value and accepts the old one`;
  const changes = { failure, ...(final !== undefined && { to: final, final: undefined }) };
  return { to: "rolling-back", changes, text: `rolls back: ${failure}` };
}

/**
 * What the journal says of a rotation that ends with a value that its target refuses, with what heals it.
 * @param keys what may live on at the target
 */
export function keptRefusal({ secret, rotator, journal }: Run, found: LetIn, keys: OwedKey[]): string {
  const target = targetOf(secret);
  const [kept, other] = journal.state === "rolling-back" ? ["old", "new"] : ["new", "old"];
  const what =
    found === "old"
      ? `${target} refuses the ${kept} value, which everybody has`
      : `${target} refuses the ${kept} value and the ${other} one, and nobody has one that works`;
  const left =
    keys.length === 0
      ? ""
      : `; ${keys.map(({ id }) => id).join(" and ")} may still live there: the next rotation revokes what does`;
  return `${what}: ${healing(rotator, secret)}${left}`;
}

function healing({ heals }: Rotator, secret: Secret): string {
  return heals?.(secret) ?? `\`keyplane rotate ${secret.id}\` makes another one`;
}

/** As people know it. */
function targetOf({ provider, nats, databaseUser }: Secret): string {
  return provider?.name ?? databaseUser?.database ?? (nats === undefined ? "its target" : "nats-server");
}
