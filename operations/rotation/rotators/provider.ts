import { setTimeout as sleep } from "node:timers/promises";
import { keptId } from "../../../model/kept-names.ts";
import { fit } from "../../../model/names.ts";
import { readSource } from "../../values/deliver.ts";
import { type Fields, pairNames } from "../../values/shape.ts";
import { ProviderHttp } from "../providers/http.ts";
import { adapters, spokenTo } from "../providers/index.ts";
import {
  type Adapter,
  type KeyApi,
  type KeyList,
  type ListedKey,
  ProviderError,
  QuotaError,
} from "../providers/provider.ts";
import {
  BothRefusedError,
  KeptRefusedError,
  ProbeError,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
} from "../rotator.ts";

/**
 * Beside the fields that the secret declares, a version holds which key of the provider it is and which one it took the
 * place of: what a key's id is can otherwise only be asked with the key itself, which counts as a use.
 */
const idField = "issued-id";
const replacedField = "replaces-id";

/** Keys that a provider makes: API keys (R15, R16, R19, R20) and access keys of S3. */
export const provider: Rotator = {
  async create(context, current) {
    const { secret } = context;
    if (current === undefined) {
      throw new ProviderError(`${secret.id} has no value yet: ${anew(secret)}`);
    }
    const { api, own, labels } = await open(context, current);
    const id = current[idField] ?? (await api.idOf(own(current)));
    const listed = id === undefined ? undefined : await listedBy(api, own(current));
    const rights = listed && (await rightsFor(api, own(current), listed.keys, id));
    if (id === undefined || rights === undefined) {
      throw new ProviderError(
        `${secret.id}: the provider refuses the key that is in force, so nobody can say what the next one may do: ${anew(secret)}`,
      );
    }
    const except = [id, ...idsIn(current)];
    const others = (listed?.keys ?? []).filter((key) => !except.includes(key.id));
    await revokeEach(context, api, own(current), others.filter(isMade(labels)), notKept);
    await revokeEach(context, api, own(current), others.filter(isLeft(labels)), leftUnused);
    const like = { key: own(current), id, rights };
    const made = await createBeside(context, api, like, labels);
    return { ...made.fields, [idField]: made.id, [replacedField]: id };
  },

  async stage(context, next, current) {
    const { api, own, labels } = await open(context, next, current);
    // A request to make one that was given up may have been served later.
    await removeOthers(context, api, own(current ?? next), { labels, except: idsIn(next, current) });
  },

  async probe(context, next, current) {
    const { adapter, api, own } = await open(context, next, current);
    const what = `${context.secret.id}: the new key`;
    const now = await accepted(context, adapter, () => api.rights(own(next)));
    if (now === undefined) throw new ProbeError(`${what} is refused by ${context.secret.provider?.name}`);
    if (current === undefined) return;
    const id = current[idField] ?? (current === next ? undefined : next[replacedField]);
    const { keys } = await api.list(own(current));
    const before = await rightsFor(api, own(current), keys, id);
    if (before === undefined) return;
    const lacks = before.filter((right) => !now.includes(right));
    const exceeds = now.filter((right) => !before.includes(right));
    if (lacks.length > 0) throw new ProbeError(`${what} may not: ${few(lacks)}`);
    if (exceeds.length > 0) throw new ProbeError(`${what} may do more than the one before: ${few(exceeds)}`);
  },

  async idle(context, old, kept) {
    const { adapter, api, own } = await open(context, kept, old);
    const id = replaced(old, kept);
    const { keys, at } = await api.list(own(kept));
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

  async revoke(context, old, kept) {
    const opened = await open(context, kept, old);
    const { own, labels } = opened;
    const ofKept = () => opened.api.rights(own(kept));
    let [caller, api] = [kept, opened.api];
    let isNoneAccepted = false;
    if ((await ofKept()) === undefined) {
      const other = await open(context, old);
      isNoneAccepted = (await other.api.rights(own(old))) === undefined;
      // Another credential revokes it all the same.
      if (isNoneAccepted && context.secret.provider?.credential === undefined) {
        throw bothRefused(context, [replaced(old, kept), kept[idField]]);
      }
      // On the way back nobody uses the new key; where the old one has died, the new one revokes itself.
      if (!tookPlaceOf(kept, old)) [caller, api] = [old, other.api];
      else if (!isNoneAccepted && (await accepted(context, opened.adapter, ofKept)) === undefined) {
        throw new KeptRefusedError(
          `${context.secret.id}: the new key is refused by ${opened.name} and the old one accepted`,
        );
      }
    }
    const except = idsIn(kept, old);
    await removeOthers(context, api, own(caller), { labels, except });
    const id = replaced(old, kept) ?? (await api.idOf(own(old)));
    if (id !== undefined && id !== kept[idField]) await api.revoke(id, own(caller));
    if (isNoneAccepted) throw bothRefused(context, [kept[idField]]);
  },

  async revokeLeft(context, kept) {
    const { unrevoked = [], secret, report } = context;
    const { api, own, name } = await open(context, kept);
    const listed = await listedBy(api, own(kept));
    if (listed === undefined) return unrevoked;
    const inForce = kept[idField] ?? (await api.idOf(own(kept)));
    const left: string[] = [];
    for (const { id } of listed.keys) {
      if (id === inForce || !unrevoked.includes(id)) continue;
      try {
        await revokeEach(context, api, own(kept), [{ id }], "which an earlier rotation could not revoke");
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        left.push(id);
        report({
          subject: secret.id,
          state: "progress",
          text: `${name}'s key ${id} is left: ${error.message}`,
        });
      }
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
    const { api, own, labels } = await open(context, current);
    if (secret.provider.credential === undefined && (await api.rights(own(current))) === undefined) {
      const text = `${secret.provider.name} refuses the key in force: look there yourself for a key with the label ${labels.own}`;
      context.report({ subject: secret.id, state: "progress", text });
      return;
    }
    await removeOthers(context, api, own(current), { labels, except: idsIn(current) });
  },
};

/** While a rotation is under way no value can be set, and none of what is retired ever. */
function anew({ id, retired }: RotatorContext["secret"]): string {
  if (retired !== undefined) return `it is retired: end the rotation with \`keyplane rotations abort ${id}\``;
  return `run \`keyplane rotations abort ${id}\`, then give one with \`keyplane set ${id}\``;
}

function bothRefused(
  { secret: { id, provider: target } }: RotatorContext,
  ids: (string | undefined)[],
): BothRefusedError {
  const keys = ids.filter((each) => each !== undefined);
  const left =
    keys.length === 0
      ? ""
      : `; ${keys.join(" and ")} may still live there: the next rotation revokes what does`;
  return new BothRefusedError(
    `${target?.name} refuses the new key and the old one, and nobody has one that works: give one with \`keyplane set ${id}\`${left}`,
    { keys },
  );
}

interface Opened {
  /** The provider's, as the catalogue has it. */
  name: string;
  adapter: Adapter;
  api: KeyApi;
  /** The fields of a version that the provider knows. */
  own(fields: Fields): Fields;
  labels: Labels;
}

interface Labels {
  /** Of what this rotation makes. */
  own: string;
  /** The same, and as versions before 2026-11-29 wrote it: by the catalogue's id. */
  made: string[];
  /** What the labels of all rotations of this secret begin with, as either wrote them. */
  prefixes: string[];
}

/** @param self versions of the secret, of which the first is the one to call with where no credential is named */
async function open(context: RotatorContext, ...self: (Fields | undefined)[]): Promise<Opened> {
  const { secret, model } = context;
  const { provider: target } = secret;
  if (target?.address === undefined) {
    throw new ProviderError(
      `${secret.id} cannot rotate in ${model.environment}: give its provider's address below environments.${model.environment}.providers`,
    );
  }
  const adapter = await adapters[nameOf(secret)]();
  const bound = { ...adapter.bound, ...target.rate };
  const http = new ProviderHttp({
    provider: target.name,
    fetch: context.reach.fetch,
    bound,
    signal: context.signal,
  });
  const fields = secret.fields.filter((field) => !(field in secret.templates));
  const own = (version: Fields) => pick(version, fields);
  const credential =
    target.credential === undefined
      ? own(self.find((version) => version !== undefined) ?? {})
      : await credentialOf(context, target.credential);
  const address = target.address.replace(/\/+$/, "");
  const api = adapter.open({ http, address, credential, fields, now: () => context.now() });
  const prefixes = [keptId(secret), secret.id].map((id) => {
    const place = `keyplane/${model.organization}/${model.environment}/${id}`;
    return `${fit(place, adapter.longestLabel - context.rotation.length - 1)}/`;
  });
  const made = prefixes.map((prefix) => `${prefix}${context.rotation}`);
  const labels = { own: made[0] ?? "", made, prefixes };
  return { name: target.name, adapter, api, own, labels };
}

function nameOf({ kind, provider: target }: RotatorContext["secret"]): keyof typeof adapters {
  const name = spokenTo({ kind, adapter: target?.adapter });
  // Tokens of Slack are no keys that can be listed: rotators/slack.ts.
  return name === "slack" ? "rest" : name;
}

/** The value in force of the secret that the API is called with. */
async function credentialOf({ vault, model, secret }: RotatorContext, id: string): Promise<Fields> {
  const other = model.secrets.find((one) => one.id === id);
  const fields = other && (await readSource({ vault, model, by: "" }, other));
  if (other === undefined || fields === undefined) {
    throw new ProviderError(
      `${secret.id} is rotated with ${id}, which has no value in ${model.environment}: give it with \`keyplane set ${id}\``,
    );
  }
  const pair = pairNames(other);
  return pick(
    fields,
    pair === undefined ? other.fields.filter((field) => !(field in other.templates)) : [pair.now],
  );
}

function pick(fields: Fields, names: string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, fields[name] ?? ""]));
}

/** The keys that a provider lists; undefined where it does not because it refuses this very key. */
async function listedBy(api: KeyApi, key: Fields): Promise<KeyList | undefined> {
  try {
    return await api.list(key);
  } catch (error) {
    if (error instanceof ProviderError && (await api.rights(key)) === undefined) return undefined;
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
  return versions
    .flatMap((version) => [version?.[idField], version?.[replacedField]])
    .filter((id) => id !== undefined);
}

/** Whether a key was made to take the place of another one, rather than the other way round. */
function tookPlaceOf(next: Fields, old: Fields): boolean {
  const id = next[replacedField];
  return id !== undefined && (old[idField] ?? id) === id;
}

/** The id of the old key: its own note, or that of the key which took its place. */
function replaced(old: Fields, kept: Fields): string | undefined {
  return old[idField] ?? kept[replacedField];
}

/** Revokes what this rotation made and nobody keeps. */
async function removeOthers(
  context: RotatorContext,
  api: KeyApi,
  beside: Fields,
  { labels, except }: { labels: Labels; except: string[] },
): Promise<void> {
  const { keys } = await api.list(beside);
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
  beside: Fields,
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
  like: { key: Fields; id: string; rights: string[] },
  { own: label, prefixes }: Labels,
) {
  try {
    return await api.create(label, like);
  } catch (error) {
    if (!(error instanceof QuotaError)) throw error;
    const listed = await api.list(like.key);
    const { unrevoked = [] } = context;
    const unused = context.model.rotation.watch;
    const left = leftBehind(listed, { prefixes, unrevoked, except: like.id, unused });
    if (left === undefined) {
      const others = listed.keys.filter(({ id }) => id !== like.id).map(({ id }) => id);
      throw new QuotaError(
        `${error.message}; beside the one in force there is ${few(others) || "none that it lists"}: revoke the one that nobody uses, by hand`,
        { cause: error },
      );
    }
    await api.revoke(left.id, like.key);
    return api.create(label, like);
  }
}

function leftBehind(
  { keys, at }: KeyList,
  {
    prefixes,
    unrevoked,
    except,
    unused,
  }: { prefixes: string[]; unrevoked: string[]; except: string; unused: number },
) {
  return keys.find(
    ({ id, label, lastUsed }) =>
      id !== except &&
      (unrevoked.includes(id) || prefixes.some((prefix) => label.startsWith(prefix))) &&
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
