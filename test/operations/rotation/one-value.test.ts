import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeliveryError, UnreachedError } from "../../../operations/delivery/sink.ts";
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
  const used = demo.world.usedBy("demo/reader-2");
  assert.notEqual(used, old);
  assert.deepEqual(accepted(demo), [used]);
});

test("a runner that dies once the target has the new value alone, and a consumer that cannot be brought it then: the old one comes back (R32)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const old = (await demo.fields()).password ?? "";
  const rotator = replacing(demo);
  const dying: Rotator = {
    ...rotator,
    async stage(...given) {
      await rotator.stage(...given);
      throw new Error("killed");
    },
  };
  await assert.rejects(demo.rotate({ rotator: dying, wait: false }), { message: "killed" });
  assert.ok(!accepted(demo).includes(old));
  const broken = sinksWith(demo, "demo/reader-2", () => ({ check: refuses }));
  const outcome = await demo.rotate({ rotator, sinks: broken, wait: false });
  assert.equal(outcome.state, "rolled-back", outcome.waiting);
  assert.match(outcome.failure ?? "", /cannot be brought to everybody: demo\/reader-2: .*DEBUG/);
  assert.deepEqual(accepted(demo), [old]);
});

test("a rotation at its beginning that another machine goes on with is left to the one that reaches its consumers", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const dying = { ...demo.subject.rotator, stage: () => Promise.reject(new Error("killed")) };
  await assert.rejects(demo.rotate({ rotator: dying, wait: false }), { message: "killed" });
  const elsewhere = sinksWith(demo, "demo/reader-2", () => ({
    unreached: async () => new UnreachedError("it is elsewhere"),
  }));
  await assert.rejects(demo.rotate({ sinks: elsewhere, wait: false }), { name: "UnreachedError" });
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

test("where one value is accepted at a time, whom another machine has to bring it hides nobody who is locked out (R32)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const old = (await demo.fields()).password ?? "";
  const failures = new Map<string, () => Promise<never>>([
    ["demo/reader-1", () => Promise.reject(new UnreachedError("this machine is not the service's host"))],
    ["demo/reader-2", refuses],
  ]);
  const sinks: typeof demo.subject.sinks = (consumer) =>
    demo.subject.sinks(consumer).map((sink) => ({
      ...sink,
      write(bundle) {
        const fails = failures.get(consumer.id);
        failures.delete(consumer.id);
        return fails?.() ?? sink.write(bundle);
      },
    }));
  const outcome = await demo.rotate({ rotator: replacing(demo), sinks, wait: false });
  assert.equal(outcome.state, "rolled-back");
  assert.match(outcome.failure ?? "", /cannot be brought to everybody, and it alone is accepted: .*DEBUG/);
  assert.deepEqual(accepted(demo), [old]);
});

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

/** Stops a run, as Ctrl-C does, while one consumer restarts. */
function stopsDuring(demo: Demo, id: string) {
  const stop = new AbortController();
  const sinks = sinksWith(demo, id, (sink) => ({
    async reload(signal) {
      await sink.reload(signal);
      stop.abort(new Error("Ctrl-C"));
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
  }));
  return { sinks, signal: stop.signal };
}

test("a stop while a server restarts with its only value waits until its clients have it: nobody is left locked out (R32)", async (t) => {
  const demo = await bench.demo(t, "password", ["listener", "reader"]);
  const old = (await demo.fields()).password;
  const stopped = stopsDuring(demo, "demo/listener-1");
  const rotator = replacing(demo);
  await assert.rejects(demo.rotate({ rotator, ...stopped, wait: false }), { message: "Ctrl-C" });
  const journal = await demo.journal();
  assert.equal(journal.state, "observe-signers");
  assert.ok(Date.parse(journal.leaseUntil) <= Date.now() + 2000, "the lease is given back");
  const now = demo.world.usedBy("demo/reader-2");
  assert.ok(now !== old && now === demo.world.usedBy("demo/listener-1"));
  assert.deepEqual(accepted(demo), [now]);
  const told = demo.steps.filter(({ text }) => /stops once every consumer has the value/.test(text));
  assert.equal(told.length, 1);
  assert.equal((await demo.rotate({ rotator, wait: false })).state, "done");
});

test("a stop on the way back waits until everybody has the old value again", async (t) => {
  const demo = await bench.demo(t, "password", ["listener", "reader"]);
  const old = (await demo.fields()).password;
  const reader = demo.world.actors.get("demo/reader-2") ?? assert.fail();
  reader.rejects = ({ fields }) => fields.password !== old;
  let restarts = 0;
  const stop = new AbortController();
  const sinks = sinksWith(demo, "demo/listener-1", (sink) => ({
    async reload() {
      await sink.reload();
      if (++restarts === 2) stop.abort(new Error("Ctrl-C"));
    },
  }));
  const rotator = replacing(demo);
  await assert.rejects(demo.rotate({ rotator, sinks, signal: stop.signal, wait: false }), {
    message: "Ctrl-C",
  });
  for (const id of demo.world.actors.keys()) assert.equal(demo.world.usedBy(id), old, id);
  assert.equal((await demo.rotate({ rotator, wait: false })).state, "rolled-back");
});

test("a stop waits for nobody who does not take up the value, and for nothing where both are accepted", async (t) => {
  const demo = await bench.demo(t, "password", ["listener", "reader"]);
  const reader = demo.world.actors.get("demo/reader-2") ?? assert.fail();
  reader.isDeaf = true;
  const rotator = replacing(demo);
  const stopped = stopsDuring(demo, "demo/listener-1");
  await assert.rejects(demo.rotate({ rotator, ...stopped, wait: true }), { message: "Ctrl-C" });
  const journal = await demo.journal();
  assert.equal(journal.state, "deliver-signers");
  assert.match(journal.waiting ?? "", /demo\/reader-2 does not run the new value/);
  reader.isDeaf = false;
  assert.equal((await demo.rotate({ rotator, wait: false })).state, "done");
  const both = await bench.demo(t, "password", ["listener", "reader"]);
  const early = stopsDuring(both, "demo/listener-1");
  await assert.rejects(both.rotate({ ...early, wait: false }), { message: "Ctrl-C" });
  assert.equal((await both.journal()).state, "deliver-listeners");
});
