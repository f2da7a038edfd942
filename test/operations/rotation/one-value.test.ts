import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeliveryError } from "../../../operations/delivery/sink.ts";
import type { Rotator } from "../../../operations/rotation/rotator.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { sinksWith } from "./sinks-with.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Whose target accepts one value at a time: what it is told takes the place of the other one. */
function replacing({ subject: { rotator } }: Demo): Rotator {
  return {
    ...rotator,
    replaces: (_next, current) => current !== undefined,
    async stage(context, next, current) {
      await rotator.stage(context, next, current);
      if (current !== undefined) await rotator.revoke(context, current, next);
    },
    async revoke(context, old, kept) {
      await rotator.stage(context, kept, old);
      await rotator.revoke(context, old, kept);
    },
  };
}

/** What the target accepts. */
const accepted = ({ world }: Demo) => [...world.accepted.keys()];
const refuses = async (): Promise<never> => {
  throw new DeliveryError("the env-file holds variables that the catalogue does not declare (DEBUG)");
};

test("where one value is accepted at a time, the target hears of no new one while a consumer could not be brought it (R32)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const old = (await demo.fields()).password ?? "";
  let isMended = false;
  const sinks = sinksWith(demo, "demo/reader-2", () => ({
    check: () => (isMended ? Promise.resolve() : refuses()),
  }));
  const run = () => demo.rotate({ rotator: replacing(demo), sinks, wait: false });
  for (let tried = 0; tried < 2; tried++) {
    await assert.rejects(run(), {
      name: "DeliveryError",
      message: /^nothing is changed: demo\/reader-2: .*DEBUG/,
    });
    assert.ok(accepted(demo).includes(old));
    assert.deepEqual([demo.world.usedBy("demo/reader-1"), demo.world.usedBy("demo/reader-2")], [old, old]);
  }
  assert.equal((await demo.journal()).state, "stage");
  isMended = true;
  assert.equal((await run()).state, "done");
  assert.deepEqual(demo.world.values.has(demo.world.usedBy("demo/reader-2") ?? ""), true);
});

for (const fails of ["write", "reload"] as const) {
  test(`where one value is accepted at a time, a ${fails} that fails afterwards brings the old one back (R32)`, async (t) => {
    const demo = await bench.demo(t, "password", ["reader", "reader"]);
    const old = (await demo.fields()).password ?? "";
    let left = 1;
    const sinks = sinksWith(demo, "demo/reader-2", (sink) => ({
      [fails]: (given: never) => (left-- > 0 ? refuses() : sink[fails](given)),
    }));
    const outcome = await demo.rotate({ rotator: replacing(demo), sinks, wait: false });
    assert.equal(outcome.state, "rolled-back");
    assert.match(outcome.failure ?? "", /cannot be brought to everybody, and it alone is accepted: .*DEBUG/);
    assert.deepEqual(accepted(demo), [old]);
    assert.deepEqual([demo.world.usedBy("demo/reader-1"), demo.world.usedBy("demo/reader-2")], [old, old]);
  });
}

test("what cannot be delivered on the way back either keeps nobody out: the target accepts the old value already (R32)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const old = (await demo.fields()).password ?? "";
  let isMended = false;
  const sinks = sinksWith(demo, "demo/reader-2", (sink) => ({
    write: (bundle) => (isMended ? sink.write(bundle) : refuses()),
  }));
  const run = () => demo.rotate({ rotator: replacing(demo), sinks, wait: false });
  await assert.rejects(run(), { name: "DeliveryError" });
  assert.equal((await demo.journal()).state, "rolling-back");
  assert.deepEqual(accepted(demo), [old]);
  assert.equal(demo.world.usedBy("demo/reader-2"), old);
  isMended = true;
  assert.equal((await run()).state, "rolled-back");
  assert.deepEqual([demo.world.usedBy("demo/reader-1"), demo.world.usedBy("demo/reader-2")], [old, old]);
});

test("where both values are accepted, a delivery that fails takes nothing back: it is told, and tried again", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  let left = 1;
  const sinks = sinksWith(demo, "demo/reader-2", (sink) => ({
    write: (bundle) => (left-- > 0 ? refuses() : sink.write(bundle)),
  }));
  await assert.rejects(demo.rotate({ sinks, wait: false }), { name: "DeliveryError" });
  assert.equal((await demo.journal()).state, "deliver-signers");
  assert.equal((await demo.rotate({ sinks, wait: false })).state, "done");
});
