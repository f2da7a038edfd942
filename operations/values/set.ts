import { VaultError } from "../../clients/vault.ts";
import type { Model, Secret } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import { isUnderWay } from "../rotation/journal.ts";
import { JournalError, readJournal, writeJournal } from "../rotation/journal-store.ts";
import { nameOwed, type OwedKey, withOwed } from "../rotation/owed-keys.ts";
import { checkPresentLogin, checkValues, ValueError } from "./check.ts";
import { deliver, isRotating, readSource, sourceState, type Writer, writeSource } from "./deliver.ts";
import { ConflictError, stateOf, writeFields } from "./kv.ts";
import {
  type Fields,
  givenFields,
  inOrder,
  issuedByField,
  issuedIdField,
  issuedToField,
  keepsOneBefore,
  nextFields,
  sameFields,
} from "./shape.ts";

/** A name that the catalogue does not have. */
export class UnknownNameError extends Error {
  override name = "UnknownNameError";
}

/** What setting a secret touches; nothing is read or written to know it. */
export interface SetPlan {
  secret: string;
  /** Fields to be given. */
  fields: string[];
  /** KV paths in the order in which they are written: the source, then each consumer's own. */
  paths: string[];
  /** What it does to people (R49). */
  impact?: string;
}

export interface SetResult extends SetPlan {
  version: number;
  /** The source had these values already; only what was lacking was delivered. */
  unchanged: boolean;
  delivered: string[];
  /** Consumers that the rotation role delivers to, because whoever set it may not. */
  pending: string[];
  /** What became of the value before, where somebody beside the consumers may still accept it. */
  left?: string;
}

/**
 * The secret of a name, as "system/secret".
 * @throws UnknownNameError
 */
export function secretNamed(model: Pick<Model, "secrets" | "environment" | "aws">, name: string): Secret {
  const secret = model.secrets.find(({ id }) => id === name);
  const kept = model.aws?.secrets.find(({ id }) => id === name);
  if (kept !== undefined) {
    throw new UnknownNameError(
      `${name} is a database user that Secrets Manager keeps (${kept.name}): nobody sets its password, \`keyplane rotate ${name}\` has it replaced`,
    );
  }
  if (secret === undefined) {
    const same = model.secrets
      .filter((one) => one.name === name || one.id.endsWith(name))
      .map(({ id }) => id);
    const hint = same.length > 0 ? `did you mean ${same.join(" or ")}?` : "names are system/secret";
    throw new UnknownNameError(`the catalogue has no secret of that name in ${model.environment}: ${hint}`);
  }
  return secret;
}

/** @throws ValueError where no value can be set by hand */
export function planSet(secret: Secret): SetPlan {
  if (secret.retired !== undefined) throw new ValueError(`${secret.id} is retired: ${secret.retired.reason}`);
  return {
    secret: secret.id,
    fields: givenFields(secret),
    paths: [secret.source, ...inOrder(secret.consumers).map(({ path }) => path)],
    ...(secret.impact !== undefined && { impact: secret.impact }),
  };
}

/**
 * Writes given values as a new version of the source, with check-and-set, then to each consumer's own path.
 * Giving the same values again completes what an earlier run left, and makes no new version. Whoever may write
 * the source but not see it (a system's operators) writes that alone; the rotation role's next run delivers it. Nobody
 * revokes the value before: a provider's key is noted for the next rotation, and of others it is said.
 * @param given some or all of the plan's fields; missing ones keep their current value
 * @throws ValueError, ConflictError, VaultError; the signal's reason, between two consumers
 */
export async function setValue(
  writer: Writer,
  secret: Secret,
  given: Fields,
  report: Report,
  signal?: AbortSignal,
): Promise<SetResult> {
  const plan = planSet(secret);
  const unknown = Object.keys(given).filter((field) => !plan.fields.includes(field));
  if (unknown.length > 0 || Object.keys(given).length === 0) {
    throw new ValueError(`${secret.id} takes the field(s) ${plan.fields.join(", ")}`);
  }
  const { id, databaseUser } = secret;
  if (databaseUser === undefined) checkValues(secret, given);
  else checkPresentLogin({ id, databaseUser }, given);
  if (await isRotating(writer, secret)) {
    throw underWay(secret);
  }
  const current = await readIfAllowed(writer, secret);
  if (current === "not allowed") return setUnseen(writer, plan, secret, given, report);
  const state = await sourceState(writer, secret);
  const lacking = plan.fields.filter((field) => given[field] === undefined && current?.[field] === undefined);
  if (lacking.length > 0) {
    throw new ValueError(
      `${secret.id} was never set: give ${plan.fields.join(", ")} together, as one JSON object`,
    );
  }
  const kept = plan.fields.map((field) => [field, given[field] ?? current?.[field] ?? ""] as const);
  const fields = nextFields(secret, Object.fromEntries(kept), current, new Date());
  const unchanged = current !== undefined && sameFields(current, fields);
  if (current !== undefined && !unchanged) refuseNextLogin(secret);
  const isReplaced = current !== undefined && plan.fields.some((field) => current[field] !== fields[field]);
  // First: what is written and not noted, nobody would revoke.
  const left = isReplaced ? await leaves(writer, secret, current) : undefined;
  const version = unchanged
    ? state.version
    : await writeSource(writer, secret, { fields, after: state.version });
  report({
    subject: secret.id,
    state: unchanged ? "unchanged" : "done",
    text: `source is version ${version}`,
  });
  const delivered = await deliver(writer, secret, version, async () => true, signal);
  for (const id of delivered)
    report({ subject: id, state: "done", text: `has version ${version} of ${secret.id}` });
  return { ...plan, version, unchanged, delivered, pending: [], ...(left !== undefined && { left }) };
}

/** The password of a database user is given once, where the user was there before; every other one is made with a rotation. */
function refuseNextLogin({ id, databaseUser }: Secret): void {
  if (databaseUser === undefined) return;
  throw new ValueError(
    `${id} is of a database user and has a password already: it changes in the database too, by \`keyplane rotate ${id}\``,
  );
}

/** Without seeing the value there is, a new one must be whole, and nothing of the old one can be kept. */
async function setUnseen(
  { vault, model }: Writer,
  plan: SetPlan,
  secret: Secret,
  given: Fields,
  report: Report,
): Promise<SetResult> {
  if (plan.fields.some((field) => given[field] === undefined)) {
    throw new ValueError(
      `you may not see ${secret.id}: give ${plan.fields.join(", ")} together, as one JSON object`,
    );
  }
  if (keepsOneBefore(secret)) {
    throw new ValueError(
      `you may not see ${secret.id}, whose next version holds the one before: let it be rotated`,
    );
  }
  const { kv } = model.vault.mounts;
  const { version: after, gone } = await stateOf(vault, kv, secret.source);
  if (after > 0 && !gone) refuseNextLogin(secret);
  const left = after > 0 && !gone ? saidOf(secret) : undefined;
  const version = await writeFields(vault, kv, secret.source, { fields: given, after });
  report({
    subject: secret.id,
    state: "done",
    text: `source is version ${version}; the rotation role delivers it`,
  });
  const pending = inOrder(secret.consumers).map(({ id }) => id);
  return { ...plan, version, unchanged: false, delivered: [], pending, ...(left !== undefined && { left }) };
}

/**
 * Notes a provider's key that is about to be replaced, so that the next rotation revokes it and `keyplane rotations` names it.
 * @returns what to say of the value before
 * @throws ConflictError where a rotation has begun meanwhile
 */
async function leaves(writer: Writer, secret: Secret, current: Fields): Promise<string | undefined> {
  const { [issuedIdField]: id, [issuedByField]: at, [issuedToField]: account } = current;
  if (id === undefined) return saidOf(secret);
  const key = {
    id,
    ...(at !== undefined && { provider: at }),
    ...(account !== undefined && { account }),
  };
  const isNoted = await note(writer, secret, key);
  const what = `${nameOwed([key])}, which was in force, may still live`;
  if (!isNoted || at === undefined || at !== secret.provider?.name) return `${what}: revoke it there`;
  // The value that is set may be of another account, and ask for the keys of that one alone.
  return account === undefined || secret.provider.credential !== undefined
    ? `${what}: the next rotation revokes it, \`keyplane rotate ${secret.id}\` at once`
    : `${what}: \`keyplane rotate ${secret.id}\` revokes it where the new value may do that; otherwise revoke it there`;
}

/** @returns whether the journal has it; whoever sets a value may not be one who writes there */
async function note(writer: Writer, secret: Secret, key: OwedKey): Promise<boolean> {
  try {
    const { journal, version } = await readJournal(writer, secret);
    if (journal === undefined) return false;
    if (isUnderWay(journal)) throw underWay(secret);
    const unrevoked = withOwed(journal.unrevoked, [key]);
    await writeJournal(writer, secret, { ...journal, unrevoked }, version);
    return true;
  } catch (error) {
    if (error instanceof JournalError || (error instanceof VaultError && error.status === 403)) return false;
    throw error;
  }
}

/** Nothing is left of what its consumers alone know. */
function saidOf({ id, rotate, provider, nats }: Secret): string | undefined {
  if (provider === undefined && nats === undefined && rotate.by !== "hand") return undefined;
  const where = provider === undefined ? "where it is accepted" : `at ${provider.name}`;
  const instead =
    rotate.by === "hand" ? `\`keyplane set ${id} --rotate\` asks` : `\`keyplane rotate ${id}\` does`;
  return `nobody is asked to revoke the value before: unless it is refused already, revoke it ${where}; another time ${instead}`;
}

function underWay({ id }: Secret): ConflictError {
  return new ConflictError(`a rotation of ${id} is under way: run the same command when it has ended`);
}

async function readIfAllowed(writer: Writer, secret: Secret): Promise<Fields | undefined | "not allowed"> {
  try {
    return await readSource(writer, secret);
  } catch (error) {
    if (error instanceof VaultError && error.status === 403) return "not allowed";
    throw error;
  }
}
