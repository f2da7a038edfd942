import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type RequestOptions, type Vault, VaultError, type VaultResponse } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { renderPolicy } from "../../../model/policies.ts";
import { ValueError } from "../../../operations/values/check.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { ConflictError } from "../../../operations/values/kv.ts";
import { planSet, secretNamed, setValue, UnknownNameError } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { dies, startRotator, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;
let rotator: Vault;

before(async () => {
  ({ server, model, rotator } = await startRotator());
});
after(() => server?.stop());

const quiet = () => {};
const value = () => randomBytes(24).toString("base64url");

function elsewhere(id: string, name: string): Secret {
  const secret = secretNamed(model, id);
  return {
    ...secret,
    source: `source/${name}/it`,
    journal: `rotation/${name}/it`,
    consumers: secret.consumers.map((consumer) => ({
      ...consumer,
      path: `services/${name}/${consumer.name}/it`,
    })),
  };
}

async function at(path: string): Promise<{ fields: Fields; version: number; by: string | undefined }> {
  const read = await server.root.read<{
    data: Fields;
    metadata: { version: number; custom_metadata: Record<string, string> | null };
  }>(`kv/data/${path}`);
  if (read === undefined) throw new Error(`nothing at ${path}`);
  return { fields: read.data, version: read.metadata.version, by: read.metadata.custom_metadata?.by };
}

const writer = (vault = rotator) => ({ vault, model, by: "userpass-ada" });

test("writes the source, then each consumer's own path, in the name of who set it", async () => {
  const secret = elsewhere("titan/binance", "set-first");
  const given = { key: value(), secret: value() };
  const result = await setValue(writer(), secret, given, quiet);
  assert.deepEqual([result.version, result.unchanged], [1, false]);
  assert.deepEqual(result.delivered, ["titan/titan-ai-quant", "titan/titan-execution-rs"]);
  for (const path of [secret.source, ...secret.consumers.map((consumer) => consumer.path)]) {
    assert.deepEqual(await at(path), { fields: given, version: 1, by: "userpass-ada" });
  }
});

test("the same values again make no version", async () => {
  const secret = elsewhere("titan/binance", "set-again");
  const given = { key: value(), secret: value() };
  await setValue(writer(), secret, given, quiet);
  const result = await setValue(writer(), secret, given, quiet);
  assert.deepEqual([result.version, result.unchanged, result.delivered], [1, true, []]);
});

test("one field keeps the others", async () => {
  const secret = elsewhere("titan/binance", "set-one");
  const given = { key: value(), secret: value() };
  await setValue(writer(), secret, given, quiet);
  const key = value();
  await setValue(writer(), secret, { key }, quiet);
  assert.deepEqual(await at(secret.source), { fields: { ...given, key }, version: 2, by: "userpass-ada" });
});

test("one field of a secret that was never set is refused, and nothing is written", async () => {
  const secret = elsewhere("titan/binance", "set-half");
  await assert.rejects(setValue(writer(), secret, { key: value() }, quiet), (error) => {
    assert.ok(error instanceof ValueError);
    return /titan\/binance was never set: give key, secret together/.test(error.message);
  });
  assert.equal(await server.root.read(`kv/metadata/${secret.source}`), undefined);
});

test("a field that the secret does not have is refused", async () => {
  await assert.rejects(
    setValue(writer(), elsewhere("titan/binance", "set-unknown"), { token: value() }, quiet),
    /takes the field\(s\) key, secret/,
  );
});

test("an HMAC key that is set by hand keeps the one before for listeners (R28)", async () => {
  const secret = elsewhere("titan/hmac", "set-hmac");
  const [old, next] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
  await setValue(writer(), secret, { primary: old }, quiet);
  const result = await setValue(writer(), secret, { primary: next }, quiet);
  const listener = await at("services/set-hmac/titan-sentinel/it");
  assert.equal(listener.fields.primary, next);
  assert.equal(listener.fields.secondary, old);
  assert.deepEqual(Object.keys((await at("services/set-hmac/titan-brain/it")).fields), ["key-id", "primary"]);
  assert.equal(result.delivered.at(-1), "titan/titan-brain");
});

test("a weak value is refused before anything is written", async () => {
  const secret = elsewhere("titan/gemini", "set-weak");
  await assert.rejects(setValue(writer(), secret, { key: "hunter2" }, quiet), ValueError);
  assert.equal(await server.root.read(`kv/metadata/${secret.source}`), undefined);
});

const recIo = (name: string) => elsewhere("rec-io/trading-rec_trading_user", name);
/** Nobody chose it by our rules: the next rotation replaces it. */
const present = { user: "rec_trading_user", password: "trading" };

test("the present password of a database user that was there before is taken, however weak, and then no other (R32)", async () => {
  const secret = recIo("set-present");
  const result = await setValue(writer(), secret, present, quiet);
  assert.deepEqual([result.version, result.delivered.length], [1, secret.consumers.length]);
  assert.deepEqual((await at(secret.source)).fields, present);
  await assert.rejects(setValue(writer(), secret, { ...present, password: value() }, quiet), {
    name: "ValueError",
    message: /has a password already: it changes in the database too, by `keyplane rotate /,
  });
  assert.equal((await setValue(writer(), secret, present, quiet)).unchanged, true);
});

for (const [what, given, message] of [
  [
    "another login than the declared one",
    { user: "postgres", password: value() },
    /^rec-io\/trading-rec_trading_user, field user: must be the login that the catalogue declares, rec_trading_user$/,
  ],
  ["no login", { password: value() }, /was never set: give user, password together/],
  ["an empty password", { ...present, password: "" }, /field password: is empty$/],
  [
    "a control character",
    { ...present, password: "trading\n" },
    /field password: holds a control character$/,
  ],
] as const)
  test(`a database user that was there before is not taken with ${what}`, async () => {
    const secret = recIo("set-wrong-user");
    await assert.rejects(setValue(writer(), secret, given, quiet), { name: "ValueError", message });
    assert.equal(await server.root.read(`kv/metadata/${secret.source}`), undefined);
  });

test("killed at any request, a present password is given again and complete, in one version", async () => {
  let isWhole = false;
  for (let request = 1; !isWhole; request++) {
    const secret = recIo(`set-killed-${request}`);
    isWhole = await setValue(writer(dies(rotator, request, "after")), secret, present, quiet).then(
      () => true,
      () => false,
    );
    await setValue(writer(), secret, present, quiet);
    assert.deepEqual(await at(secret.source), { fields: present, version: 1, by: "userpass-ada" });
    for (const { path } of secret.consumers) {
      assert.deepEqual((await at(path)).fields, { password: present.password });
    }
  }
});

test("a retired secret is not set", () => {
  const retired = { since: "2026-01-01", reason: "replaced by NATS", delete: false };
  assert.throws(
    () => planSet({ ...secretNamed(model, "titan/hmac"), retired }),
    /is retired: replaced by NATS/,
  );
});

test("the plan lists the source, then listeners, then the signer (R29)", () => {
  assert.deepEqual(planSet(secretNamed(model, "titan/hmac")).paths, [
    "source/titan/hmac",
    "services/titan/titan-execution-rs/hmac",
    "services/titan/titan-sentinel/hmac",
    "services/titan/titan-brain/hmac",
  ]);
});

test("the plan says what setting it does to people (R49)", () => {
  assert.match(planSet(secretNamed(model, "solo/secret-key")).impact ?? "", /log/i);
});

test("an unknown name is refused with what was probably meant", () => {
  assert.throws(
    () => secretNamed(model, "hmac"),
    (error) => error instanceof UnknownNameError && /did you mean titan\/hmac\?/.test(error.message),
  );
});

test("killed before or after any request, the same command again completes it with one version", async () => {
  const [old, given] = [
    { key: value(), secret: value() },
    { key: value(), secret: value() },
  ];
  for (const when of ["before", "after"] as const) {
    let died = true;
    for (let n = 1; died; n++) {
      const secret = elsewhere("titan/binance", `set-killed-${when}-${n}`);
      await setValue(writer(), secret, old, quiet);
      died = await setValue(writer(dies(rotator, n, when)), secret, given, quiet).then(
        () => false,
        () => true,
      );
      await setValue(writer(), secret, given, quiet);
      for (const path of [secret.source, ...secret.consumers.map((consumer) => consumer.path)]) {
        assert.deepEqual((await at(path)).fields, given, `killed ${when} request ${n}: ${path}`);
      }
      assert.equal(
        (await at(secret.source)).version,
        2,
        `killed ${when} request ${n}: more than one version`,
      );
      assert.ok(n < 40);
    }
  }
});

test("of two people who set it at once, one is told to run it again, and the other's value stays", async () => {
  const secret = elsewhere("titan/gemini", "set-race");
  const [slow, fast] = [{ key: value() }, { key: value() }];
  const overtaken = rotator.with(rotator.token);
  overtaken.request = async <T>(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<VaultResponse<T>> => {
    if (method === "POST" && path === `kv/data/${secret.source}`)
      await setValue(writer(), secret, fast, quiet);
    return rotator.request<T>(method, path, options);
  };
  await assert.rejects(setValue(writer(overtaken), secret, slow, quiet), (error) => {
    assert.ok(error instanceof ConflictError);
    return /run the same command again/.test(error.message);
  });
  assert.deepEqual((await at(secret.source)).fields, fast);
});

test("what is being rotated is not set at the same time", async () => {
  const secret = elsewhere("titan/gemini", "set-rotating");
  await setValue(writer(), secret, { key: value() }, quiet);
  await rotator.write(`kv/data/${secret.journal}`, { data: { state: "probe" }, options: { cas: 0 } });
  await assert.rejects(
    setValue(writer(), secret, { key: value() }, quiet),
    /rotation of titan\/gemini is under way/,
  );
  await rotator.write(`kv/data/${secret.journal}`, { data: { state: "done" }, options: { cas: 1 } });
  assert.equal((await setValue(writer(), secret, { key: value() }, quiet)).version, 2);
});

test("an interruption stops between two consumers, and the same command again completes it", async () => {
  const secret = elsewhere("titan/binance", "set-interrupted");
  const given = { key: value(), secret: value() };
  const controller = new AbortController();
  const report = ({ subject }: { subject: string }) => {
    if (subject === secret.id) controller.abort(new DOMException("stop", "AbortError"));
  };
  await assert.rejects(setValue(writer(), secret, given, report, controller.signal), /stop/);
  assert.equal((await at(secret.source)).version, 1);
  assert.equal((await setValue(writer(), secret, given, quiet)).delivered.length, 2);
});

/** Someone of titan's operators, who "sets values without seeing them". */
async function operator(): Promise<Vault> {
  const policy = model.policies.find(({ name }) => name === "keyplane.group.titan-operators");
  assert.ok(policy !== undefined);
  await server.root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
  const { auth } = await server.root.write("auth/token/create", { policies: [policy.name] });
  return server.root.with(auth?.client_token);
}

test("an operator sets a value without seeing the one before; the rotation role delivers it", async () => {
  const secret = secretNamed(model, "titan/bybit");
  await setValue(writer(), secret, { key: value(), secret: value() }, quiet);
  const given = { key: value(), secret: value() };
  const result = await setValue(writer(await operator()), secret, given, quiet);
  assert.deepEqual([result.version, result.delivered], [2, []]);
  assert.deepEqual(result.pending, ["titan/titan-ai-quant", "titan/titan-execution-rs"]);
  const only: Model = { ...model, secrets: [secret] };
  assert.deepEqual((await ensureFirstValues(rotator, only, quiet)).delivered, ["titan/bybit"]);
  assert.deepEqual((await at("services/titan/titan-ai-quant/bybit")).fields, given);
});

test("an operator gives all fields: none can be kept unseen", async () => {
  const set = setValue(
    writer(await operator()),
    secretNamed(model, "titan/binance"),
    { key: value() },
    quiet,
  );
  await assert.rejects(set, /give key, secret together/);
});

test("an operator does not set an HMAC key, whose next version holds the one before", async () => {
  const primary = randomBytes(32).toString("hex");
  const set = setValue(writer(await operator()), secretNamed(model, "titan/hmac"), { primary }, quiet);
  await assert.rejects(set, /let it be rotated/);
});

test("an operator of one system does not set another's (R7)", async () => {
  const set = setValue(writer(await operator()), secretNamed(model, "soma/openai"), { key: value() }, quiet);
  await assert.rejects(set, (error) => error instanceof VaultError && error.status === 403);
});
