import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { abortRotation } from "../../../operations/rotation/engine.ts";
import { hmac } from "../../../operations/rotation/rotators/hmac.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { slow } from "./quick.ts";

suite("what is noted of the new value's use on the way back is what was looked at (R27)", () => {
  let bench: RotationBench;

  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  for (const [source, why] of [
    [
      "sinks",
      "idle: sinks shows that whoever used it runs the old one again, where a sink can tell, and no more",
    ],
    ["none", "the catalogue names no source that would show it (idle: none)"],
  ] as const) {
    test(`idle: ${source}`, async (t) => {
      const demo = await bench.demo(t, "hmac", ["signer", "listener"], { ...slow, idle: { source } });
      const rotator = { ...demo.subject.rotator, idle: hmac.idle };
      assert.equal((await demo.rotate({ wait: false, rotator })).state, "drain");
      const outcome = await abortRotation({ ...demo.options({ rotator }), why: "a test wants it" });
      assert.equal(outcome.state, "rolled-back");
      assert.deepEqual(outcome.notes, [
        `whether the new value was still used when it was revoked is not seen: ${why}`,
      ]);
    });
  }
});
