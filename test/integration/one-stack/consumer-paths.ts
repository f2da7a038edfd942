import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Consumer, Secret } from "../../../model/model.ts";
import type { TestStack } from "../stack.ts";
import { asService, type Running } from "../support/credentials.ts";
import { oneStack } from "./stack.ts";

type Fields = Record<string, string>;

let stack: TestStack;
let running: Running;
let secret: Secret;
let rotator: Vault;
/** Each consumer with a token of its own. */
const consumers: { consumer: Consumer; vault: Vault }[] = [];

before(async () => {
  stack = await oneStack();
  ({ running } = stack);
  const found = running.model.secrets.find(({ id }) => id === "titan/hmac");
  assert.ok(found);
  secret = found;
  rotator = (await stack.as("rotate")).vault;
  for (const consumer of secret.consumers) {
    consumers.push({ consumer, vault: await asService(running, consumer.id) });
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

test("an HMAC key changes by hand: while both listeners' paths hold the new one, the signer's still holds the old (R28, R29)", async () => {
  const inRole = (role: Consumer["role"]) => consumers.filter(({ consumer }) => consumer.role === role);
  const [listeners, signers] = [inRole("listener"), inRole("signer")];
  assert.deepEqual(
    [listeners, signers].map((some) => some.map(({ consumer }) => consumer.id)),
    [["titan/titan-execution-rs", "titan/titan-sentinel"], ["titan/titan-brain"]],
  );
  /** What they themselves read, each at its own path. */
  const held = (some: typeof consumers) =>
    Promise.all(some.map(async ({ consumer, vault }) => (await read(vault, consumer.path)).fields));
  const { fields: old, version } = await read(rotator, secret.source);
  const { primary = "", "key-id": keyId = "" } = old;
  const next = { primary: randomBytes(32).toString("hex"), secondary: primary, "key-id": `${keyId}-next` };
  const signsOld = [{ primary, "key-id": keyId }];
  const signsNext = [{ primary: next.primary, "key-id": next["key-id"] }];
  assert.deepEqual([await held(listeners), await held(signers)], [[old, old], signsOld]);

  await write(secret.source, next, version);
  for (const { consumer } of listeners) await deliver(consumer, next);
  assert.deepEqual([await held(listeners), await held(signers)], [[next, next], signsOld]);

  for (const { consumer } of signers) await deliver(consumer, next);
  assert.deepEqual([await held(listeners), await held(signers)], [[next, next], signsNext]);
});

/** Brings a consumer the fields that it takes, after the version that is at its path. */
async function deliver({ path, as }: Consumer, next: Fields): Promise<void> {
  const { version } = await read(rotator, path);
  const taken = Object.fromEntries(Object.entries(next).filter(([name]) => Object.values(as).includes(name)));
  assert.equal(await write(path, taken, version), version + 1);
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
