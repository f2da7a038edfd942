import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Model } from "../../../model/model.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { type Fault, ProviderServer } from "./provider-server.ts";
import { once, refusal, world } from "./provider-world.ts";
import { catalogueModel, everythingOf } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

test("429 with Retry-After is waited for, in seconds or as a date, and nobody else of the process asks meanwhile", async () => {
  await using w = await world(model);
  w.server.fault = once("GET /v1/keys", { kind: "status", status: 429, retryAfter: 2 });
  const first = await refusal(provider.create(w.context, w.current));
  assert.ok(first instanceof TargetUnavailableError);
  assert.equal(first.retryAfter, 2);
  const asked = w.server.served.length;
  const second = await refusal(provider.create(w.context, w.current));
  assert.ok(second instanceof TargetUnavailableError && second.retryAfter !== undefined);
  assert.equal(w.server.served.length, asked);

  await using dated = await world(model, { clock: 300_000 });
  const until = () => new Date(dated.server.now().getTime() + 30_000).toUTCString();
  dated.server.fault = (name) =>
    name === "GET /v1/keys" ? { kind: "status", status: 429, retryAfter: until() } : undefined;
  const third = await refusal(provider.create(dated.context, dated.current));
  assert.ok(third instanceof TargetUnavailableError);
  assert.equal(third.retryAfter, 30);
});

test("twenty rotations at once stay below the provider's rate: not one request is throttled", async () => {
  await using w = await world(model, { rate: 50, quota: 100, provider: { rate: { requests: 45, per: 1 } } });
  const { context } = w;
  // Each of a secret of its own: what one rotation left behind, the next one of the same secret removes.
  const rotations = Array.from({ length: 20 }, (_, index) =>
    provider.create(
      { ...context, secret: { ...context.secret, id: `${context.secret.id}-${index}` } },
      w.current,
    ),
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
    await using w = await world(model);
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
  await using w = await world(model);
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
  await using w = await world(model);
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
  await using w = await world(model);
  w.server.fault = () => ({ kind: "status", status: 307, location: `${elsewhere.address}/keys/self` });
  const error = await refusal(provider.create(w.context, w.current));
  assert.equal(
    error.message,
    "exchange sends us elsewhere (307) when asked to say what a key may do: correct its address in the catalogue",
  );
  assert.deepEqual(elsewhere.served, []);
});
