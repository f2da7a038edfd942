import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Model } from "../../../model/model.ts";
import { ProbeError, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { BybitServer, trading } from "./bybit-server.ts";
import { catalogueModel, contextOf, type TestContext } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

interface World extends AsyncDisposable {
  server: BybitServer;
  context: TestContext;
  current: Fields;
}

async function world(): Promise<World> {
  const server = await BybitServer.start();
  const main = server.issue({ userID: 1 });
  const own = server.issue();
  const target = {
    name: "bybit",
    adapter: "bybit" as const,
    api: true,
    address: server.address,
    credential: "titan/binance",
    rate: { requests: 1000, per: 1 },
  };
  const sources = { "titan/binance": { key: main.apiKey, secret: main.secret } };
  const context = contextOf(model, "titan/bybit", { change: { provider: target }, sources });
  const current = { key: own.apiKey, secret: own.secret };
  return { server, context, current, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const account = ({ server }: World) => server.keys.filter(({ userID }) => userID === 4711);

test("titan's Bybit key is followed by one with the same permissions from the same addresses, and deleted", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  const [, made] = account(w);
  assert.deepEqual(
    [made?.permissions, made?.ips, made?.readOnly, made?.note],
    [trading, ["10.0.0.7"], 0, "keyplane/acme/local/titan/bybit/0b4ea4b4-6a4f-4e2b-8a35-1c2d3e4f5a6b"],
  );
  await provider.stage(w.context, next, w.current);
  await provider.probe(w.context, next, w.current);
  await provider.revoke(w.context, w.current, next);
  await provider.verify(w.context, w.current, next);
  assert.deepEqual(
    account(w).map(({ apiKey, secret }) => [apiKey, secret]),
    [[next.key, next.secret]],
  );
});

test("a key whose answer was lost is found by its note and deleted, also where the account has pages of keys", async () => {
  await using w = await world();
  for (let index = 0; index < 3; index++) w.server.issue({ note: "somebody else's" });
  w.server.losing = 1;
  await assert.rejects(provider.create(w.context, w.current), TargetUnavailableError);
  const next = await provider.create(w.context, w.current);
  assert.deepEqual(
    account(w).map(({ apiKey, note }) => (note === "somebody else's" ? note : apiKey)),
    [w.current.key, ...Array(3).fill("somebody else's"), next.key],
  );
});

test("a key that is not bound to the old one's addresses fails its probe", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  Object.assign(account(w)[1] ?? {}, { ips: ["*"] });
  await assert.rejects(provider.probe(w.context, next, w.current), ProbeError);
});

test("when Bybit does not say when a key was used, whether it is idle is unknown", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  assert.deepEqual(await provider.idle(w.context, w.current, next), {
    state: "unknown",
    why: "bybit does not say when a key was last used",
  });
});

test("revoking twice ends with the same keys", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  await provider.revoke(w.context, w.current, next);
  await provider.revoke(w.context, w.current, next);
  assert.deepEqual(
    account(w).map(({ apiKey }) => apiKey),
    [next.key],
  );
});

test("rolled back while the old key has died, the new one is deleted all the same", async () => {
  await using w = await world();
  const next = await provider.create(w.context, w.current);
  w.server.keys.splice(1, 1);
  await provider.revoke(w.context, next, w.current);
  assert.deepEqual(account(w), []);
});

test("Bybit's own way to ask for patience is understood", async () => {
  await using w = await world();
  w.server.retCode = 10006;
  const error = await provider.create(w.context, w.current).catch((caught: unknown) => caught);
  assert.ok(error instanceof TargetUnavailableError);
  assert.ok(error.retryAfter !== undefined && error.retryAfter >= 2 && error.retryAfter <= 4);
});
