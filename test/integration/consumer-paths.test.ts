import assert from "node:assert/strict";
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
