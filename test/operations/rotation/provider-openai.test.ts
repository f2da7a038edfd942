import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Model } from "../../../model/model.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { OpenAiServer } from "./openai-server.ts";
import { catalogueModel, contextOf, type TestContext } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

interface World extends AsyncDisposable {
  server: OpenAiServer;
  context: TestContext;
}

async function world(): Promise<World> {
  const server = await OpenAiServer.start();
  const target = {
    name: "openai",
    adapter: "openai" as const,
    api: true,
    address: server.address,
    credential: "titan/gemini",
    rate: { requests: 1000, per: 1 },
  };
  const sources = { "titan/gemini": { key: server.admin } };
  const context = contextOf(model, "solo/openai", { change: { provider: target }, sources });
  return { server, context, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const person = { type: "user", user: { id: "user_ben" } } as const;

test("solo's OpenAI key of a person is followed by one of a service account, and refused afterwards (R20)", async () => {
  await using w = await world();
  w.server.issue(person, "somebody else's");
  w.server.issue(person, "the frontend's");
  const current: Fields = { key: w.server.issue(person, "solo").value };
  const next = await provider.create(w.context, current);
  assert.deepEqual(
    [next["replaces-id"], [...w.server.accounts.values()]],
    ["key_3", ["keyplane/acme/local/solo/openai/0b4ea4b4-6a4f-4e2b-8a35-1c2d3e4f5a6b"]],
  );
  await provider.stage(w.context, next, current);
  await provider.probe(w.context, next, current);
  assert.equal((await provider.idle(w.context, current, next)).state, "idle");
  await provider.revoke(w.context, current, next);
  await provider.verify(w.context, current, next);
  assert.deepEqual(
    w.server.keys.map(({ id }) => id),
    ["key_1", "key_2", next["issued-id"]],
  );
});

test("the next key belongs to the service account of the one before, which stays", async () => {
  await using w = await world();
  const first: Fields = { key: w.server.issue(person, "solo").value };
  const second = await provider.create(w.context, first);
  await provider.revoke(w.context, first, second);
  const later = { ...w.context, rotation: "the-second-rotation" };
  const third = await provider.create(later, second);
  await provider.probe(later, third, second);
  await provider.revoke(later, second, third);
  assert.equal(w.server.accounts.size, 1);
  assert.deepEqual(
    w.server.keys.map(({ id, name }) => [id, name]),
    [[third["issued-id"], "keyplane/acme/local/solo/openai/the-second-rotation"]],
  );
});

test("rolled back, the service account that was made for the new key goes with it", async () => {
  await using w = await world();
  const current: Fields = { key: w.server.issue(person, "solo").value };
  const next = await provider.create(w.context, current);
  await provider.revoke(w.context, next, current);
  await provider.verify(w.context, next, current);
  assert.deepEqual([w.server.keys.length, w.server.accounts.size], [1, 0]);
});

test("rolling back that stops between the account and its key leaves neither behind when it is gone on with", async () => {
  for (const stops of ["DELETE service_accounts/ID", "DELETE api_keys/ID"]) {
    await using w = await world();
    const current: Fields = { key: w.server.issue(person, "solo").value };
    const next = await provider.create(w.context, current);
    w.server.fault = (name) => (name === stops ? "lost" : undefined);
    await assert.rejects(provider.revoke(w.context, next, current), TargetUnavailableError);
    w.server.fault = () => undefined;
    await provider.revoke(w.context, next, current);
    assert.deepEqual([w.server.keys.length, w.server.accounts.size], [1, 0], stops);
  }
});

test("a key whose answer was lost is found by its service account's name and deleted", async () => {
  await using w = await world();
  const current: Fields = { key: w.server.issue(person, "solo").value };
  w.server.fault = (name) => (name === "POST proj_solo/service_accounts" ? "lost" : undefined);
  await assert.rejects(provider.create(w.context, current), TargetUnavailableError);
  w.server.fault = () => undefined;
  assert.equal(w.server.keys.length, 2);
  const next = await provider.create(w.context, current);
  assert.deepEqual(
    [w.server.keys.map(({ id }) => id), w.server.accounts.size],
    [["key_1", next["issued-id"]], 1],
  );
});

test("the old key is in use while OpenAI's last use of it is younger than OpenAI may take to tell", async () => {
  await using w = await world();
  const current: Fields = { key: w.server.issue(person, "solo").value };
  const next = await provider.create(w.context, current);
  const [old] = w.server.keys;
  assert.ok(old !== undefined);
  old.last_used_at = Math.floor(Date.now() / 1000) - 60;
  assert.equal((await provider.idle(w.context, current, next)).state, "in use");
  old.last_used_at -= 3600;
  assert.equal((await provider.idle(w.context, current, next)).state, "idle");
});

test("an address that is no project's is refused before anything is asked", async () => {
  await using w = await world();
  const { provider: target } = w.context.secret;
  assert.ok(target !== undefined);
  const secret = { ...w.context.secret, provider: { ...target, address: new URL(w.server.address).origin } };
  await assert.rejects(provider.create({ ...w.context, secret }, { key: "sk-proj-none" }), {
    name: "ProviderError",
    message: "OpenAI's address must be a project's: …/v1/organization/projects/<id>",
  });
  assert.deepEqual(w.server.served, []);
});
