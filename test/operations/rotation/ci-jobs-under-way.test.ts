import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Consumer, Secret } from "../../../model/model.ts";
import { jobSinksOf } from "../../../operations/delivery/sinks.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { slow } from "./quick.ts";
import { modelWith } from "./world.ts";

const place = "github-actions acme/demo/staging";
const left = (what: string) =>
  `demo/ci/test, ${place}: nothing writes there yet, a person has to put ${what} there`;

suite("a CI job that is given `deliver` while a rotation is under way (R44)", () => {
  let bench: RotationBench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  /** The demo by a catalogue whose job is delivered by GitHub, where nothing writes yet. */
  function withJob(demo: Demo, more: Partial<RotateOptions> = {}): RotateOptions {
    const [signer] = demo.secret.consumers;
    assert.ok(signer);
    const id = "demo/ci/test";
    const job: Consumer = { ...signer, id, kind: "ci", name: id, path: `ci/${demo.secret.system}/test/key` };
    const secret: Secret = { ...demo.secret, consumers: [...demo.secret.consumers, job] };
    const { sinks, probes } = demo.subject;
    return {
      ...demo.options({ wait: false, ...more }),
      secret,
      model: modelWith(demo.model, secret),
      sinks: (one) =>
        one.kind === "ci"
          ? jobSinksOf({
              deliver: [{ to: "github-actions", repository: "acme/demo", environment: "staging" }],
            })
          : sinks(one),
      probes: (one) => (one.kind === "ci" ? [] : probes(one)),
    };
  }

  test("goes on from the signers' step, and names the job and the place that a person has to write", async (t) => {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
    const signer = demo.world.actors.get("demo/signer-1");
    assert.ok(signer);
    signer.isDeaf = true;
    assert.equal((await demo.rotate({ wait: false })).state, "deliver-signers");
    signer.isDeaf = false;
    const outcome = await rotate(withJob(demo));
    assert.equal(outcome.state, "drain", "for jobs that began before");
    assert.equal(demo.world.usedBy("demo/signer-1"), (await demo.fields()).primary);
    assert.ok(outcome.notes.includes(left("the new value")), outcome.notes.join("\n"));
    assert.deepEqual(demo.world.violations, []);
  });

  test("begins after a compromise, and ends (R21)", async (t) => {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
    const outcome = await rotate(withJob(demo, { reason: "compromise" }));
    assert.equal(outcome.state, "done");
    assert.ok(outcome.notes.includes(left("the new value")), outcome.notes.join("\n"));
  });

  test("goes back: signers sign with the old value again, and the note says that it is the old one", async (t) => {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
    const { primary: old } = await demo.fields();
    assert.equal((await demo.rotate({ wait: false })).state, "drain");
    const there = withJob(demo);
    // It has the new value by now.
    assert.equal((await rotate(there)).state, "drain");
    const outcome = await abortRotation({ ...there, why: "a test wants it" });
    assert.equal(outcome.state, "rolled-back");
    assert.equal(demo.world.usedBy("demo/signer-1"), old);
    assert.deepEqual(demo.world.violations, []);
    assert.deepEqual(
      outcome.notes.filter((note) => note.includes(place)),
      [left("the old value")],
    );
  });
});
