import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Model } from "../../../model/model.ts";
import { abortRotation } from "../../../operations/rotation/engine.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";

// Whoever nobody can see is given the time that the catalogue says it needs, instead of being looked at.
suite("a consumer that nobody can see has its time to take up a new value (R29)", () => {
  let bench: RotationBench;

  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  /** A signer and a listener that shows nothing and takes `settles` seconds. */
  async function hidden(t: Parameters<RotationBench["demo"]>[0], settles: number, more = {}) {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"], more);
    const listener = demo.world.actors.get("demo/listener-2");
    assert.ok(listener);
    listener.isHidden = true;
    const services = demo.model.services.map((service) =>
      service.id === "demo/listener-2" ? { ...service, settles } : service,
    );
    return { demo, listener, model: { ...demo.model, services } };
  }

  /** As if its time had passed. */
  async function letPass(demo: Demo): Promise<void> {
    const journal = await demo.journal();
    const unseen = Object.keys(journal.unseen ?? {}).map((what) => [what, new Date(0).toISOString()]);
    const data = { ...journal, unseen: Object.fromEntries(unseen), leaseUntil: new Date(0).toISOString() };
    await bench.server.root.write(`kv/data/${demo.secret.journal}`, { data });
  }

  const run = (demo: Demo, model: Model, more = {}) => demo.rotate({ wait: false, model, ...more });

  test("no signer signs with it before a listener's time is over, and who is waited for is named", async (t) => {
    const { demo, model } = await hidden(t, 600);
    const { primary: old } = await demo.fields();
    const waits = await run(demo, model);
    assert.equal(waits.state, "observe-listeners");
    assert.match(waits.waiting ?? "", /^nobody sees what demo\/listener-2 runs: it has until \d{4}-/);
    assert.equal(demo.world.usedBy("demo/signer-1"), old);
    await letPass(demo);
    assert.equal((await run(demo, model)).state, "done");
    assert.notEqual(demo.world.usedBy("demo/signer-1"), old);
    assert.deepEqual(demo.world.violations, []);
  });

  test("another run waits for the same time: it is neither reloaded again nor given more", async (t) => {
    const { demo, model, listener } = await hidden(t, 600);
    await run(demo, model);
    const { unseen } = await demo.journal();
    assert.equal((await run(demo, model)).state, "observe-listeners");
    assert.deepEqual((await demo.journal()).unseen, unseen);
    assert.equal(listener.reloads, 1);
  });

  test("after a compromise as well: order is what keeps the short path safe (R21)", async (t) => {
    const { demo, model } = await hidden(t, 600);
    const { primary: old } = await demo.fields();
    const waits = await run(demo, model, { reason: "compromise" });
    assert.equal(waits.state, "observe-listeners");
    assert.equal(demo.world.usedBy("demo/signer-1"), old);
  });

  test("rolling back refuses the new value only once it has had its time to return to the old one", async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const reader = demo.world.actors.get("demo/reader-1");
    assert.ok(reader);
    reader.isHidden = true;
    const services = demo.model.services.map((service) => ({ ...service, settles: 600 }));
    const model = { ...demo.model, services };
    assert.equal((await run(demo, model)).state, "observe-signers");
    const journal = await demo.journal();
    const data = { ...journal, abort: "a test wants it", leaseUntil: new Date(0).toISOString() };
    await bench.server.root.write(`kv/data/${demo.secret.journal}`, { data });
    const waits = await run(demo, model);
    assert.equal(waits.state, "rolling-back");
    assert.match(waits.waiting ?? "", /^nobody sees what demo\/reader-1 runs/);
    assert.equal(demo.world.accepted.size, 2, "the target accepts both until then");
    await letPass(demo);
    assert.equal((await run(demo, model)).state, "rolled-back");
    assert.equal(demo.world.accepted.size, 1);
  });

  test("a reader gets the old value back once, and has its time twice: beside the new one, and alone (R29, R34)", async (t) => {
    const demo = await bench.demo(t, "hmac", ["signer", "reader"]);
    const reader = demo.world.actors.get("demo/reader-2");
    assert.ok(reader);
    reader.isHidden = true;
    const old = await demo.fields();
    const services = demo.model.services.map((service) =>
      service.id === "demo/reader-2" ? { ...service, settles: 600 } : service,
    );
    const model = { ...demo.model, services };
    assert.equal((await run(demo, model)).state, "observe-listeners");
    await letPass(demo);
    assert.equal((await run(demo, model)).state, "observe-signers");
    reader.reloads = 0;
    const held: (string | undefined)[][] = [];
    const noteHeld = () => held.push([reader.runs?.fields.primary, reader.runs?.fields.secondary]);
    let outcome = await abortRotation({ ...demo.options({ wait: false, model }), why: "a test wants it" });
    for (let turns = 1; turns < 5 && outcome.state === "rolling-back"; turns++) {
      noteHeld();
      await letPass(demo);
      outcome = await run(demo, model);
    }
    assert.equal(outcome.state, "rolled-back");
    const [both, back] = held;
    assert.deepEqual([both?.[0], back], [old.primary, [old.primary, old.secondary]]);
    assert.notEqual(both?.[1], old.secondary);
    assert.deepEqual([held.length, reader.reloads], [2, 2]);
    assert.deepEqual(demo.world.violations, []);
  });

  test("what passes within a minute is waited for by a run that does not wait", async (t) => {
    const { demo, model } = await hidden(t, 0.3);
    assert.equal((await run(demo, model)).state, "done");
    assert.deepEqual(demo.world.violations, []);
  });
});
