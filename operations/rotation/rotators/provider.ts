import { setTimeout as sleep } from "node:timers/promises";
import { readSource } from "../../values/deliver.ts";
import { type Fields, issuedByField, issuedIdField, issuedToField } from "../../values/shape.ts";
import { nameOwed, type OwedKey } from "../owed-keys.ts";
import {
  type Adapter,
  type KeyApi,
  type KeyList,
  type Like,
  type ListedKey,
  type Owned,
  ProviderError,
  QuotaError,
} from "../providers/provider.ts";
import { ProbeError, type Rotator, type RotatorContext, StillAcceptedError } from "../rotator.ts";
import { type Labels, type Opened, open } from "./opened.ts";

/**
 * Beside the fields that the secret declares, a version holds which key of the provider it is and which one it took the
 * place of: what a key's id is can otherwise only be asked with the key itself, which counts as a use.
 */
const idField = issuedIdField;
const replacedField = "replaces-id";
/** Whose key it is, where the provider tells keys by that: once it is dead, nobody can ask with it. */
const accountField = issuedToField;

/** Keys that a provider makes: API keys (R15, R16, R19, R20) and access keys of S3. */
export const provider: Rotator = {
  async create(context, current) {
    const { secret } = context;
    if (current === undefined) {
      throw new ProviderError(`${secret.id} has no value yet: ${anew(secret)}`);
    }
    const { api, own, labels, name } = await open(context, current);
    const id = current[idField] ?? (await api.idOf(own(current)));
    const account = current[accountField] ?? (await api.accountOf?.(own(current)));
    const beside = { key: own(current), ...(account !== undefined && { account }) };
    const listed = id === undefined ? undefined : await listedBy(api, beside);
    const rights = listed && (await rightsFor(api, own(current), listed.keys, id));
    if (id === undefined || rights === undefined) {
      throw new ProviderError(
        `${secret.id}: the provider refuses the key that is in force, so nobody can say what the next one may do: ${anew(secret)}`,
      );
    }
    const except = [id, ...idsIn(current)];
    const others = (listed?.keys ?? []).filter((key) => !except.includes(key.id));
    await revokeEach(context, api, beside, others.filter(isMade(labels)), notKept);
    await revokeEach(context, api, beside, others.filter(isLeft(labels)), leftUnused);
    const made = await createBeside(context, api, { ...beside, id, rights }, labels);
    const whose = { [issuedByField]: name, ...(account !== undefined && { [accountField]: account }) };
    return { ...made.fields, [idField]: made.id, [replacedField]: id, ...whose };
  },

  async stage(context, next, current) {
    const { api, owned, labels } = await open(context, next, current);
    // A request to make one that was given up may have been served later.
    const { keys } = await api.list(owned(current, next));
    await removeOthers(context, api, owned(current, next), { keys, labels, except: idsIn(next, current) });
  },

  async probe(context, next, current) {
    const { adapter, api, own, owned } = await open(context, next, current);
    const what = `${context.secret.id}: the new key`;
    const now = await accepted(context, adapter, () => api.rights(own(next)));
    if (now === undefined) throw new ProbeError(`${what} is refused by ${context.secret.provider?.name}`);
    if (current === undefined) return;
    const id = replaced(current, next);
    const listed = await listedBy(api, owned(current, next));
    const before = listed && (await rightsFor(api, own(current), listed.keys, id));
    if (before === undefined) return;
    const lacks = before.filter((right) => !now.includes(right));
    const exceeds = now.filter((right) => !before.includes(right));
    if (lacks.length > 0) throw new ProbeError(`${what} may not: ${few(lacks)}`);
    if (exceeds.length > 0) throw new ProbeError(`${what} may do more than the one before: ${few(exceeds)}`);
  },

  async accepts(context, version) {
    const { api, own } = await open(context, version);
    return (await api.rights(own(version))) !== undefined;
  },

  heals: ({ id }) => `give one with \`keyplane set ${id}\``,

  async idle(context, old, kept) {
    const { adapter, api, owned } = await open(context, kept, old);
    const id = replaced(old, kept);
    const { keys, at } = await api.list(owned(kept, old));
    const key = keys.find((one) => one.id === id);
    if (id === undefined || key === undefined) {
      return { state: "idle", evidence: "the provider does not know the old key any more" };
    }
    if (key.lastUsed === undefined) {
      return {
        state: "unknown",
        why: `${context.secret.provider?.name} does not say when a key was last used`,
      };
    }
    if (key.lastUsed === "never")
      return { state: "idle", evidence: "the provider has never seen the old key used" };
    const window = Math.max(context.model.rotation.watch, adapter.tellsWithin);
    const ago = Math.max(0, (at.getTime() - key.lastUsed.getTime()) / 1000);
    const by = key.usedBy === undefined ? "" : `, by ${key.usedBy}`;
    const evidence = `the provider saw the old key used last at ${key.lastUsed.toISOString()}${by}`;
    return ago >= window
      ? { state: "idle", evidence }
      : { state: "in use", by: [key.usedBy ?? `a user of the key ${key.id}`], evidence };
  },

  async revoke(context, old, kept, letIn = "kept") {
    const { provider: target } = context.secret;
    const ids = { old: replaced(old, kept), kept: replaced(kept, old) };
    const account = old[accountField] ?? kept[accountField];
    const owed = (...found: (string | undefined)[]): OwedKey[] =>
      known(...found).map((key) => ({
        id: key,
        ...(target !== undefined && { provider: target.name }),
        ...(account !== undefined && { account }),
      }));
    // Whoever is let in asks; where nobody is, another credential can.
    if (letIn === "neither" && target?.credential === undefined) return owed(ids.old, ids.kept);
    const [caller, other] = letIn === "kept" ? [kept, old] : [old, kept];
    const { api, own, owned, labels } = await open(context, caller);
    const beside = owned(caller, other);
    const listed = letIn === "neither" ? await listedBy(api, beside) : await api.list(beside);
    if (listed === undefined) return owed(ids.old, ids.kept);
    await removeOthers(context, api, beside, { ...listed, labels, except: idsIn(kept, old) });
    const id = ids.old ?? (await api.idOf(own(old)));
    if (id !== undefined && id !== kept[idField]) await api.revoke(id, beside);
    return letIn === "kept" ? undefined : owed(ids.kept);
  },

  async revokeLeft(context, kept) {
    const { unrevoked = [], secret, report } = context;
    const opened = await open(context, kept);
    const inForce = kept[idField] ?? (await opened.api.idOf(opened.own(kept)));
    const left: OwedKey[] = [];
    for (const key of unrevoked) {
      const why = key.id === inForce ? undefined : await whyOwed(context, opened, opened.owned(kept), key);
      if (why === undefined) continue;
      left.push(key);
      report({ subject: secret.id, state: "progress", text: `${nameOwed([key])} is left: ${why}` });
    }
    return left;
  },

  async verify(context, old, kept) {
    const { adapter, api, own } = await open(context, kept, old);
    for (const end = Date.now() + adapter.settles * 1000; ; ) {
      if ((await api.rights(own(old))) === undefined) return;
      if (Date.now() >= end) break;
      await sleep(1000, undefined, { signal: context.signal });
    }
    throw new StillAcceptedError(
      `${context.secret.id}: ${context.secret.provider?.name} still accepts the old key`,
    );
  },

  async discard(context) {
    const { vault, model, secret } = context;
    const current = await readSource({ vault, model, by: "" }, secret);
    if (current === undefined) return;
    if (secret.provider?.address === undefined) return;
    const { api, owned, labels } = await open(context, current);
    const listed = await listedBy(api, owned(current));
    if (listed === undefined) {
      const text = `${secret.provider.name} refuses the key in force: look there yourself for a key with the label ${labels.own}`;
      context.report({ subject: secret.id, state: "progress", text });
      return;
    }
    await removeOthers(context, api, owned(current), { ...listed, labels, except: idsIn(current) });
  },
};

/** While a rotation is under way no value can be set, and none of what is retired ever. */
function anew({ id, retired }: RotatorContext["secret"]): string {
  if (retired !== undefined) return `it is retired: end the rotation with \`keyplane rotations abort ${id}\``;
  return `run \`keyplane rotations abort ${id}\`, then give one with \`keyplane set ${id}\``;
}

function known(...ids: (string | undefined)[]): string[] {
  return ids.filter((id) => id !== undefined);
}

/** The keys that a provider lists; undefined where it does not because it refuses this very key. */
async function listedBy(api: KeyApi, beside: Owned): Promise<KeyList | undefined> {
  try {
    return await api.list(beside);
  } catch (error) {
    if (error instanceof ProviderError && (await api.rights(beside.key)) === undefined) return undefined;
    throw error;
  }
}

/** What a key may do, without using it where the provider lists it. Undefined where it is refused. */
async function rightsFor(
  api: KeyApi,
  key: Fields,
  listed: ListedKey[],
  id: string | undefined,
): Promise<string[] | undefined> {
  return listed.find((one) => one.id === id)?.rights ?? (await api.rights(key));
}

/** Ids of keys that versions are, and that they took the place of. */
function idsIn(...versions: (Fields | undefined)[]): string[] {
  return known(...versions.flatMap((version) => [version?.[idField], version?.[replacedField]]));
}

/** The id of a key: its own note, or that of the key which took its place. */
function replaced(version: Fields, other: Fields): string | undefined {
  return version[idField] ?? other[replacedField];
}

/** Revokes a key that is owed. @returns why it may live on; undefined once it is revoked, or seen to be gone where it was made */
async function whyOwed(
  context: RotatorContext,
  { api, name }: Opened,
  inForce: Owned,
  { id, provider: where, account }: OwedKey,
): Promise<string | undefined> {
  if (where !== undefined && where !== name) return `it is not ${name}'s`;
  const beside = { ...inForce, ...(account !== undefined && { account }) };
  try {
    const listed = await listedBy(api, beside);
    if (listed === undefined) return `${name} refuses the key in force`;
    if (listed.keys.some((key) => key.id === id)) {
      await revokeEach(context, api, beside, [{ id }], "which an earlier rotation could not revoke");
      return undefined;
    }
    // Elsewhere it would not be listed either.
    const isItsPlace = where !== undefined && (account === undefined) === (api.accountOf === undefined);
    return isItsPlace ? undefined : "it is not known where it was made";
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return error.message;
  }
}

/** Revokes what this rotation made and nobody keeps. */
async function removeOthers(
  context: RotatorContext,
  api: KeyApi,
  beside: Owned,
  { keys, labels, except }: Pick<KeyList, "keys"> & { labels: Labels; except: string[] },
): Promise<void> {
  const others = keys.filter((key) => !except.includes(key.id));
  await revokeEach(context, api, beside, others.filter(isMade(labels)), notKept);
}

const isMade =
  ({ made }: Labels) =>
  ({ label }: ListedKey) =>
    made.includes(label);

/** Of an earlier rotation of this secret: a request that was given up may be served when its rotation is over. */
const isLeft =
  ({ made, prefixes }: Labels) =>
  ({ label, lastUsed }: ListedKey) =>
    prefixes.some((prefix) => label.startsWith(prefix)) && !made.includes(label) && lastUsed === "never";

const notKept = "which this rotation had made without keeping it";
const leftUnused = "which an earlier rotation had left behind and nobody used";

async function revokeEach(
  { secret, report }: RotatorContext,
  api: KeyApi,
  beside: Owned,
  keys: readonly Pick<ListedKey, "id">[],
  why: string,
): Promise<void> {
  for (const { id } of keys) {
    await api.revoke(id, beside);
    report({ subject: secret.id, state: "progress", text: `revoked the key ${id}, ${why}` });
  }
}

/**
 * Makes a key; where the provider lets no further one live, a key goes first that an earlier rotation of this secret
 * left behind and nobody uses. Never the one in force, and never one that was not made here.
 */
async function createBeside(
  context: RotatorContext,
  api: KeyApi,
  like: Like,
  { own: label, prefixes }: Labels,
) {
  try {
    return await api.create(label, like);
  } catch (error) {
    if (!(error instanceof QuotaError)) throw error;
    const listed = await api.list(like);
    const { unrevoked = [] } = context;
    const unused = context.model.rotation.watch;
    const owed = unrevoked.map(({ id }) => id);
    const left = leftBehind(listed, { prefixes, owed, except: like.id, unused });
    if (left === undefined) {
      const others = listed.keys.filter(({ id }) => id !== like.id).map(({ id }) => id);
      throw new QuotaError(
        `${error.message}; beside the one in force there is ${few(others) || "none that it lists"}: revoke the one that nobody uses, by hand`,
        { cause: error },
      );
    }
    await api.revoke(left.id, like);
    return api.create(label, like);
  }
}

function leftBehind(
  { keys, at }: KeyList,
  { prefixes, owed, except, unused }: { prefixes: string[]; owed: string[]; except: string; unused: number },
) {
  return keys.find(
    ({ id, label, lastUsed }) =>
      id !== except &&
      (owed.includes(id) || prefixes.some((prefix) => label.startsWith(prefix))) &&
      lastUsed !== undefined &&
      (lastUsed === "never" || at.getTime() - lastUsed.getTime() >= unused * 1000),
  );
}

/** What a good key answers; one that was made a moment ago may need its time. */
async function accepted<T>(
  { signal }: RotatorContext,
  { settles }: Adapter,
  ask: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (const end = Date.now() + settles * 1000; ; ) {
    const answer = await ask();
    if (answer !== undefined || Date.now() >= end) return answer;
    await sleep(1000, undefined, { signal });
  }
}

/** At most five of many. */
function few(names: string[]): string {
  const rest = names.length - 5;
  return rest > 0 ? `${names.slice(0, 5).join(", ")} and ${rest} more` : names.join(", ");
}
