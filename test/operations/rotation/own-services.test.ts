import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Consumer, Secret, SecretKind } from "../../../model/model.ts";
import {
  ProbeError,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
} from "../../../operations/rotation/rotator.ts";
import { fernet } from "../../../operations/rotation/rotators/fernet.ts";
import { hmac } from "../../../operations/rotation/rotators/hmac.ts";
import { endingSessions, jwt } from "../../../operations/rotation/rotators/jwt.ts";
import { password } from "../../../operations/rotation/rotators/password.ts";
import { token } from "../../../operations/rotation/rotators/token.ts";
import { type Fields, firstFields, pairNames, withoutBefore } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const now = new Date("2026-11-22T12:00:00Z");

/** The catalogue's own secret of each kind, on a path of its own. */
const declared: [SecretKind, string, Rotator][] = [
  ["hmac", "titan/hmac", hmac],
  ["token", "soma/auth-internal-token", token],
  ["jwt", "solo/secret-key", jwt],
  ["password", "soma/redis", password],
  ["fernet", "soma/crypto-fernet", fernet],
];
let count = 0;

function secretOf(id: string, more: Partial<Secret> = {}): Secret {
  const found = bench.model.secrets.find((secret) => secret.id === id);
  assert.ok(found);
  const own = `own-${++count}`;
  const consumers = found.consumers.map((consumer) => ({
    ...consumer,
    path: `services/${own}/${consumer.name}`,
  }));
  return {
    ...found,
    stored: [],
    source: `source/${own}/it`,
    journal: `rotation/${own}/it`,
    consumers,
    ...more,
  };
}

function context(secret: Secret, more: Partial<RotatorContext> = {}): RotatorContext {
  const never = async () => assert.fail("nothing of it lies in a database");
  const own: RotatorContext = {
    vault: bench.vault,
    model: bench.model,
    secret,
    rotation: "one",
    reason: "scheduled",
    reach: { manage: never, login: never, fetch },
    now: () => now,
    report: () => {},
    signal: new AbortController().signal,
    uninterrupted: (does) => does(own),
    ...more,
  };
  return own;
}

for (const [kind, id, rotator] of declared) {
  test(`${kind}: a next version works, keeps the one before where its kind does, and is never made twice`, async () => {
    const secret = secretOf(id);
    const current = firstFields(secret, now);
    const next = await rotator.create(context(secret), current);
    assert.deepEqual(Object.keys(next).sort(), [...secret.fields].sort());
    const pair = pairNames(secret);
    if (pair !== undefined) assert.equal(next[pair.before], current[pair.now]);
    await rotator.stage(context(secret), next, current);
    await rotator.probe(context(secret), next, current);
    // Rolled back, the version in force is looked at by itself.
    await rotator.probe(context(secret), current, undefined);
    assert.notDeepEqual(await rotator.create(context(secret), current), next);
  });

  test(`${kind}: a truncated value, one that is in force, and one that drops the one in force are rolled back`, async () => {
    const secret = secretOf(id);
    const current = await rotator.create(context(secret), firstFields(secret, now));
    const next = await rotator.create(context(secret), current);
    const pair = pairNames(secret);
    const field = pair?.now ?? secret.fields[0] ?? "";
    const probe = (fields: Fields) => rotator.probe(context(secret), fields, current);
    const refused = async (fields: Fields) => {
      const error: unknown = await probe(fields).catch((e: unknown) => e);
      assert.ok(error instanceof ProbeError, String(error));
      for (const value of Object.values(fields)) assert.ok(value === "" || !error.message.includes(value));
    };
    await refused({ ...next, [field]: (next[field] ?? "").slice(0, 9) });
    await refused({ ...next, [field]: "" });
    if (pair === undefined) return;
    await refused({ ...next, [pair.before]: next[pair.now] ?? "" });
    await refused({ ...next, [pair.now]: current[pair.now] ?? "" });
    await refused(current);
  });

  test(`${kind}: the old value is refused once no consumer holds it, and whoever does is named`, async () => {
    const secret = secretOf(id);
    const current = firstFields(secret, now);
    const next = await rotator.create(context(secret), current);
    const last = withoutBefore(secret, next) ?? next;
    for (const { path } of secret.consumers) await write(path, last);
    await rotator.revoke(context(secret), current, next);
    await rotator.verify(context(secret), current, next);
    const [late] = secret.consumers;
    assert.ok(late);
    await write(late.path, pairNames(secret) === undefined ? current : next);
    await assert.rejects(
      rotator.verify(context(secret), current, next),
      (error) => error instanceof StillAcceptedError && error.message.endsWith(`still lies at ${late.id}`),
    );
  });
}

test("hmac: two keys with one key id are rolled back", async () => {
  const secret = secretOf("titan/hmac");
  const current = firstFields(secret, now);
  const next = await hmac.create(context(secret), current);
  await assert.rejects(
    hmac.probe(context(secret), { ...next, "key-id": current["key-id"] ?? "" }, current),
    /two keys have one key id/,
  );
});

test("jwt: a key set that lacks the key in force is rolled back: its tokens would be refused (R49)", async () => {
  for (const encoding of ["base64url", "es256"] as const) {
    const secret = secretOf("solo/secret-key", { generator: { by: "machine", bytes: 32, encoding } });
    const current = firstFields(secret, now);
    const next = await jwt.create(context(secret), current);
    await jwt.probe(context(secret), next, current);
    const alone = withoutBefore(secret, next)?.jwks ?? "";
    await assert.rejects(
      jwt.probe(context(secret), { ...next, jwks: alone }, current),
      /does not verify what the key in force signs/,
    );
    await assert.rejects(
      jwt.probe(context(secret), { ...next, jwks: current.jwks ?? "" }, current),
      /does not verify what the new key signs/,
    );
  }
});

test("jwt: who verifies by one key alone logs everybody out; who takes the key set does not (R49)", () => {
  const secret = secretOf("solo/secret-key");
  assert.deepEqual(endingSessions(secret), ["solo/api"]);
  assert.match(secret.impact ?? "", /Logs every user out/);
  const [api] = secret.consumers;
  assert.ok(api);
  const with_ = (as: Consumer["as"], role: Consumer["role"] = "reader") =>
    endingSessions({ kind: "jwt", consumers: [{ ...api, as, role }] });
  assert.deepEqual(with_({ SECRET_KEY: "key", JWKS: "jwks" }), []);
  assert.deepEqual(with_({ SECRET_KEY: "key", SECRET_KEY_PREVIOUS: "previous" }), []);
  assert.deepEqual(with_({ SECRET_KEY: "key" }, "signer"), []);
});

test("a value without an overlap has nothing to be seen; one with an overlap and no source blocks and says so", async () => {
  const { idle: _, ...rest } = secretOf("soma/auth-internal-token");
  const overlap = (seconds: number): Secret => ({ ...rest, rotate: { ...rest.rotate, overlap: seconds } });
  assert.equal((await token.idle(context(overlap(0)), {}, {})).state, "idle");
  assert.deepEqual(await token.idle(context(overlap(60)), {}, {}), {
    state: "unknown",
    why: "the catalogue names no idle source for soma/auth-internal-token: name one, or idle: none",
  });
  const secret = secretOf("soma/auth-internal-token", { idle: { source: "sessions" } });
  const found = await token.idle(context(secret), {}, {});
  assert.match(found.state === "unknown" ? found.why : "", /idle: sessions shows no use of kind token/);
});

async function write(path: string, fields: Fields): Promise<void> {
  await bench.vault.write(`kv/data/${path}`, { data: fields });
}
