import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Model, Secret } from "../../../model/model.ts";
import {
  ProbeError,
  StillAcceptedError,
  TargetUnavailableError,
} from "../../../operations/rotation/rotator.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { type Fault, ProviderServer, type ProviderServerOptions } from "./provider-server.ts";
import { catalogueModel, contextOf, everythingOf, type TestContext } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

/** Fast enough that no test waits for it. */
const rate = { requests: 1000, per: 1 };

const scopes = ["keys", "trade"];

interface World extends AsyncDisposable {
  server: ProviderServer;
  context: TestContext;
  current: Fields;
}

/** trading-bot's exchange key, made in the dashboard, at a real server. */
async function world(
  options: ProviderServerOptions & { provider?: Partial<NonNullable<Secret["provider"]>> } = {},
  more: Partial<TestContext> = {},
): Promise<World> {
  const server = await ProviderServer.start({ fields: ["key", "secret"], ...options });
  const target = { name: "exchange", api: true, address: server.address, rate, ...options.provider };
  const context = contextOf(model, "trading-bot/exchange", { change: { provider: target }, ...more });
  const { values } = server.issue(scopes);
  return {
    server,
    context,
    current: { ...values },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Only the n-th management request of a kind is hit. */
function once(name: string, fault: Fault, at = 1): (request: string) => Fault | undefined {
  let count = 0;
  return (request) => (request === name && ++count === at ? fault : undefined);
}

async function refusal(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => assert.fail("it went well"),
    (error) => error as Error,
  );
}

test("trading-bot's exchange key is made anew, tried, and the old one is refused afterwards (R15)", async () => {
  await using w = await world();
  const { server, context, current } = w;
  const next = await provider.create(context, current);
  assert.deepEqual(Object.keys(next).toSorted(), ["issued-id", "key", "replaces-id", "secret"]);
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
  await using w = await world();
  await provider.create(w.context, w.current);
  assert.equal(
    w.server.live()[1]?.label,
    "keyplane/acme/local/trading-bot/exchange/0b4ea4b4-6a4f-4e2b-8a35-1c2d3e4f5a6b",
  );
});

test("a key whose answer was lost is found by its label and revoked before another one is made", async () => {
  await using w = await world();
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
  await using w = await world({ tellsUse: false });
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
  await using w = await world();
  const left = w.server.issue(scopes, "keyplane/acme/local/trading-bot/exchange/an-earlier-rotation");
  const next = await provider.create(w.context, w.current);
  assert.equal(left.isLive, false);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
});

test("with two live keys, one that an earlier rotation left behind stays while somebody uses it", async () => {
  await using w = await world();
  const left = w.server.issue(scopes, "keyplane/acme/local/trading-bot/exchange/an-earlier-rotation");
  left.lastUsed = w.server.now();
  const error = await refusal(provider.create(w.context, w.current));
  assert.equal(error.name, "QuotaError");
  assert.ok(error.message.includes(`there is ${left.id}: revoke the one that nobody uses`));
  assert.deepEqual([w.server.keys.length, w.server.live().length], [2, 2]);
});

test("with two live keys, one that somebody made by hand is never revoked", async () => {
  await using w = await world();
  const foreign = w.server.issue(scopes, "the test system's");
  assert.equal((await refusal(provider.create(w.context, w.current))).name, "QuotaError");
  assert.equal(foreign.isLive, true);
});

test("a request to make a key that was served late leaves nothing behind once the next state has begun", async () => {
  await using w = await world({ quota: 3 });
  w.server.fault = once("POST /v1/keys", { kind: "late", milliseconds: 300 });
  const stopped = new AbortController();
  const first = provider.create({ ...w.context, signal: stopped.signal }, w.current);
  setTimeout(() => stopped.abort(), 100);
  await assert.rejects(first, { name: "AbortError" });
  const next = await provider.create(w.context, w.current);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(w.server.live().length, 3);
  await provider.stage(w.context, next, w.current);
  assert.deepEqual(
    w.server.live().map(({ id }) => id),
    [w.server.keys[0]?.id, next["issued-id"]],
  );
});

test("a key that was made and never written down is revoked when the rotation is rolled back", async () => {
  await using w = await world();
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
    await using w = await world();
    const next = await provider.create(w.context, w.current);
    Object.assign(w.server.keys[1] ?? {}, change);
    const error = await refusal(provider.probe(w.context, next, w.current));
    assert.ok(error instanceof ProbeError);
    assert.match(error.message, expected);
  });

test("a truncated new key fails its probe", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  const truncated = { ...next, secret: next.secret?.slice(0, -1) ?? "" };
  await assert.rejects(provider.probe(w.context, truncated, w.current), ProbeError);
});

test("the old key is in use, by whom its provider names, until it was left alone for the observation window", async () => {
  await using w = await world();
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
  await using w = await world();
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
    await using w = await world({ clock: minutes * 60_000 });
    const next = await provider.create(w.context, w.current);
    const [old] = w.server.keys;
    assert.ok(old !== undefined);
    const window = model.rotation.watch * 1000;
    old.lastUsed = w.server.now();
    assert.equal((await provider.idle(w.context, w.current, next)).state, "in use");
    old.lastUsed = new Date(w.server.now().getTime() - window - 1000);
    assert.equal((await provider.idle(w.context, w.current, next)).state, "idle");
  });

test("the old key stays where the new one is refused: nobody is left without a key", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  Object.assign(w.server.keys[1] ?? {}, { isLive: false });
  const error = await refusal(provider.revoke(w.context, w.current, next));
  assert.match(error.message, /the key that would be kept is refused, so the other one is not revoked/);
  assert.equal(w.server.keys[0]?.isLive, true);
});

test("revoking twice, or after its answer was lost, ends with the same keys", async () => {
  await using w = await world();
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
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  await provider.revoke(w.context, next, w.current);
  await provider.verify(w.context, next, w.current);
  await provider.probe(w.context, w.current, w.current);
  assert.deepEqual(
    w.server.live().map(({ values }) => values),
    [w.current],
  );
});

test("rolled back while the old key has died, the new one is revoked all the same", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  Object.assign(w.server.keys[0] ?? {}, { isLive: false });
  await provider.revoke(w.context, next, w.current);
  await provider.verify(w.context, next, w.current);
  assert.deepEqual(w.server.live(), []);
  await provider.revoke(w.context, next, w.current);
});

test("given up where the provider refuses the key in force, it ends, and says what to look for there", async () => {
  await using w = await world();
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
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  await assert.rejects(provider.verify(w.context, w.current, next), StillAcceptedError);
});

test("a second rotation in a row goes from machine-made key to machine-made key", async () => {
  await using w = await world();
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

test("429 with Retry-After is waited for, in seconds or as a date, and nobody else of the process asks meanwhile", async () => {
  await using w = await world();
  w.server.fault = once("GET /v1/keys", { kind: "status", status: 429, retryAfter: 2 });
  const first = await refusal(provider.create(w.context, w.current));
  assert.ok(first instanceof TargetUnavailableError);
  assert.equal(first.retryAfter, 2);
  const asked = w.server.served.length;
  const second = await refusal(provider.create(w.context, w.current));
  assert.ok(second instanceof TargetUnavailableError && second.retryAfter !== undefined);
  assert.equal(w.server.served.length, asked);

  await using dated = await world({ clock: 300_000 });
  const until = () => new Date(dated.server.now().getTime() + 30_000).toUTCString();
  dated.server.fault = (name) =>
    name === "GET /v1/keys" ? { kind: "status", status: 429, retryAfter: until() } : undefined;
  const third = await refusal(provider.create(dated.context, dated.current));
  assert.ok(third instanceof TargetUnavailableError);
  assert.equal(third.retryAfter, 30);
});

test("twenty rotations at once stay below the provider's rate: not one request is throttled", async () => {
  await using w = await world({ rate: 50, quota: 100, provider: { rate: { requests: 45, per: 1 } } });
  const rotations = Array.from({ length: 20 }, (_, index) =>
    provider.create({ ...w.context, rotation: `rotation-${index}` }, w.current),
  );
  await Promise.all(rotations);
  assert.deepEqual([w.server.throttled, w.server.live().length], [0, 21]);
});

for (const [what, fault] of [
  ["answers 500", { kind: "status", status: 500 }],
  ["answers 503", { kind: "status", status: 503, retryAfter: 7 }],
  ["cuts the connection", { kind: "cut" }],
] as const)
  test(`a provider that ${what} is asked again later, in every function`, async () => {
    await using w = await world();
    const next = await provider.create(w.context, w.current);
    w.server.fault = () => fault;
    const { context, current } = w;
    for (const call of [
      () => provider.create(context, current),
      () => provider.stage(context, next, current),
      () => provider.probe(context, next, current),
      () => provider.idle(context, current, next),
      () => provider.revoke(context, current, next),
      () => provider.verify(context, current, next),
    ]) {
      await assert.rejects(call(), TargetUnavailableError);
    }
    assert.equal(w.server.live().length, 2);
  });

test("a provider that does not answer in time is asked again later", async () => {
  await using w = await world();
  const slow = { ...w.context, reach: { ...w.context.reach, fetch: timesOut } };
  const error = await refusal(provider.create(slow, w.current));
  assert.ok(error instanceof TargetUnavailableError);
  assert.equal(
    error.message,
    "exchange could not be reached (no answer in time), when asked to say what a key may do",
  );
});

/** As fetch ends when the signal's time is over. */
async function timesOut(): Promise<never> {
  throw new DOMException("The operation was aborted due to timeout", "TimeoutError");
}

test("no error of any answer holds a part of a key", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  const values = w.server.keys.flatMap((key) => Object.values(key.values));
  const faults: Fault[] = [
    { kind: "garbage" },
    { kind: "status", status: 400 },
    { kind: "status", status: 302 },
    { kind: "status", status: 500 },
    { kind: "cut" },
    { kind: "lost" },
  ];
  for (const fault of faults) {
    for (const at of ["GET /v1/keys", "POST /v1/keys", "GET /v1/keys/self", "DELETE /v1/keys/ID"]) {
      w.server.fault = (name) => (name === at ? fault : undefined);
      const { context, current } = w;
      const results = await Promise.allSettled([
        provider.create({ ...context, rotation: "another" }, current),
        provider.probe(context, next, current),
        provider.revoke(context, next, current),
        provider.verify(context, next, current),
      ]);
      for (const result of results) {
        if (result.status !== "rejected") continue;
        const said = everythingOf(result.reason);
        assert.ok(!values.some((value) => said.includes(value.slice(3, 12))), result.reason.name);
      }
    }
  }
});

test("a redirect is not followed: the key was meant for the address in the catalogue", async () => {
  await using elsewhere = await ProviderServer.start();
  await using w = await world();
  w.server.fault = () => ({ kind: "status", status: 307, location: `${elsewhere.address}/keys/self` });
  const error = await refusal(provider.create(w.context, w.current));
  assert.equal(
    error.message,
    "exchange sends us elsewhere (307) when asked to say what a key may do: correct its address in the catalogue",
  );
  assert.deepEqual(elsewhere.served, []);
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

test("a key that the provider refuses already is not followed by one of unknown rights", async () => {
  await using w = await world();
  Object.assign(w.server.keys[0] ?? {}, { isLive: false });
  const error = await refusal(provider.create(w.context, w.current));
  assert.match(error.message, /^trading-bot\/exchange: the provider refuses the key that is in force/);
  assert.equal(w.server.keys.length, 1);
});
