import assert from "node:assert/strict";
import { test } from "node:test";
import type { Consumer, Secret } from "../../../model/model.ts";
import {
  assemble,
  consumerFields,
  fieldsLackedBy,
  firstFields,
  givenFields,
  inOrder,
  nextFields,
  pairOf,
  shapeOf,
  withoutBefore,
} from "../../../operations/values/shape.ts";

const day = new Date("2026-11-22T12:00:00Z");

const hmac: Secret = {
  id: "titan/hmac",
  system: "titan",
  name: "hmac",
  owner: "ada",
  class: "critical",
  kind: "hmac",
  fields: ["primary", "secondary", "key-id"],
  generator: { by: "machine", bytes: 32, encoding: "hex" },
  rotate: { by: "machine", overlap: 86_400, onCompromise: true },
  source: "source/titan/hmac",
  journal: "rotation/titan/hmac",
  evidence: "evidence/titan/hmac",
  stored: [],
  templates: {},
  consumers: [],
};

function consumer(id: string, role: Consumer["role"], as: Record<string, string>): Consumer {
  return { id, kind: "service", name: id, role, path: `services/${id}/hmac`, as, files: {} };
}

const signer = consumer("titan/titan-brain", "signer", { PRIMARY_FILE: "primary", KEY_ID: "key-id" });
const listener = consumer("titan/titan-sentinel", "listener", {
  PRIMARY_FILE: "primary",
  SECONDARY_FILE: "secondary",
  KEY_ID: "key-id",
});

test("a first HMAC key is its own secondary, so that a listener never accepts an empty one (R28)", () => {
  const first = firstFields(hmac, day);
  assert.match(first.primary ?? "", /^[0-9a-f]{64}$/);
  assert.equal(first.secondary, first.primary);
  assert.match(first["key-id"] ?? "", /^2026-11-22-[0-9a-f]{8}$/);
  assert.deepEqual(Object.keys(first).sort(), ["key-id", "primary", "secondary"]);
});

test("the next HMAC key keeps the one before as secondary, under a new id (R28)", () => {
  const first = firstFields(hmac, day);
  const next = nextFields(hmac, { primary: "f".repeat(64) }, first, day);
  assert.equal(next.primary, "f".repeat(64));
  assert.equal(next.secondary, first.primary);
  assert.notEqual(next["key-id"], first["key-id"]);
});

test("the same HMAC key given again changes nothing: the one before stays", () => {
  const current = { primary: "b".repeat(64), secondary: "a".repeat(64), "key-id": "2026-01-01-00000000" };
  assert.deepEqual(nextFields(hmac, { primary: "b".repeat(64) }, current, day), current);
});

test("a next Fernet key keeps the one before as previous (R22)", () => {
  const fernet = { ...hmac, kind: "fernet" as const, fields: ["key", "previous"] };
  assert.deepEqual(nextFields(fernet, { key: "new" }, { key: "old", previous: "older" }, day), {
    key: "new",
    previous: "old",
  });
});

test("a next token keeps the one before as previous, and a first one is its own (R18)", () => {
  const token = { ...hmac, kind: "token" as const, fields: ["token", "previous"] };
  const first = firstFields(token, day);
  assert.equal(first.previous, first.token);
  assert.deepEqual(nextFields(token, { token: "new" }, { token: "old", previous: "older" }, day), {
    token: "new",
    previous: "old",
  });
});

const jwt: Secret = {
  ...hmac,
  kind: "jwt",
  fields: ["key", "previous", "key-id", "jwks"],
  generator: { by: "machine", bytes: 32, encoding: "es256" },
};

interface Jwk {
  kid: string;
  d?: string;
  k?: string;
}

function keys(fields: Record<string, string>): Jwk[] {
  return (JSON.parse(fields.jwks ?? "") as { keys: Jwk[] }).keys;
}

test("a next signing key is published beside the one before, each by its own key id (R49)", () => {
  const first = firstFields(jwt, day);
  const next = nextFields(jwt, { key: firstFields(jwt, day).key ?? "" }, first, day);
  assert.deepEqual(
    keys(first).map(({ kid }) => kid),
    [first["key-id"]],
  );
  assert.deepEqual(
    keys(next).map(({ kid }) => kid),
    [next["key-id"], first["key-id"]],
  );
  assert.notEqual(next["key-id"], first["key-id"]);
});

test("the same signing key given again changes nothing: both stay published", () => {
  const first = firstFields(jwt, day);
  const next = nextFields(jwt, { key: firstFields(jwt, day).key ?? "" }, first, day);
  assert.deepEqual(nextFields(jwt, { key: next.key ?? "" }, next, day), next);
});

test("a signing key from before key sets is published under a new id, once another follows", () => {
  const old = { key: "k".repeat(43) };
  const next = nextFields(
    { ...jwt, generator: { by: "machine", bytes: 32, encoding: "base64url" } },
    { key: "n".repeat(43) },
    old,
    day,
  );
  assert.deepEqual(
    keys(next).map(({ k }) => Buffer.from(k ?? "", "base64url").toString()),
    ["n".repeat(43), old.key],
  );
  assert.equal(new Set(keys(next).map(({ kid }) => kid)).size, 2);
});

test("dropping the one before leaves one value, and one published key (R30)", () => {
  const before = { primary: "b", secondary: "a", "key-id": "2026-01-01-00000000" };
  assert.deepEqual(withoutBefore(hmac, before), { ...before, secondary: "b" });
  const first = firstFields(jwt, day);
  const next = nextFields(jwt, { key: firstFields(jwt, day).key ?? "" }, first, day);
  const alone = withoutBefore(jwt, next);
  assert.ok(alone);
  assert.equal(alone.previous, next.key);
  assert.deepEqual(
    keys(alone).map(({ kid }) => kid),
    [next["key-id"]],
  );
});

test("nothing is dropped twice, and nothing of a kind that keeps one value", () => {
  assert.equal(withoutBefore(hmac, { primary: "b", secondary: "b", "key-id": "k" }), undefined);
  assert.equal(withoutBefore({ kind: "password", fields: ["password"] }, { password: "p" }), undefined);
});

test("the value in force and the one before are told by kind", () => {
  assert.deepEqual(pairOf(hmac, { primary: "b", secondary: "a", "key-id": "k" }), { now: "b", before: "a" });
  assert.equal(pairOf({ kind: "password" }, { password: "p" }), undefined);
});

test("a listener of a version from before its kind kept two gets the value itself as the one before", () => {
  const token = { ...hmac, kind: "token" as const, fields: ["token", "previous"] };
  const gateway = consumer("soma/gateway", "listener", { TOKEN: "token", PREVIOUS: "previous" });
  assert.deepEqual(consumerFields(token, gateway, { token: "t" }), { previous: "t", token: "t" });
});

test("what follows from other fields is not asked for", () => {
  assert.deepEqual(givenFields(hmac), ["primary"]);
  assert.deepEqual(givenFields({ kind: "fernet", fields: ["key", "previous"], templates: {} }), ["key"]);
  assert.deepEqual(givenFields(jwt), ["key"]);
  assert.deepEqual(givenFields({ kind: "token", fields: ["token", "previous"], templates: {} }), ["token"]);
  assert.deepEqual(givenFields({ kind: "api-key", fields: ["key", "secret"], templates: {} }), [
    "key",
    "secret",
  ]);
  assert.deepEqual(
    givenFields({
      kind: "password",
      fields: ["password", "url"],
      templates: { url: "redis://:{password}@r" },
    }),
    ["password"],
  );
});

test("a signer's path holds no secondary: each consumer gets the fields that it reads (R7, R28)", () => {
  const fields = { primary: "p", secondary: "s", "key-id": "k" };
  assert.deepEqual(consumerFields(hmac, signer, fields), { "key-id": "k", primary: "p" });
  assert.deepEqual(consumerFields(hmac, listener, fields), { "key-id": "k", primary: "p", secondary: "s" });
});

test("a CI job that names no variable gets all fields, the assembled ones included", () => {
  const job: Consumer = { ...consumer("titan/ci/deploy", "reader", {}), kind: "ci" };
  const secret = {
    ...hmac,
    kind: "password" as const,
    fields: ["password"],
    templates: { url: "redis://:{password}@r" },
  };
  assert.deepEqual(consumerFields(secret, job, { password: "p" }), { password: "p", url: "redis://:p@r" });
});

test("a field that a version has not is named, where a template needs it as well", () => {
  const secret = { ...hmac, kind: "password" as const, templates: { url: "redis://{user}:{password}@r" } };
  const reader = consumer("titan/brain", "reader", { URL: "url", REGION: "region" });
  assert.deepEqual(fieldsLackedBy(secret, reader, { password: "p" }), ["user", "region"]);
  assert.deepEqual(fieldsLackedBy(secret, reader, { password: "p", user: "u", region: "r" }), []);
  // A version from before its kind kept two.
  assert.deepEqual(fieldsLackedBy(hmac, listener, { primary: "p", "key-id": "k" }), []);
});

test("a version from before its kind kept two fills a template with its own value as the one before", () => {
  const secret = { ...hmac, templates: { keys: "{primary},{secondary}" } };
  const reader = consumer("titan/brain", "listener", { KEYS: "keys" });
  assert.deepEqual(consumerFields(secret, reader, { primary: "p", "key-id": "k" }), { keys: "p,p" });
});

test("what is filled into a URL is percent-encoded", () => {
  assert.equal(
    assemble("postgresql://{user}:{password}@db:5432/app", { user: "a b", password: "p@s/s:#?" }),
    "postgresql://a%20b:p%40s%2Fs%3A%23%3F@db:5432/app",
  );
});

test("what is filled into another text is left as it is", () => {
  assert.equal(assemble("{user}:{password}", { user: "a", password: "p@s/s" }), "a:p@s/s");
});

test("a value that reads like a placeholder is not filled in again", () => {
  assert.equal(assemble("{user}-{password}", { user: "{password}", password: "p" }), "{password}-p");
});

test("a template without its field is an error that names the field", () => {
  assert.throws(() => assemble("{user}:{password}", { user: "a" }), /\{password\} is not there yet/);
});

test("listeners come first and signers last (R29)", () => {
  const reader = consumer("titan/a-reader", "reader", {});
  const another = consumer("titan/a-listener", "listener", {});
  assert.deepEqual(
    inOrder([signer, reader, listener, another]).map(({ id }) => id),
    ["titan/a-listener", "titan/titan-sentinel", "titan/a-reader", "titan/titan-brain"],
  );
});

test("the shape of a path changes with its fields and templates, not with its variables' names", () => {
  const renamed = { ...signer, as: { OTHER: "primary", KEY_ID: "key-id" } };
  assert.equal(shapeOf(hmac, renamed), shapeOf(hmac, signer));
  assert.notEqual(shapeOf(hmac, listener), shapeOf(hmac, signer));
  assert.notEqual(shapeOf({ ...hmac, templates: { url: "x:{primary}" } }, signer), shapeOf(hmac, signer));
});
