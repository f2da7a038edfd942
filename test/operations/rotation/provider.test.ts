import assert from "node:assert/strict";
import { before, test } from "node:test";
import { loadCatalogueFrom } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Model } from "../../../model/model.ts";
import {
  ProbeError,
  StillAcceptedError,
  TargetUnavailableError,
} from "../../../operations/rotation/rotator.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { until } from "../../integration/services/until.ts";
import { realFiles } from "../../model/real.ts";
import { ProviderServer } from "./provider-server.ts";
import { once, rate, refusal, scopes, world } from "./provider-world.ts";
import { catalogueModel, contextOf } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

test("trading-bot's exchange key is made anew, tried, and the old one is refused afterwards (R15)", async () => {
  await using w = await world(model);
  const { server, context, current } = w;
  const next = await provider.create(context, current);
  assert.deepEqual(Object.keys(next).toSorted(), ["issued-by", "issued-id", "key", "replaces-id", "secret"]);
  await provider.stage(context, next, current);
  await provider.probe(context, next, current);
  assert.equal(server.live().length, 2);
  assert.deepEqual(server.live()[1]?.scopes, scopes);
  await provider.revoke(context, current, next);
  await provider.verify(context, current, next);
  assert.deepEqual(
    server.live().map(({ id }) => id),
    [next["issued-id"]],
  );
});

test("the key's label names the organization, the environment, the secret and the rotation, and no value", async () => {
  await using w = await world(model);
  await provider.create(w.context, w.current);
  assert.equal(
    w.server.live()[1]?.label,
    "keyplane/acme/local/trading-bot/exchange/0b4ea4b4-6a4f-4e2b-8a35-1c2d3e4f5a6b",
  );
});

test("a key whose answer was lost is found by its label and revoked before another one is made", async () => {
  await using w = await world(model);
  w.server.fault = once("POST /v1/keys", { kind: "lost" });
  assert.ok((await refusal(provider.create(w.context, w.current))) instanceof TargetUnavailableError);
  assert.equal(w.server.live().length, 2);
  const next = await provider.create(w.context, w.current);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
  assert.equal(w.server.keys.length, 3);
});

test("what an earlier run of the same rotation made is revoked also where nobody can tell that it was not used", async () => {
  await using w = await world(model, { tellsUse: false });
  w.server.fault = once("POST /v1/keys", { kind: "lost" });
  await assert.rejects(provider.create(w.context, w.current), TargetUnavailableError);
  const next = await provider.create(w.context, w.current);
  assert.deepEqual(await provider.idle(w.context, w.current, next), {
    state: "unknown",
    why: "exchange does not say when a key was last used",
  });
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
});

test("with two live keys, one that an earlier rotation left behind goes, never the one in force", async () => {
  await using w = await world(model);
  const left = w.server.issue(scopes, "keyplane/acme/local/trading-bot/exchange/an-earlier-rotation");
  const next = await provider.create(w.context, w.current);
  assert.equal(left.isLive, false);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
});

test("with two live keys, one that an earlier rotation left behind stays while somebody uses it", async () => {
  await using w = await world(model);
  const left = w.server.issue(scopes, "keyplane/acme/local/trading-bot/exchange/an-earlier-rotation");
  left.lastUsed = w.server.now();
  const error = await refusal(provider.create(w.context, w.current));
  assert.equal(error.name, "QuotaError");
  assert.ok(error.message.includes(`there is ${left.id}: revoke the one that nobody uses`));
  assert.deepEqual([w.server.keys.length, w.server.live().length], [2, 2]);
});

test("with two live keys, one that somebody made by hand is never revoked", async () => {
  await using w = await world(model);
  const foreign = w.server.issue(scopes, "the test system's");
  assert.equal((await refusal(provider.create(w.context, w.current))).name, "QuotaError");
  assert.equal(foreign.isLive, true);
});

test("a request to make a key that was served late leaves nothing behind once the next state has begun", async () => {
  await using w = await world(model, { quota: 3 });
  w.server.fault = once("POST /v1/keys", { kind: "late", milliseconds: 2000 });
  const stopped = new AbortController();
  const first = provider.create({ ...w.context, signal: stopped.signal }, w.current);
  setTimeout(() => stopped.abort(), 100);
  await assert.rejects(first, { name: "AbortError" });
  const next = await provider.create(w.context, w.current);
  assert.equal(w.server.live().length, 2);
  await until(() => w.server.live().length === 3);
  await provider.stage(w.context, next, w.current);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
});

test("a key that was made and never written down is revoked when the rotation is rolled back", async () => {
  await using w = await world(model);
  await provider.create(w.context, w.current);
  await provider.discard?.({
    ...w.context,
    ...{
      vault: contextOf(model, "trading-bot/exchange", { sources: { "trading-bot/exchange": w.current } })
        .vault,
    },
  });
  assert.deepEqual(
    w.server.live().map(({ values }) => values),
    [w.current],
  );
});

for (const [what, change, expected] of [
  ["may do less", { scopes: ["keys"] }, /the new key may not: trade$/],
  ["may do more", { scopes: ["keys", "trade", "withdraw"] }, /may do more than the one before: withdraw$/],
  ["is refused", { isLive: false }, /the new key is refused by exchange$/],
] as const)
  test(`a new key that ${what} fails its probe`, async () => {
    await using w = await world(model);
    const next = await provider.create(w.context, w.current);
    Object.assign(w.server.keys[1] ?? {}, change);
    const error = await refusal(provider.probe(w.context, next, w.current));
    assert.ok(error instanceof ProbeError);
    assert.match(error.message, expected);
  });

test("a truncated new key fails its probe", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  const truncated = { ...next, secret: next.secret?.slice(0, -1) ?? "" };
  await assert.rejects(provider.probe(w.context, truncated, w.current), ProbeError);
});

test("the old key is in use, by whom its provider names, until it was left alone for the observation window", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  const [old] = w.server.keys;
  assert.ok(old !== undefined);
  const window = model.rotation.watch * 1000;
  old.lastUsed = new Date(w.server.now().getTime() - window / 2);
  old.usedBy = "bot-7";
  const during = await provider.idle(w.context, w.current, next);
  assert.deepEqual([during.state, during.state === "in use" && during.by], ["in use", ["bot-7"]]);
  old.lastUsed = new Date(w.server.now().getTime() - window - 1000);
  assert.equal((await provider.idle(w.context, w.current, next)).state, "idle");
  old.lastUsed = undefined;
  assert.deepEqual(await provider.idle(w.context, w.current, next), {
    state: "idle",
    evidence: "the provider has never seen the old key used",
  });
});

test("asking whether the old key is idle does not use it", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  await provider.probe(w.context, next, w.current);
  const [old] = w.server.keys;
  assert.ok(old !== undefined);
  const before = new Date(0);
  old.lastUsed = before;
  await provider.probe(w.context, next, w.current);
  await provider.idle(w.context, w.current, next);
  assert.equal(old.lastUsed, before);
});

for (const minutes of [-5, 5])
  test(`a provider's clock that is ${minutes} min off changes nothing about what is idle`, async () => {
    await using w = await world(model, { clock: minutes * 60_000 });
    const next = await provider.create(w.context, w.current);
    const [old] = w.server.keys;
    assert.ok(old !== undefined);
    const window = model.rotation.watch * 1000;
    old.lastUsed = w.server.now();
    assert.equal((await provider.idle(w.context, w.current, next)).state, "in use");
    old.lastUsed = new Date(w.server.now().getTime() - window - 1000);
    assert.equal((await provider.idle(w.context, w.current, next)).state, "idle");
  });

test("which of two keys the provider lets in is told before one is revoked", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  Object.assign(w.server.keys[1] ?? {}, { isLive: false });
  const letIn = [w.current, next].map((version) => provider.accepts?.(w.context, version));
  assert.deepEqual(await Promise.all(letIn), [true, false]);
});

test("revoking twice, or after its answer was lost, ends with the same keys", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  w.server.fault = once("DELETE /v1/keys/ID", { kind: "lost" });
  await assert.rejects(provider.revoke(w.context, w.current, next), TargetUnavailableError);
  await provider.revoke(w.context, w.current, next);
  await provider.revoke(w.context, w.current, next);
  await provider.verify(w.context, w.current, next);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [next["issued-id"]],
  );
});

test("rolled back, the new key is revoked and the old one goes on", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  await provider.revoke(w.context, next, w.current);
  await provider.verify(w.context, next, w.current);
  await provider.probe(w.context, w.current, undefined);
  assert.deepEqual(
    w.server.live().map(({ values }) => values),
    [w.current],
  );
});

test("rolled back while the old key has died, the new one is revoked all the same", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  Object.assign(w.server.keys[0] ?? {}, { isLive: false });
  const owed = [w.server.keys[1], w.server.keys[0]].map((key) => ({ id: key?.id, provider: "exchange" }));
  assert.deepEqual(await provider.revoke(w.context, next, w.current, "old"), [owed[1]]);
  await provider.verify(w.context, next, w.current);
  assert.deepEqual(w.server.live(), []);
  assert.deepEqual(await provider.revoke(w.context, next, w.current, "neither"), owed);
});

test("given up where the provider refuses the key in force, it ends, and says what to look for there", async () => {
  await using w = await world(model);
  Object.assign(w.server.keys[0] ?? {}, { isLive: false });
  const { vault } = contextOf(model, "trading-bot/exchange", {
    sources: { "trading-bot/exchange": w.current },
  });
  await provider.discard?.({ ...w.context, vault });
  assert.match(
    w.context.steps[0]?.text ?? "",
    /look there yourself for a key with the label keyplane\/acme\//,
  );
});

test("an old key that is still accepted after it was revoked is told", async () => {
  await using w = await world(model);
  const next = await provider.create(w.context, w.current);
  await assert.rejects(provider.verify(w.context, w.current, next), StillAcceptedError);
});

test("a second rotation in a row goes from machine-made key to machine-made key", async () => {
  await using w = await world(model);
  const second = await provider.create(w.context, w.current);
  await provider.revoke(w.context, w.current, second);
  const later = { ...w.context, rotation: "9d8c7b6a-0000-4000-8000-000000000002" };
  const third = await provider.create(later, second);
  await provider.probe(later, third, second);
  await provider.revoke(later, second, third);
  await provider.verify(later, second, third);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [third["issued-id"]],
  );
});

test("the API is called with the secret that the catalogue names, where it names one", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
  const own = server.issue(["trade"]);
  const admin = server.issue(["keys"]);
  const change = {
    provider: { name: "exchange", api: true, address: server.address, credential: "titan/binance", rate },
  };
  const sources = { "titan/binance": admin.values };
  const context = contextOf(model, "trading-bot/exchange", { change, sources });
  const next = await provider.create(context, own.values);
  await provider.probe(context, next, own.values);
  await provider.revoke(context, own.values, next);
  assert.deepEqual(
    server.live().map(({ scopes: may }) => may),
    [["keys"], ["trade"]],
  );
});

test("where both keys are refused, the old one is revoked with the credential all the same, and the other one may live (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
  const own = server.issue(["trade"]);
  const admin = server.issue(["keys"]);
  const change = {
    provider: { name: "exchange", api: true, address: server.address, credential: "titan/binance", rate },
  };
  const context = contextOf(model, "trading-bot/exchange", {
    change,
    sources: { "titan/binance": admin.values },
  });
  const next = await provider.create(context, own.values);
  server.fault = (name) => (name === "GET /v1/keys/self" ? { kind: "status", status: 401 } : undefined);
  assert.deepEqual(await provider.revoke(context, own.values, next, "neither"), [
    { id: next["issued-id"], provider: "exchange" },
  ]);
  assert.equal(own.isLive, false);
  assert.equal(admin.isLive, true);
});

test("without the credential's value, the error names the secret to set", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"] });
  const own = server.issue(["trade"]);
  const change = {
    provider: { name: "exchange", api: true, address: server.address, credential: "titan/binance" },
  };
  const error = await refusal(
    provider.create(contextOf(model, "trading-bot/exchange", { change }), own.values),
  );
  assert.equal(
    error.message,
    "trading-bot/exchange is rotated with titan/binance, which has no value in local: give it with `keyplane set titan/binance`",
  );
});

test("the catalogue says how a provider's API is spoken to and how often it may be asked", () => {
  const usual = "name: The exchange of trading-bot, api: true";
  const targetOf = (declared: string) => {
    const files = realFiles();
    const organization = (files["organization.yaml"] ?? "").replace(usual, declared);
    const catalogue = loadCatalogueFrom({ ...files, "organization.yaml": organization });
    return derive(catalogue, "staging").secrets.find(({ id }) => id === "trading-bot/exchange")?.provider;
  };
  const silent = targetOf(usual);
  assert.deepEqual([silent?.adapter, silent?.rate], [undefined, undefined]);
  const said = targetOf(`${usual}, adapter: rest, rate: { requests: 20, per: 1m }`);
  assert.deepEqual([said?.adapter, said?.rate], ["rest", { requests: 20, per: 60 }]);
  assert.throws(() => targetOf(`${usual}, adapter: soap`), /write rest, openai, bybit, aws or slack/);
});

test("a key that the provider refuses already is not followed by one of unknown rights", async () => {
  await using w = await world(model);
  Object.assign(w.server.keys[0] ?? {}, { isLive: false });
  const error = await refusal(provider.create(w.context, w.current));
  assert.match(error.message, /^trading-bot\/exchange: the provider refuses the key that is in force/);
  assert.equal(w.server.keys.length, 1);
});
