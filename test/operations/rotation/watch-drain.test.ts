import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import type { Verdict, Watch } from "../../../operations/rotation/observer.ts";
import { type Rotator, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { later } from "./crash.ts";
import { day, quick, slow } from "./quick.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** What the world counts, but for what is said here. */
function judging({ subject }: Demo, says: (looks: number) => Verdict | Error | undefined) {
  const counting = subject.watch;
  assert.ok(counting);
  const seen = { looks: 0 };
  const watch: Watch = {
    ...counting,
    async judge(...asked) {
      const said = says(++seen.looks);
      if (said instanceof Error) throw said;
      return said ?? counting.judge(...asked);
    },
  };
  return { watch, seen };
}

test("error rates that rise while the old value drains roll back, before the overlap has passed (R48)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
  const old = await demo.fields();
  const first = await demo.rotate({ wait: false });
  assert.equal(first.state, "drain");
  // Whoever runs next looks, long before the overlap has passed.
  const wait = Date.parse(first.notBefore ?? "") - Date.now();
  assert.ok(wait > 0 && wait < 3_600_000, first.notBefore);
  demo.world.errors = 1;
  const back = await demo.rotate({ wait: false, ...quick });
  assert.deepEqual([back.id, back.state], [first.id, "rolled-back"]);
  assert.equal(back.failure, "errors rose: errors 0 → 1");
  assert.deepEqual(demo.world.violations, []);
  assert.deepEqual([...demo.world.accepted.keys()], [old.primary]);
});

test("rates are judged directly before the revocation, also after the question whether the old value is used (R48)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  const { rotator } = demo.subject;
  const rising: Rotator = {
    ...rotator,
    async idle(...asked) {
      demo.world.errors++;
      return rotator.idle(...asked);
    },
  };
  const outcome = await demo.rotate({ rotator: rising, ...quick });
  assert.equal(outcome.state, "rolled-back");
  assert.deepEqual([...demo.world.accepted.keys()], [old.password]);
});

test("what counted errors before and is silent after the switch rolls back once a start would be over (R48)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  const names = ["errors of demo/reader-1"];
  const gone = judging(demo, () => ({ state: "silent", names }));
  const outcome = await demo.rotate({ watch: gone.watch, ...quick });
  assert.equal(outcome.state, "rolled-back");
  assert.equal(
    outcome.failure,
    "answered before the new value and does not any more: errors of demo/reader-1",
  );
  assert.deepEqual([...demo.world.accepted.keys()], [old.password]);
  const starts = judging(demo, (looks) => (looks < 4 ? { state: "silent", names } : undefined));
  assert.equal((await demo.rotate({ watch: starts.watch, ...quick })).state, "done");
});

test("while the old value drains silence is no reason to go back, and nothing is revoked before it ends (R48)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], slow);
  let says: Verdict | Error | undefined;
  const { watch } = judging(demo, () => says);
  const manner = { watch, wait: false, ...quick };
  assert.equal((await demo.rotate(manner)).state, "drain");
  const blind = [
    { state: "silent" as const, names: ["errors of demo/reader-1"] },
    new TargetUnavailableError("what counts errors cannot be read here any more: a log"),
  ];
  for (const said of blind) {
    says = said;
    assert.match((await demo.rotate(manner)).waiting ?? "", /^both values are accepted until /);
  }
  const whole = await vaultClock(demo.options().vault);
  for (const [index, said] of blind.entries()) {
    says = said;
    const waits = await demo.rotate({ ...manner, clock: later(whole, (day + 60 * (index + 1)) * 1000) });
    assert.equal(waits.state, "drain");
    assert.match(waits.waiting ?? "", /errors of demo\/reader-1$|cannot be read here any more: a log$/);
    assert.ok(!demo.world.events.includes("refuse"));
  }
  says = undefined;
  assert.equal((await demo.rotate({ ...manner, clock: later(whole, (day + 300) * 1000) })).state, "done");
});

test("a compromise asks nothing that counts errors, whatever that would say (R21)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
  const { watch, seen } = judging(demo, () => ({ state: "raised", names: ["everything"] }));
  const outcome = await demo.rotate({ watch, reason: "compromise", wait: false });
  assert.deepEqual([outcome.state, seen.looks], ["done", 0]);
});
