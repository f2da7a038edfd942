import assert from "node:assert/strict";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { after, before, test } from "node:test";
import type { Vault } from "../../clients/vault.ts";
import type { Consumer, Secret } from "../../model/model.ts";
import { startStack, type TestStack } from "./stack.ts";
import { asService, type Running } from "./support/credentials.ts";

type Fields = Record<string, string>;

let stack: TestStack;
let running: Running;
let secret: Secret;
let rotator: Vault;
/** Each consumer with a token of its own. */
const consumers: { consumer: Consumer; vault: Vault }[] = [];

before(async () => {
  stack = await startStack();
  ({ running } = stack);
  const found = running.model.secrets.find(({ id }) => id === "titan/hmac");
  assert.ok(found);
  secret = found;
  rotator = (await stack.as("rotate")).vault;
  for (const consumer of secret.consumers) {
    consumers.push({ consumer, vault: await asService(running, consumer.id) });
  }
});
after(() => stack?.[Symbol.asyncDispose]());

test("one rotation by hand: listeners first, the signer last, and no message is refused at any step (R27–R30)", async () => {
  const listeners = consumers.filter(({ consumer }) => consumer.role === "listener");
  const signers = consumers.filter(({ consumer }) => consumer.role === "signer");
  assert.deepEqual(listeners.map(({ consumer }) => consumer.id).sort(), [
    "titan/titan-execution-rs",
    "titan/titan-sentinel",
  ]);
  assert.deepEqual(
    signers.map(({ consumer }) => consumer.id),
    ["titan/titan-brain"],
  );

  // Before: everybody has the first key.
  const { fields: old, version } = await read(rotator, secret.source);
  assert.equal(version, 1);
  await everyMessageIsAccepted(old["key-id"]);

  // Generate: the new version is at the source, and nobody has it yet.
  const fresh: Fields = {
    primary: randomBytes(32).toString("hex"),
    secondary: old.primary ?? "",
    "key-id": "v2-by-hand",
  };
  assert.equal(await write(secret.source, fresh, 1), 2);
  await journal("generated", 0);
  await everyMessageIsAccepted(old["key-id"]);

  // Deliver to the listeners, one after another: they accept both keys while the signer still has the old one.
  for (const { consumer } of listeners) {
    await write(consumer.path, pick(fresh, consumer), 1);
    await everyMessageIsAccepted(old["key-id"]);
  }
  for (const listener of listeners) {
    assert.deepEqual((await read(listener.vault, listener.consumer.path)).fields, fresh);
  }
  for (const { consumer, vault } of signers) {
    const { fields, version } = await read(vault, consumer.path);
    assert.deepEqual([fields.primary, fields["key-id"], version], [old.primary, old["key-id"], 1]);
  }
  await journal("listeners", 1);

  // `up` in the middle leaves the rotation to whoever runs it.
  assert.equal((await stack.up()).changed, 0);
  for (const { consumer, vault } of signers) {
    assert.equal((await read(vault, consumer.path)).version, 1, consumer.id);
  }

  // Deliver to the signer: it signs with the new key, which every listener has already.
  for (const { consumer } of signers) await write(consumer.path, pick(fresh, consumer), 1);
  await everyMessageIsAccepted("v2-by-hand");
  await journal("signers", 2);

  // After the overlap the old key is dropped: at the source, then at the listeners.
  const alone = { ...fresh, secondary: fresh.primary ?? "" };
  await write(secret.source, alone, 2);
  for (const { consumer } of listeners) await write(consumer.path, pick(alone, consumer), 2);
  await journal("done", 3);
  await everyMessageIsAccepted("v2-by-hand");
  for (const { consumer, vault } of listeners) {
    const { fields } = await read(vault, consumer.path);
    assert.equal(accepts(fields, sign({ primary: old.primary ?? "" })), false, consumer.id);
  }
});

test("each consumer reads its own path and neither the source, the journal nor another consumer's path (R7)", async () => {
  for (const { consumer, vault } of consumers) {
    assert.equal((await vault.request("GET", data(consumer.path))).lease_id, "");
    const foreign = [
      secret.source,
      secret.journal,
      ...secret.consumers.flatMap(({ id, path }) => (id === consumer.id ? [] : [path])),
    ];
    for (const path of foreign) {
      await assert.rejects(vault.request("GET", data(path)), { status: 403 }, `${consumer.id} at ${path}`);
    }
    await assert.rejects(vault.write(data(consumer.path), { data: { primary: "planted" } }), { status: 403 });
  }
});

test("a version that another runner wrote meanwhile is not overwritten: check-and-set", async () => {
  const { version } = await read(rotator, secret.source);
  await assert.rejects(write(secret.source, { primary: "late" }, version - 1), { status: 400 });
  assert.equal((await read(rotator, secret.source)).version, version);
});

async function everyMessageIsAccepted(keyId: string | undefined): Promise<void> {
  for (const signer of consumers.filter(({ consumer }) => consumer.role === "signer")) {
    const { fields: signing } = await read(signer.vault, signer.consumer.path);
    assert.equal(signing["key-id"], keyId);
    const signature = sign({ primary: signing.primary ?? "" });
    for (const listener of consumers.filter(({ consumer }) => consumer.role === "listener")) {
      const { fields } = await read(listener.vault, listener.consumer.path);
      assert.ok(
        accepts(fields, signature),
        `${listener.consumer.id} accepts what ${signer.consumer.id} signed`,
      );
    }
  }
}

const message = "buy 1 BTC";

function sign({ primary }: { primary: string }): Buffer {
  return createHmac("sha256", Buffer.from(primary, "hex")).update(message).digest();
}

function accepts(fields: Fields, signature: Buffer): boolean {
  return [fields.primary, fields.secondary].some(
    (key) => key !== undefined && timingSafeEqual(sign({ primary: key }), signature),
  );
}

/** What a consumer's path holds: the fields that its variables name. */
function pick(fields: Fields, consumer: Consumer): Fields {
  return Object.fromEntries(Object.values(consumer.as).map((field) => [field, fields[field] ?? ""]));
}

function data(path: string): string {
  return `${running.model.vault.mounts.kv}/data/${path}`;
}

async function read(vault: Vault, path: string): Promise<{ fields: Fields; version: number }> {
  const found = await vault.read<{ data: Fields; metadata: { version: number } }>(data(path));
  assert.ok(found, `${path} holds a version`);
  return { fields: found.data, version: found.metadata.version };
}

async function write(path: string, fields: Fields, after: number): Promise<number> {
  const body = { data: fields, options: { cas: after } };
  return (await rotator.write<{ version: number }>(data(path), body)).data.version;
}

async function journal(state: string, after: number): Promise<void> {
  await write(secret.journal, { state }, after);
}
