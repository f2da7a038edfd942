import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bundleOf } from "../../../operations/delivery/bundle.ts";
import { DeliveryError, type Running, type Sink, UnreachedError } from "../../../operations/delivery/sink.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { sinksWith } from "./sinks-with.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** A consumer that ends where it starts with another value than the one in force. */
async function endsWithAnother(demo: Demo, id: string): Promise<Record<string, string>> {
  const old = await demo.fields();
  const actor = demo.world.actors.get(id);
  assert.ok(actor);
  const value = old.primary ?? old.password;
  actor.ends = ({ fields }) => (fields.primary ?? fields.password) !== value;
  return old;
}

for (const fails of [false, true]) {
  const how = fails ? "whose restart fails" : "that ends";
  test(`a listener ${how} with the new value is rolled back before any signer has it, and runs the old one again (R29)`, async (t) => {
    const demo = await bench.demo(t, "hmac", ["listener", "listener", "signer"]);
    const old = await endsWithAnother(demo, "demo/listener-2");
    const sinks = sinksWith(demo, "demo/listener-2", (sink) => ({
      async reload() {
        await sink.reload();
        if (fails && demo.world.actors.get("demo/listener-2")?.isDown) {
          throw new DeliveryError("`supervisorctl restart` failed with exit status 7");
        }
      },
    }));
    const outcome = await demo.rotate({ sinks, probes: () => [], wait: false });
    assert.equal(outcome.state, "rolled-back", outcome.waiting);
    assert.match(
      outcome.failure ?? "",
      fails
        ? /^demo\/listener-2, .*: it ran before, and does not with the new value: `supervisorctl restart` failed/
        : /^demo\/listener-2, .*: it ran before, and does not with the new value: it does not run/,
    );
    assert.deepEqual(demo.world.violations, []);
    for (const id of demo.world.actors.keys()) assert.equal(demo.world.usedBy(id), old.primary, id);
    assert.equal(demo.world.actors.get("demo/signer-3")?.reloads, 0);
  });
}

test("a reader that ends only after it was seen to run the new value is rolled back as well", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await endsWithAnother(demo, "demo/reader-1");
  const actor = demo.world.actors.get("demo/reader-1") ?? assert.fail();
  let isSeen = false;
  const sinks = sinksWith(demo, "demo/reader-1", (sink) => ({
    async running(secret, version): Promise<Running> {
      const running = await sink.running(secret, version);
      // For a moment it runs.
      if (actor.isDown !== true || isSeen) return running;
      isSeen = true;
      return { state: "runs", version, how: "it has just started" };
    },
  }));
  const outcome = await demo.rotate({ sinks, probes: () => [], wait: false });
  assert.equal(outcome.state, "rolled-back", outcome.waiting);
  assert.equal(demo.world.usedBy("demo/reader-1"), old.password);
});

test("a service that did not run before either is waited for: its end says nothing of the value", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const actor = demo.world.actors.get("demo/reader-1") ?? assert.fail();
  actor.ends = () => true;
  actor.isDown = true;
  const outcome = await demo.rotate({ probes: () => [], wait: false });
  assert.equal(outcome.state, "deliver-signers");
  assert.match(outcome.waiting ?? "", /it does not run/);
  actor.ends = () => false;
  assert.equal((await demo.rotate({ probes: () => [], wait: false })).state, "done");
});

const patience = { pickUp: 800, probe: 400, poll: { first: 5, longest: 50 }, again: 100 };
const elsewhere = "this machine is not the service's host";
const refusal = new UnreachedError(elsewhere);
const unseen: Running = { state: "unobservable", why: elsewhere, mayBeSeen: true };

/** As a service under `keyplane run`: once it has ended nothing can be brought it, and nobody sees it. */
function underRun(demo: Demo, id: string): (sink: Sink) => Partial<Sink> {
  const isGone = () => demo.world.actors.get(id)?.isDown === true;
  return (sink) => ({
    unreached: async () => (isGone() ? refusal : undefined),
    running: async (secret, version) => (isGone() ? unseen : sink.running(secret, version)),
  });
}

test("`keyplane run` that ends with the new value: the old one is not revoked, and everybody else gets it back (R29)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "reader"]);
  const old = await endsWithAnother(demo, "demo/reader-2");
  const sinks = sinksWith(demo, "demo/reader-2", underRun(demo, "demo/reader-2"));
  const first = await demo.rotate({ sinks, probes: () => [], wait: false });
  assert.equal(first.state, "rolling-back");
  assert.match(
    first.failure ?? "",
    /it ran before, and does not with the new value: .*not the service's host/,
  );
  assert.match(first.waiting ?? "", /demo\/reader-2 does not run the old value: .*it could be seen before/);
  assert.ok(demo.world.accepted.has(old.password ?? ""));
  // A person starts it again: with what Vault has for it, which is the old value.
  const actor = demo.world.actors.get("demo/reader-2") ?? assert.fail();
  actor.isDown = false;
  assert.equal((await demo.rotate({ sinks, probes: () => [], wait: false })).state, "rolled-back");
  for (const id of demo.world.actors.keys()) assert.equal(demo.world.usedBy(id), old.password, id);
});

test("a platform that does not answer for a moment is asked again, and one that stays silent lets nothing be revoked", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  const version = demo.world.actors.get("demo/reader-1")?.runs?.version ?? 0;
  let silent = 0;
  const sinks = sinksWith(demo, "demo/reader-1", (sink) => ({
    async running(secret, asked) {
      if (asked > version && silent-- > 0) return { ...unseen, why: "`docker` failed with exit status 1" };
      return sink.running(secret, asked);
    },
  }));
  silent = Number.POSITIVE_INFINITY;
  const first = await demo.rotate({ sinks, probes: () => [], wait: false });
  assert.match(first.waiting ?? "", /it could be seen before, and cannot now: `docker` failed/);
  assert.ok(demo.world.accepted.has(old.password ?? ""));
  silent = 3;
  const second = await demo.rotate({ sinks, probes: () => [], wait: false });
  assert.equal(second.state, "done", second.waiting);
  assert.deepEqual(second.notes, []);
});

const twoSeconds = { rotate: { by: "machine", overlap: 2, onCompromise: true } } as const;

/** Run on a service's host as far as it goes: to where the overlap is waited for. */
async function drains(demo: Demo): Promise<void> {
  const first = await demo.rotate({ wait: false, host: "here", patience: { ...patience, pickUp: 100 } });
  assert.equal(first.state, "drain");
}

/** Gone on with on a host that cannot see it. */
function unseenFrom(demo: Demo, host: string) {
  const sinks = sinksWith(demo, "demo/reader-1", () => ({
    unreached: async () => refusal,
    running: async () => unseen,
  }));
  return demo.rotate({ wait: false, host, sinks, patience: { ...patience, pickUp: 3000 } });
}

test("on the same host, what ran the new value and cannot be seen any more keeps the old one from being revoked", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], twoSeconds);
  const old = await demo.fields();
  await drains(demo);
  const second = await unseenFrom(demo, "here");
  assert.equal(second.state, "drain");
  assert.match(second.waiting ?? "", /demo\/reader-1 does not run the new value: .*not the service's host/);
  assert.ok(demo.world.accepted.has(old.password ?? ""));
  assert.equal((await demo.rotate({ wait: false, host: "here" })).state, "done");
});

test("another machine goes on with what the services' own host saw to run the new value", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], twoSeconds);
  const old = await demo.fields();
  await drains(demo);
  const second = await unseenFrom(demo, "elsewhere");
  assert.equal(second.state, "done", second.waiting);
  assert.ok(!demo.world.accepted.has(old.password ?? ""));
});

test("another machine that does not see who was seen on its host gives it its time to settle, and notes it as unseen", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  const broken = sinksWith(demo, "demo/reader-1", () => ({
    write: () => Promise.reject(new DeliveryError("the disk is full")),
  }));
  const begins = demo.rotate({ wait: false, host: "here", sinks: broken });
  await assert.rejects(begins, { name: "DeliveryError" });
  assert.deepEqual(Object.values((await demo.journal()).seenOn ?? {}), [["here"]]);
  // It fetches for itself.
  const sinks = sinksWith(demo, "demo/reader-1", (sink) => ({
    async reload() {
      await sink.write(await bundleOf(demo.subject.vault, demo.model, "demo/reader-1"));
      await sink.reload();
    },
    write: async () => false,
    running: async () => unseen,
  }));
  const second = await demo.rotate({ wait: false, host: "elsewhere", sinks, reason: "compromise" });
  assert.equal(second.state, "done", second.waiting);
  assert.equal(Object.keys((await demo.journal()).unseen ?? {}).length, 1);
  assert.match(
    second.notes.join(),
    /demo\/reader-1, .*: which version it runs cannot be seen \(this machine is/,
  );
  assert.ok(!demo.world.accepted.has(old.password ?? ""));
});
