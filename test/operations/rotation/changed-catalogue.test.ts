import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { statusOf } from "../../../operations/rotation/status.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { day } from "./quick.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const overlap = { rotate: { by: "machine", overlap: day, onCompromise: true } } as const;
const provider = { name: "exchange", api: true, address: "https://exchange.example" };

/** Goes on with what is under way by a changed catalogue; whoever uses the old value is no longer waited for. */
function goOn(demo: Demo, change: Partial<Secret>, options: Partial<RotateOptions> = {}) {
  const secret: Secret = { ...demo.secret, ...change };
  const model = { ...demo.model, secrets: [secret] };
  return rotate(demo.options({ wait: false, ...options, secret, model }));
}

/** Up to where both values are accepted. */
async function drained(demo: Demo): Promise<void> {
  assert.equal((await demo.rotate({ wait: false })).state, "drain");
}

const done = { rotate: { by: "machine", overlap: 0, onCompromise: true } } as const;

for (const [what, begun, change] of [
  ["kind", { provider }, { kind: "token" }],
  ["provider", { provider }, { provider: { name: "bourse", api: true, address: "https://bourse.example" } }],
  ["provider's way to be spoken to", { provider }, { provider: { ...provider, adapter: "bybit" } }],
] as const) {
  test(`a rotation whose secret is given another ${what} under way refuses nothing and forgets nothing, and says why (R26)`, async (t) => {
    const demo = await bench.demo(t, "password", ["reader"], { ...overlap, ...begun });
    await drained(demo);
    const live = [...demo.world.accepted.keys()];
    const left = await demo.left();
    for (const more of [{}, { reason: "compromise" as const }]) {
      const outcome = await goOn(demo, { ...done, ...(change as Partial<Secret>) }, more);
      assert.equal(outcome.isStuck, true);
      assert.match(
        outcome.waiting ?? "",
        /it began as kind password of exchange at .* put password-\d+\/key back/,
      );
    }
    assert.deepEqual([...demo.world.accepted.keys()], live);
    assert.deepEqual(await demo.left(), left);
    assert.match((await demo.journal()).waiting ?? "", /it began as kind password/);
    // Put back, it ends; the compromise's own rotation follows.
    assert.equal((await goOn(demo, { ...done, ...begun })).state, "done");
    assert.equal(demo.world.accepted.size, 1);
    assert.deepEqual(demo.world.violations, []);
  });
}

test("a provider that is only renamed, or moved, is the same one", async (t) => {
  for (const now of [
    { ...provider, name: "bourse" },
    { ...provider, address: "https://moved.example" },
  ]) {
    const demo = await bench.demo(t, "password", ["reader"], { ...overlap, provider });
    await drained(demo);
    assert.equal((await goOn(demo, { ...done, provider: now })).state, "done");
  }
});

test("a rotation of a secret that is retired under way is still told of, and ends", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], overlap);
  const retired = { retired: { since: "2026-11-01", reason: "gone", delete: false }, consumers: [] };
  const secret: Secret = { ...demo.secret, ...retired };
  assert.deepEqual(await statusOf(demo.options(), [secret], new Date()), [], "nothing is under way");
  await drained(demo);
  const [status] = await statusOf(demo.options(), [secret], new Date());
  assert.equal(status?.standing.state, "under way");
  // Told of a compromise it ends at once; no other one follows of what nobody reads.
  const outcome = await goOn(demo, { ...done, ...retired }, { reason: "compromise", wait: true });
  assert.equal(outcome.state, "done");
  assert.equal(demo.world.accepted.size, 1);
});
