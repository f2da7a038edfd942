import { createHash } from "node:crypto";
import type { Consumer, Secret } from "../../model/model.ts";
import { generate, keyId } from "./generate.ts";
import { keySet, type SigningKey } from "./jwks.ts";

/** Field → value. The only type here that holds values; it is never printed, logged or put into an error. */
export type Fields = Record<string, string>;

/**
 * Which field of a kind is the value that changes, and which of its fields is the one before. Where there is no
 * value before, both hold the same: a listener that accepts two keys then accepts one, never an empty one.
 */
const pairs: Partial<Record<Secret["kind"], { now: string; before: string }>> = {
  hmac: { now: "primary", before: "secondary" },
  token: { now: "token", before: "previous" },
  jwt: { now: "key", before: "previous" },
  fernet: { now: "key", before: "previous" },
};

/** Of kinds with a pair: the fields that name or publish its keys. */
const following = ["key-id", "jwks"];

/** Names of the field that changes and of the one that holds the value before; undefined where a kind keeps none. */
export function pairNames({ kind }: Pick<Secret, "kind">): { now: string; before: string } | undefined {
  return pairs[kind];
}

/** Whether a version holds the value before it as well. */
export function keepsOneBefore({ kind }: Pick<Secret, "kind">): boolean {
  return pairs[kind] !== undefined;
}

/** Fields that someone must give when setting a value; the others follow from them. */
export function givenFields(secret: Pick<Secret, "kind" | "fields" | "templates">): string[] {
  const pair = pairs[secret.kind];
  const derived = pair === undefined ? [] : [pair.before, ...following];
  return secret.fields.filter((field) => !derived.includes(field) && !(field in secret.templates));
}

/** Whether nobody has to be asked for a first value: made by machine, and not a password of a database's user. */
export function isMachineMade(secret: Secret): boolean {
  return secret.generator.by === "machine" && secret.databaseUser === undefined;
}

/** A first value of a machine-made secret, without its assembled fields. */
export function firstFields(secret: Secret, today: Date): Fields {
  return freshFields(secret, undefined, today);
}

/** The next version of a machine-made secret: every field that can be made anew is. */
export function freshFields(secret: Secret, current: Fields | undefined, today: Date): Fields {
  const { generator } = secret;
  if (generator.by !== "machine") throw new Error(`${secret.id} is not made by a machine`);
  const given = givenFields(secret).map((field) => [
    field,
    field === "user" ? userName(secret) : generate(generator),
  ]);
  return nextFields(secret, Object.fromEntries(given), current, today);
}

/**
 * The fields of a new source version from those given: the one before moves to its field, a new HMAC or signing key
 * gets a new id, and the key set of a signing key holds both.
 */
export function nextFields(secret: Secret, given: Fields, current: Fields | undefined, today: Date): Fields {
  const pair = pairs[secret.kind];
  if (pair === undefined) return { ...given };
  const now = given[pair.now] ?? "";
  // Written a second time, a value must not push out the one before.
  const again = current?.[pair.now] === now;
  const before = again ? current[pair.before] : current?.[pair.now];
  const next: Fields = { ...given, [pair.before]: before ?? now };
  if (secret.fields.includes("key-id")) {
    next["key-id"] = again && current["key-id"] ? current["key-id"] : keyId(today);
  }
  if (secret.fields.includes("jwks")) {
    const id = next["key-id"] ?? "";
    const keys: SigningKey[] = [{ id, key: now }];
    const idBefore = again ? undefined : (current?.["key-id"] ?? keyId(today));
    if (before !== undefined && before !== now && idBefore !== undefined)
      keys.push({ id: idBefore, key: before });
    next.jwks = again && current.jwks ? current.jwks : keySet(keys);
  }
  return next;
}

/**
 * The same version after its overlap: the one before is dropped, and only the value itself is accepted. Undefined where
 * the kind keeps none, or where it was dropped already.
 */
export function withoutBefore(secret: Pick<Secret, "kind" | "fields">, fields: Fields): Fields | undefined {
  const pair = pairs[secret.kind];
  const now = pair && fields[pair.now];
  if (pair === undefined || now === undefined || fields[pair.before] === now) return undefined;
  const alone = { ...fields, [pair.before]: now };
  return fields.jwks === undefined
    ? alone
    : { ...alone, jwks: keySet([{ id: fields["key-id"] ?? "", key: now }]) };
}

/** The value that changes and the one before it, of kinds that keep one. */
export function pairOf(
  secret: Pick<Secret, "kind">,
  fields: Fields,
): { now: string | undefined; before: string | undefined } | undefined {
  const pair = pairs[secret.kind];
  return pair && { now: fields[pair.now], before: fields[pair.before] };
}

/** Beside its fields a version that a provider made holds which of the provider's keys it is. */
export const issuedIdField = "issued-id";
/** And at which provider, by its name in the catalogue: that may be another one when the value is replaced. */
export const issuedByField = "issued-by";
/** And whose key, where the provider tells keys by that. */
export const issuedToField = "issued-to";

/** Whether two versions would be the same to whoever reads them. */
export function sameFields(a: Fields, b: Fields): boolean {
  const keys = Object.keys(a).sort();
  return (
    JSON.stringify(keys.map((k) => [k, a[k]])) ===
    JSON.stringify(
      Object.keys(b)
        .sort()
        .map((k) => [k, b[k]]),
    )
  );
}

/** A version has no field that a consumer reads: the catalogue has it only since. Names the field and what to do. */
export class LackingFieldError extends Error {
  override name = "LackingFieldError";
}

/**
 * What lies at a consumer's own path: the fields that its variables name and no others, assembled ones included;
 * all of them for a CI job that names none.
 * @throws LackingFieldError
 */
export function consumerFields(secret: Secret, consumer: Consumer, source: Fields): Fields {
  const lacked = fieldsLackedBy(secret, consumer, source);
  if (lacked.length > 0) {
    throw new LackingFieldError(
      `${secret.id} has no field ${lacked.join(", ")}: give it with \`keyplane set ${secret.id}\``,
    );
  }
  const read = fieldsReadBy(secret, consumer).toSorted();
  const parts = withOneBefore(secret, source);
  return Object.fromEntries(read.map((field) => [field, fieldValue(secret, field, parts)]));
}

/** What a consumer reads, by itself or in an assembled field, and a version has not. */
export function fieldsLackedBy(secret: Secret, consumer: Consumer, source: Fields): string[] {
  const parts = fieldsReadBy(secret, consumer).flatMap((field) => {
    const template = secret.templates[field];
    return template === undefined ? [field] : [...template.matchAll(part)].map(([, name = ""]) => name);
  });
  const held = withOneBefore(secret, source);
  return [...new Set(parts)].filter((field) => held[field] === undefined);
}

function fieldsReadBy(secret: Secret, consumer: Consumer): string[] {
  const named = [...new Set(Object.values(consumer.as))];
  return named.length > 0 ? named : [...secret.fields, ...Object.keys(secret.templates)];
}

/** A version from before its kind kept two holds no field for the one before: it is its own. */
function withOneBefore({ kind }: Pick<Secret, "kind">, source: Fields): Fields {
  const pair = pairs[kind];
  if (pair === undefined) return source;
  const { [pair.now]: now } = source;
  return now === undefined ? source : { [pair.before]: now, ...source };
}

function fieldValue({ templates }: Secret, field: string, parts: Fields): string {
  const template = templates[field];
  return template === undefined ? (parts[field] ?? "") : assemble(template, parts);
}

/** A field's name in a template. */
const part = /\{([a-z][a-z0-9-]*)\}/g;

/** Fills a template; in a URL what is filled in is percent-encoded, so that a password may hold any character. */
export function assemble(template: string, parts: Fields): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(template);
  return template.replace(part, (_, name: string) => {
    const value = parts[name];
    if (value === undefined) throw new Error(`the template's {${name}} is not there yet`);
    return url ? encodeURIComponent(value) : value;
  });
}

/**
 * A short digest of everything but the value that decides what a consumer's path holds. When it differs from
 * the one written with a version, the catalogue has changed and the path is written again.
 */
export function shapeOf(secret: Secret, consumer: Consumer): string {
  const fields = [...new Set(Object.values(consumer.as))].sort();
  const templates = Object.entries(secret.templates).sort();
  return createHash("sha256")
    .update(JSON.stringify([fields, templates]))
    .digest("hex")
    .slice(0, 16);
}

/** Letters and digits after the names, so that two environments never share a user. */
function userName(secret: Secret): string {
  return `${secret.system}-${secret.name}-${generate({ by: "machine", bytes: 4, encoding: "hex" })}`.slice(
    -63,
  );
}

const ranks = { listener: 0, reader: 1, signer: 2 } as const;

/** The order of delivery: listeners first, signers last (R29). */
export function inOrder(consumers: Consumer[]): Consumer[] {
  return consumers.toSorted((a, b) => ranks[a.role] - ranks[b.role] || a.id.localeCompare(b.id, "en"));
}
