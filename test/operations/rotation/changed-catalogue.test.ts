import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Consumer, Secret } from "../../../model/model.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { statusOf } from "../../../operations/rotation/status.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { day } from "./quick.ts";
import { modelWith } from "./world.ts";

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
  const model = modelWith(demo.model, secret);
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
  // Told of a compromise it ends at once, and another one follows: the new value may be the one that leaked.
  const outcome = await goOn(demo, { ...done, ...retired }, { reason: "compromise", wait: true });
  assert.equal(outcome.state, "done");
  assert.equal(demo.world.accepted.size, 1);
});

/** The demo's consumers and another one, which reads what its listeners do and runs nothing yet. */
function joined(demo: Demo, role: Consumer["role"]): Consumer[] {
  const like = demo.secret.consumers.find((consumer) => consumer.role === "listener");
  assert.ok(like);
  const id = `demo/${role}-new`;
  demo.world.actors.set(id, { role, held: undefined, runs: undefined, reloads: 0 });
  const path = like.path.replace(like.name.split("/")[1] ?? "", `${role}-new`);
  return [...demo.secret.consumers, { ...like, id, name: id, role, path }];
}

for (const role of ["listener", "signer"] as const) {
  test(`a ${role} that joins under way runs the new value before the old one goes (R29)`, async (t) => {
    for (const isWaited of [true, false]) {
      const demo = await bench.demo(t, "hmac", ["signer", "listener", "listener"], overlap);
      const deaf = demo.world.actors.get("demo/listener-3");
      assert.ok(deaf);
      // Among the listeners, or while both are accepted.
      deaf.isDeaf = isWaited;
      const before = await demo.rotate({ wait: false });
      assert.equal(before.state, isWaited ? "deliver-listeners" : "drain");
      const consumers = joined(demo, role);
      deaf.isDeaf = false;
      const outcome = await goOn(demo, { ...done, consumers });
      assert.equal(outcome.state, "done");
      assert.deepEqual(demo.world.violations, []);
      assert.equal(demo.world.usedBy(`demo/${role}-new`), (await demo.fields()).primary);
    }
  });
}

test("a consumer that is taken out under way is not waited for, and that is noted", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener", "reader"], overlap);
  const gone = demo.world.actors.get("demo/reader-3");
  assert.ok(gone);
  gone.isDeaf = true;
  const before = await demo.rotate({ wait: false });
  assert.match(before.waiting ?? "", /demo\/reader-3 does not run/);
  demo.world.actors.delete("demo/reader-3");
  const consumers = demo.secret.consumers.filter(({ id }) => id !== "demo/reader-3");
  const outcome = await goOn(demo, { ...done, consumers });
  assert.equal(outcome.state, "done");
  assert.deepEqual(demo.world.violations, []);
  assert.match(
    outcome.notes.join(),
    /services\/hmac-\d+\/reader-3\/key is no consumer's path any more: whoever read it was not waited for/,
  );
});

test("who was given the new value and is no consumer any more is waited for on the way back, where it is seen to use it", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], overlap);
  await drained(demo);
  demo.world.users = ["a session of demo/reader-1"];
  const secret: Secret = { ...demo.secret, consumers: [] };
  const options = demo.options({ wait: false, secret, model: modelWith(demo.model, secret) });
  const outcome = await abortRotation({ ...options, why: "asked" });
  assert.equal(outcome.state, "rolling-back");
  assert.match(outcome.waiting ?? "", /^a session of demo\/reader-1 still use\(s\) the new value/);
  assert.equal(demo.world.accepted.size, 2);
  demo.world.users = [];
  const end = await rotate(options);
  assert.equal(end.state, "rolled-back");
  assert.match(
    end.notes.join(),
    /no consumer's path any more: whoever read it was not given the old value back/,
  );
});

test("a listener that becomes a signer before all listeners have the new value signs with the old one again (R29)", async (t) => {
  for (const state of ["deliver-listeners", "observe-listeners"] as const) {
    const demo = await bench.demo(t, "hmac", ["signer", "listener", "listener"], overlap);
    const [changed, last] = ["demo/listener-2", "demo/listener-3"].map((id) => demo.world.actors.get(id));
    assert.ok(changed && last);
    const old = demo.world.usedBy("demo/signer-1");
    if (state === "deliver-listeners") last.isDeaf = true;
    else last.rejects = () => true;
    const stop = new AbortController();
    const report: RotateOptions["report"] = ({ step }) => {
      if (step === "observe-listeners") stop.abort();
    };
    await demo.rotate({ wait: false, report, signal: stop.signal }).catch(() => {});
    assert.equal((await demo.journal()).state, state);
    assert.notEqual(demo.world.usedBy("demo/listener-2"), old);
    const consumers = demo.secret.consumers.map((consumer) =>
      consumer.id === "demo/listener-2" ? { ...consumer, role: "signer" as const } : consumer,
    );
    last.rejects = () => false;
    const seen: (string | undefined)[] = [];
    const outcome = await goOn(
      demo,
      { ...done, consumers },
      {
        report: ({ step, text }) => {
          if (/^demo\/listener-2 gets/.test(text) || step === "deliver-signers") seen.push(text);
        },
      },
    );
    if (state === "deliver-listeners") {
      assert.match(outcome.waiting ?? "", /demo\/listener-3 does not run the new value/);
      assert.equal(demo.world.usedBy("demo/listener-2"), old, "while a listener lacks the new one");
      changed.role = "signer";
      last.isDeaf = false;
      demo.world.violations.length = 0;
      assert.equal((await goOn(demo, { ...done, consumers })).state, "done");
      assert.deepEqual(demo.world.violations, []);
    } else {
      assert.equal(outcome.state, "done");
      assert.equal(seen[0], "demo/listener-2 gets the old value");
    }
    assert.equal(demo.world.usedBy("demo/listener-2"), (await demo.fields()).primary);
  }
});

/** The demo's consumers after a rename of one of them, whose data lies where it lay. */
function renamed(demo: Demo, from: string, to: string): Consumer[] {
  const actor = demo.world.actors.get(from);
  assert.ok(actor);
  demo.world.actors.delete(from);
  demo.world.actors.set(to, actor);
  return demo.secret.consumers.map((one) => (one.id === from ? { ...one, id: to, name: to } : one));
}

test("a service that is renamed under way is the same one: it is not brought the value again", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], overlap);
  await drained(demo);
  const consumers = renamed(demo, "demo/reader-1", "demo/renamed");
  const outcome = await goOn(demo, { ...done, consumers });
  assert.equal(outcome.state, "done");
  assert.equal(demo.world.actors.get("demo/renamed")?.reloads, 1);
  assert.doesNotMatch(outcome.notes.join(), /no consumer's path/);
});

test("a service that is renamed under way and then probed is not said to be unprobed under its former name (R46)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], overlap);
  const stop = new AbortController();
  const unprobed = () => ({ why: "its log is on another machine", acknowledged: false });
  const report: RotateOptions["report"] = ({ step }) => {
    if (step === "deliver-signers") stop.abort();
  };
  await demo.rotate({ wait: false, unprobed, probes: () => [], report, signal: stop.signal }).catch(() => {});
  assert.deepEqual((await demo.journal()).notProbed, [{ consumer: "demo/listener-2", acknowledged: false }]);
  const consumers = renamed(demo, "demo/listener-2", "demo/renamed");
  assert.equal((await goOn(demo, { ...done, consumers })).state, "done");
  assert.deepEqual((await demo.journal()).notProbed, []);
});
