import { checkValues, ValueError } from "../../values/check.ts";
import { type Fields, freshFields, givenFields, pairNames, pairOf } from "../../values/shape.ts";
import { counterIdle } from "../counter.ts";
import { auditIdle } from "../readers.ts";
import { type Idleness, ProbeError, type RotatorContext, StillAcceptedError } from "../rotator.ts";

/**
 * What is the same of every secret that our own services check: nothing is at a target but their copies. Listeners hold
 * the new value and the one before, and the engine drops the one before at them.
 */

/** The next version, made here; the value in force becomes the one before. */
export async function make({ secret, now }: RotatorContext, current: Fields | undefined): Promise<Fields> {
  return freshFields(secret, current, now());
}

/**
 * The new version is whole, and with it a listener accepts what is in force as well.
 * @throws ProbeError
 */
export async function probe(
  { secret }: RotatorContext,
  next: Fields,
  current: Fields | undefined,
): Promise<void> {
  const given = Object.fromEntries(givenFields(secret).map((field) => [field, next[field] ?? ""]));
  try {
    checkValues(secret, given);
  } catch (error) {
    if (error instanceof ValueError) throw new ProbeError(error.message);
    throw error;
  }
  const { now, before } = pairOf(secret, next) ?? {};
  const inForce = current === undefined ? undefined : pairOf(secret, current)?.now;
  if (inForce === undefined || now === undefined) return;
  if (now === inForce) throw new ProbeError(`${secret.id}: the new version has the value that is in force`);
  if (before !== inForce) {
    throw new ProbeError(
      `${secret.id}: the new version does not hold the value in force as the one before: listeners would refuse it`,
    );
  }
}

/** By the source that the catalogue names; there is no target of its own to be asked. */
export async function idle(context: RotatorContext): Promise<Idleness> {
  const { secret, model } = context;
  switch (secret.idle?.source) {
    case "metric":
      return counterIdle(context, secret.idle.metric, model.rotation.watch);
    case "audit":
      return auditIdle(context);
    case "sinks":
      // The engine knows the sinks, and asks them where a rotator has nothing to see.
      return { state: "unknown", why: "its consumers' sinks are asked" };
    case "none":
      return { state: "unknown", why: "the catalogue names no source that would show it (idle: none)" };
    case undefined:
      if (secret.rotate.overlap === 0) {
        return {
          state: "idle",
          evidence: "the catalogue gives it no overlap: both are not meant to be accepted",
        };
      }
      return {
        state: "unknown",
        why: `the catalogue names no idle source for ${secret.id}: name one, or idle: none`,
      };
    default:
      return {
        state: "unknown",
        why: `idle: ${secret.idle?.source} shows no use of kind ${secret.kind}: name a metric, audit, sinks or none`,
      };
  }
}

/** Nothing is at a target: the final version, which the engine delivers, is the revocation. */
export async function nothing(): Promise<undefined> {}

/**
 * No consumer holds the old value any more.
 * @throws StillAcceptedError, which names those that do
 */
export async function refused(context: RotatorContext, old: Fields): Promise<void> {
  const { secret, model, vault } = context;
  const gone = valuesOf(secret, old);
  const holding: string[] = [];
  for (const { id, path } of secret.consumers) {
    context.signal.throwIfAborted();
    const found = await vault.read<{ data: Fields | null }>(`${model.vault.mounts.kv}/data/${path}`);
    if (Object.values(found?.data ?? {}).some((value) => gone.some((one) => value.includes(one))))
      holding.push(id);
  }
  if (holding.length > 0) {
    throw new StillAcceptedError(`${secret.id}: the old value still lies at ${holding.join(", ")}`);
  }
}

/** The values of a version that let somebody in: of a pair the one in force, else every field that is no name. */
function valuesOf(secret: RotatorContext["secret"], fields: Fields): string[] {
  const pair = pairNames(secret);
  const names = pair === undefined ? givenFields(secret).filter((name) => name !== "user") : [pair.now];
  return names.flatMap((name) => (fields[name] ? [fields[name]] : []));
}
