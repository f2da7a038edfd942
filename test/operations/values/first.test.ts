import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import type { Step } from "../../../operations/progress.ts";
import { deliverTo, hasArrived, writeSource } from "../../../operations/values/deliver.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { type Fields, firstFields } from "../../../operations/values/shape.ts";
import { dies, startRotator, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;
let rotator: Vault;

before(async () => {
  ({ server, model, rotator } = await startRotator());
});
after(() => server?.stop());

const quiet = () => {};

async function at(
  path: string,
): Promise<{ fields: Fields; version: number; custom: Record<string, string> }> {
  const read = await server.root.read<{
    data: Fields;
    metadata: { version: number; custom_metadata: Record<string, string> | null };
  }>(`kv/data/${path}`);
  if (read === undefined) throw new Error(`nothing at ${path}`);
  return { fields: read.data, version: read.metadata.version, custom: read.metadata.custom_metadata ?? {} };
}

/** A secret of the catalogue on paths of its own, so that each test starts with none. */
function elsewhere(id: string, name: string): { model: Model; secret: Secret } {
  const secret = model.secrets.find((one) => one.id === id);
  if (secret === undefined) throw new Error(`no secret ${id}`);
  const moved: Secret = {
    ...secret,
    source: `source/${name}/hmac`,
    journal: `rotation/${name}/hmac`,
    consumers: secret.consumers.map((consumer) => ({
      ...consumer,
      path: `services/${name}/${consumer.name}/hmac`,
    })),
  };
  return { model: { ...model, secrets: [moved] }, secret: moved };
}

for (const [what, journal, wanted] of [
  ["is under way", { state: "deliver-signers" }, true],
  ["was taken back", { state: "rolled-back", to: 1 }, true],
  ["was taken back before there was a value of another maker's", { state: "rolled-back" }, false],
  ["is done", { state: "done", to: 1 }, false],
] as const) {
  test(`a database user whose first rotation ${what} is ${wanted ? "left to rotation, and nothing is delivered" : "delivered like anything else"}`, async () => {
    const { model: one, secret } = elsewhere(
      "titan/ledger-titan-brain",
      `user-${what.replaceAll(/\W+/g, "-")}`,
    );
    const writer = { vault: rotator, model: one, by: "keyplane.rotate" };
    await writeSource(writer, secret, { fields: { user: "u", password: "p".repeat(43) }, after: 0 });
    const at = new Date().toISOString();
    const begun = {
      id: "1",
      reason: "first",
      owner: "o",
      leaseUntil: at,
      attempt: 1,
      from: 0,
      startedAt: at,
    };
    await rotator.write(`kv/data/${secret.journal}`, {
      data: { ...begun, since: at, skipped: [], history: [], ...journal },
    });
    const { withUser, delivered } = await ensureFirstValues(rotator, one, quiet);
    assert.deepEqual(
      { withUser, delivered },
      wanted ? { withUser: [secret.id], delivered: [] } : { withUser: [], delivered: [secret.id] },
    );
  });
}

async function auditLength(): Promise<number> {
  return (await readFile(server.auditFile, "utf8")).length;
}

test("the rotation role's policy suffices to make and deliver every first value of the five systems", async () => {
  const result = await ensureFirstValues(rotator, model, quiet);
  assert.deepEqual(result.made, [
    "solo/encryption-key",
    "solo/minio",
    "solo/secret-key",
    "soma/auth-internal-token",
    "soma/crypto-fernet",
    "soma/redis",
    "titan/hmac",
    "titan/nats",
    "trading-bot/alert-token",
  ]);
  assert.deepEqual(result.delivered, result.made);
});

test("what only a person has stays unset and is listed; a database's password waits for its user", async () => {
  const result = await ensureFirstValues(rotator, model, quiet);
  assert.ok(result.unset.includes("titan/binance"));
  assert.ok(result.unset.includes("trading-bot/exchange"));
  assert.ok(result.withUser.includes("titan/ledger-titan-brain"));
  assert.equal(await server.root.read("kv/metadata/source/titan/binance"), undefined);
});

test("a second run makes nothing, delivers nothing and reads no value", async () => {
  await ensureFirstValues(rotator, model, quiet);
  const start = await auditLength();
  const result = await ensureFirstValues(rotator, model, quiet);
  assert.deepEqual([result.made, result.delivered], [[], []]);
  const written = (await readFile(server.auditFile, "utf8")).slice(start);
  const paths = written
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line).request.path as string]));
  assert.ok(paths.length > 50);
  assert.deepEqual(
    paths.filter((path) => !path.startsWith("kv/metadata/")),
    [],
  );
});

test("listeners hold primary, secondary and key id, the signer no secondary (R28)", async () => {
  await ensureFirstValues(rotator, model, quiet);
  const { fields: source } = await at("source/titan/hmac");
  assert.deepEqual((await at("services/titan/titan-sentinel/hmac")).fields, {
    "key-id": source["key-id"],
    primary: source.primary,
    secondary: source.primary,
  });
  assert.deepEqual((await at("services/titan/titan-brain/hmac")).fields, {
    "key-id": source["key-id"],
    primary: source.primary,
  });
});

test("an assembled value arrives assembled, and nothing beside it", async () => {
  await ensureFirstValues(rotator, model, quiet);
  const { fields: source } = await at("source/soma/redis");
  assert.deepEqual((await at("services/soma/gateway/redis")).fields, {
    url: `redis://:${source.password}@redis:6379/0`,
  });
});

test("fingerprints are the keyed hashes of each field, with version, time and writer; no value is among them", async () => {
  await ensureFirstValues(rotator, model, quiet);
  const { fields, version, custom } = await at("services/titan/titan-brain/hmac");
  const { data } = await server.root.write<{ hmac: string }>("transit/hmac/keyplane.fingerprint", {
    input: Buffer.from(fields.primary ?? "").toString("base64"),
  });
  assert.equal(custom["fingerprint-primary"], data.hmac);
  assert.equal(custom.version, String(version));
  assert.equal(custom["source-version"], "1");
  assert.equal(custom.by, "keyplane.rotate");
  assert.match(custom["written-at"] ?? "", /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(Object.keys(custom).sort(), [
    "by",
    "fingerprint-key-id",
    "fingerprint-primary",
    "shape",
    "source-version",
    "version",
    "written-at",
  ]);
  for (const value of Object.values(fields)) assert.ok(!Object.values(custom).includes(value));
});

test("killed before or after any request, the next run completes the delivery of the one value there is", async () => {
  for (const when of ["before", "after"] as const) {
    let died = true;
    for (let n = 1; died; n++) {
      const { model: one, secret } = elsewhere("titan/hmac", `killed-${when}-${n}`);
      died = await ensureFirstValues(dies(rotator, n, when), one, quiet).then(
        () => false,
        () => true,
      );
      await ensureFirstValues(rotator, one, quiet);
      const source = await at(secret.source);
      assert.equal(source.version, 1, `killed ${when} request ${n}: a second value was made`);
      assert.equal(source.custom.version, "1", `killed ${when} request ${n}: the source is not described`);
      for (const consumer of secret.consumers) {
        const { fields, custom, version } = await at(consumer.path);
        assert.equal(fields.primary, source.fields.primary, `killed ${when} request ${n}: ${consumer.id}`);
        assert.equal(custom.version, String(version), `killed ${when} request ${n}: ${consumer.id}`);
      }
      assert.ok(n < 60);
    }
  }
});

test("two runs at once make one value", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "at-once");
  const runs = await Promise.allSettled([1, 2, 3, 4].map(() => ensureFirstValues(rotator, one, quiet)));
  await ensureFirstValues(rotator, one, quiet);
  assert.ok(runs.some(({ status }) => status === "fulfilled"));
  const source = await at(secret.source);
  assert.equal(source.version, 1);
  for (const consumer of secret.consumers)
    assert.equal((await at(consumer.path)).fields.primary, source.fields.primary);
});

test("a rotation that is under way is left alone: its signer keeps the old key (R29)", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "rotating");
  await ensureFirstValues(rotator, one, quiet);
  const { fields: old } = await at(secret.source);
  const writer = { vault: rotator, model: one, by: "keyplane.rotate" };
  const fields = { primary: "f".repeat(64), secondary: old.primary ?? "", "key-id": "2026-11-22-ffffffff" };
  const source = await writeSource(writer, secret, { fields, after: 1 });
  for (const listener of secret.consumers.filter(({ role }) => role === "listener")) {
    await deliverTo(writer, secret, listener, { source, fields });
  }
  await rotator.write(`kv/data/${secret.journal}`, { data: { state: "probe" }, options: { cas: 0 } });

  const { delivered } = await ensureFirstValues(rotator, one, quiet);

  assert.deepEqual(delivered, []);
  const signer = secret.consumers.find(({ role }) => role === "signer");
  const listener = secret.consumers.find(({ role }) => role === "listener");
  assert.equal((await at(signer?.path ?? "")).fields.primary, old.primary);
  assert.deepEqual((await at(listener?.path ?? "")).fields, fields);
});

test("a path's record names the rotation that wrote what it holds, also where another one renews it (R34)", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "renewed");
  await ensureFirstValues(rotator, one, quiet);
  const [consumer] = secret.consumers;
  assert.ok(consumer !== undefined);
  const { fields: first } = await at(secret.source);
  const writer = { vault: rotator, model: one, by: "keyplane.rotate" };
  const recorded = async (rotation: string, fields: Record<string, string>, source: number) => {
    await deliverTo(writer, secret, consumer, { source, fields, rotation });
    return (await hasArrived(writer, secret, consumer, { source })).rotation;
  };
  const next = { ...first, primary: "e".repeat(64) };
  assert.equal(await recorded("one", first, 2), "none");
  assert.equal(await recorded("two", next, 3), "two");
  assert.equal(await recorded("three", next, 4), "two");
});

test("a consumer that the catalogue adds gets the value there is", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "added");
  const [first, ...others] = secret.consumers;
  assert.ok(first !== undefined);
  await ensureFirstValues(rotator, { ...one, secrets: [{ ...secret, consumers: others }] }, quiet);
  await ensureFirstValues(rotator, one, quiet);
  assert.equal((await at(first.path)).fields.primary, (await at(secret.source)).fields.primary);
  assert.equal((await at(secret.source)).version, 1);
});

test("a consumer that is to read another field gets it, of the same value", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "more-fields");
  await ensureFirstValues(rotator, one, quiet);
  const consumers = secret.consumers.map((consumer) => ({
    ...consumer,
    as: { A: "primary", B: "secondary" },
  }));
  const { delivered } = await ensureFirstValues(
    rotator,
    { ...one, secrets: [{ ...secret, consumers }] },
    quiet,
  );
  assert.deepEqual(delivered, ["titan/hmac"]);
  const { primary, secondary } = (await at(secret.source)).fields;
  for (const { path } of consumers) assert.deepEqual((await at(path)).fields, { primary, secondary });
});

test("a consumer's path that someone else wrote gets its value again", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "overwritten");
  await ensureFirstValues(rotator, one, quiet);
  const path = secret.consumers[0]?.path ?? "";
  await server.root.write(`kv/data/${path}`, { data: { primary: "other" } });
  await ensureFirstValues(rotator, one, quiet);
  assert.equal((await at(path)).fields.primary, (await at(secret.source)).fields.primary);
});

test("a source that someone deleted is not replaced, since data may need the old value", async () => {
  const { model: one, secret } = elsewhere("solo/encryption-key", "deleted");
  await ensureFirstValues(rotator, one, quiet);
  await server.root.delete(`kv/data/${secret.source}`);
  const steps: Step[] = [];
  const result = await ensureFirstValues(rotator, one, (step) => void steps.push(step));
  assert.deepEqual([result.made, result.delivered], [[], []]);
  assert.deepEqual(steps, [
    {
      subject: "solo/encryption-key",
      state: "failed",
      text: "its latest version was deleted: undelete it, or give it a value with `keyplane set solo/encryption-key`",
    },
  ]);
});

test("a retired secret gets nothing", async () => {
  const { model: one, secret } = elsewhere("titan/hmac", "retired");
  const retired = { since: "2026-01-01", reason: "replaced", delete: false };
  const result = await ensureFirstValues(rotator, { ...one, secrets: [{ ...secret, retired }] }, quiet);
  assert.deepEqual(result, { made: [], delivered: [], unset: [], withUser: [] });
  assert.equal(await server.root.read(`kv/metadata/${secret.source}`), undefined);
});

test("every machine-made first value of the catalogue has all its fields", () => {
  for (const secret of model.secrets.filter(
    ({ generator, databaseUser }) => generator.by === "machine" && !databaseUser,
  )) {
    assert.deepEqual(
      Object.keys(firstFields(secret, new Date())).sort(),
      secret.fields.toSorted(),
      secret.id,
    );
  }
});
