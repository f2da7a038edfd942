import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { rotate } from "../../../operations/rotation/engine.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { exchangeRotation } from "./exchange-rotation.ts";
import { type Fault, ProviderServer } from "./provider-server.ts";
import { once } from "./provider-world.ts";

// A provider that is slow: the client's time is over before it answers.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Milliseconds that the client waits, and that the provider takes. */
const patience = 250;
const takes = 600;

const impatient: typeof fetch = (url, init) => {
  const own = AbortSignal.timeout(patience);
  const signal = init?.signal == null ? own : AbortSignal.any([init.signal, own]);
  return fetch(url, { ...init, signal });
};

for (const [what, fault] of [
  ["has acted and answers too late", { kind: "slow", milliseconds: takes }],
  ["acts only when nobody waits any more", { kind: "late", milliseconds: takes }],
] as const) {
  for (const request of ["POST /v1/keys", "GET /v1/keys", "GET /v1/keys/self", "DELETE /v1/keys/ID"]) {
    test(`a provider that ${what}, to ${request}: the rotation ends, the key in force is let in at every moment, and nothing is left over`, async () => {
      await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
      const end = await rotated(server, request, fault);
      assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    });
  }
}

async function rotated(server: ProviderServer, request: string, fault: Fault) {
  const { secret, first, options } = await exchangeRotation(bench, server, { fetch: impatient });
  const { kv } = bench.model.vault.mounts;
  server.fault = once(request, fault);
  const inForce = async () => {
    const fields = (await readFields(bench.server.root, kv, secret.consumers[0]?.path ?? "")) ?? first.values;
    return server.live().some(({ values }) => values.key === fields.key);
  };
  const refused: unknown[] = [];
  let isRunning = true;
  const watching = (async () => {
    while (isRunning) if (!(await inForce())) refused.push(new Date());
  })();
  try {
    const end = await rotate(options);
    // What was asked of the provider and given up is served by now, if need be after the rotation's end: the next one ends it.
    await new Promise((done) => setTimeout(done, takes));
    const again = await rotate(options);
    assert.equal(end.state, "done", end.waiting);
    const source = await readFields(bench.server.root, kv, secret.source);
    assert.deepEqual(
      server.live().map(({ values }) => values.key),
      [source?.key],
    );
    return again;
  } finally {
    isRunning = false;
    await watching;
    assert.deepEqual(refused, []);
  }
}
