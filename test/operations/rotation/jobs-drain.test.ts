import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Consumer, Secret } from "../../../model/model.ts";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { later } from "./crash.ts";

// A job reads its values when it begins, and nobody can make it read them again.
suite("a CI job that began before the switch works to its end (R26)", () => {
  let bench: RotationBench;

  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  /** A signer, a listener and a job that reads what the signer does; no overlap, and nobody is seen to use the old one. */
  async function withJob(t: Parameters<RotationBench["demo"]>[0], more: Partial<Secret> = {}) {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"], more);
    const [signer] = demo.secret.consumers;
    assert.ok(signer);
    const job: Consumer = {
      ...signer,
      id: "demo/ci/deploy",
      kind: "ci",
      role: "reader",
      path: `${signer.path}-ci`,
    };
    const secret = { ...demo.secret, consumers: [...demo.secret.consumers, job] };
    const { sinks } = demo.subject;
    const rotated = {
      secret,
      model: { ...demo.model, secrets: [secret] },
      sinks: (consumer: Consumer) => (consumer.kind === "ci" ? [] : sinks(consumer)),
      probes: () => [],
      wait: false,
    };
    return { demo, rotated };
  }

  /** A clock by which so many seconds more have passed. */
  const passed = async (demo: Demo, seconds: number) =>
    later(await vaultClock(demo.options().vault), seconds * 1000);

  for (const source of ["provider", "sinks", "none"] as const) {
    test(`idle: ${source} and no overlap: the old value is not refused within the hour`, async (t) => {
      const { demo, rotated } = await withJob(t, { idle: { source } });
      const outcome = await demo.rotate(rotated);
      assert.deepEqual([outcome.state, outcome.waitsFor], ["drain", "time"]);
      assert.match(
        outcome.waiting ?? "",
        /^demo\/ci\/deploy may have begun before the switch: both values are accepted until \d{4}-/,
      );
      const early = await demo.rotate({ ...rotated, clock: await passed(demo, 3500) });
      assert.equal(early.state, "drain");
      assert.ok(!demo.world.events.includes("refuse"));
      const ended = await demo.rotate({ ...rotated, clock: await passed(demo, 3700) });
      assert.equal(ended.state, "done");
    });
  }

  test("a compromise does not wait for it, and says so (R21)", async (t) => {
    const { demo, rotated } = await withJob(t);
    const outcome = await demo.rotate({ ...rotated, reason: "compromise" });
    assert.equal(outcome.state, "done");
    const said = "demo/ci/deploy was not waited for: a job that began before the switch is refused now";
    assert.ok(outcome.skipped.includes(said), outcome.skipped.join("; "));
  });
});
