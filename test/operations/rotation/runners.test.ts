import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Vault } from "../../../clients/vault.ts";
import { advancing, vaultClock } from "../../../operations/rotation/clock.ts";
import { abortRotation, resumeRotation } from "../../../operations/rotation/engine.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { readJournal, writeJournal } from "../../../operations/rotation/journal-store.ts";
import { Lease, LeaseLostError, usualLease } from "../../../operations/rotation/lease.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { Calls } from "./counted.ts";
import { later } from "./crash.ts";
import { halted } from "./halted.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const minutes = 60_000;

/** Waits until something is so. */
async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await is()); await sleep(5)) {
    if (Date.now() > end) throw new Error("it never came to that");
  }
}

test("five runners on one secret make one rotation between them: one acts, the others follow it to its end", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "listener"]);
  const ended = await Promise.all(Array.from({ length: 5 }, () => demo.rotate()));
  assert.deepEqual([...new Set(ended.map(({ id, state }) => `${id} ${state}`))], [`${ended[0]?.id} done`]);
  assert.deepEqual(
    demo.world.events.filter((event) => event === "make" || event === "refuse"),
    ["make", "refuse"],
  );
});

test("who does not wait is told who is at it, and until when at least", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { subject, reached, go } = halted(t, demo, "stage");
  const first = demo.rotate({ ...subject, owner: "the first" });
  await reached;
  const second = await demo.rotate({ wait: false });
  assert.equal(second.busy?.owner, "the first");
  assert.equal(second.waiting, "the first is at it (stage)");
  assert.equal(second.state, "stage");
  go();
  assert.equal((await first).id, second.id);
});

test("of two that write the journal at once one gets the lease, and nothing is lost", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { secret, model } = demo;
  const at = { vault: bench.vault, model };
  const kept = await readJournal(at, secret);
  assert.ok(kept.journal);
  const { journal } = kept;
  const clock = await vaultClock(bench.vault);
  const take = (owner: string) =>
    Lease.take({ ...at, secret, clock, owner, times: usualLease }, { ...journal, state: "stage" }, kept);
  const takes = await Promise.allSettled(["a", "b", "c"].map(take));
  const [lease, ...more] = takes.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  assert.equal(more.length, 0);
  const refused = takes.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  assert.equal(refused.filter((error) => error instanceof LeaseLostError).length, 2);
  assert.equal((await readJournal(at, secret)).journal?.owner, lease?.journal.owner);
  await lease?.release({ state: "done" });
});

test("a runner that could not renew its lease stops before its next call; the one that took over ends it alone", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const calls = new Calls();
  const { subject, reached, go } = halted(t, demo, "idle");
  // Its renewals do not get through: as a runner that was suspended, or cut off from Vault.
  const cut = subject.vault.with(subject.vault.token);
  let isCut = false;
  cut.request = async (...given) => {
    if (isCut) throw new Error("cut off");
    return subject.vault.request(...given);
  };
  const stalled = demo.rotate({
    ...calls.wrap({ ...subject, vault: cut }),
    wait: false,
    lease: { lasts: 2500, call: 500 },
    owner: "the stalled",
  });
  stalled.catch(() => {});
  const signal = await reached;
  isCut = true;
  const seen = calls.all.length;
  const clock = later(await vaultClock(bench.vault), 10_000);
  const other = await demo.rotate({ wait: false, clock });
  assert.equal(other.state, "done");
  await until(() => signal.aborted);
  assert.ok(signal.reason instanceof LeaseLostError);
  go();
  const outcome = await stalled.catch((error: Error) => error);
  assert.ok(outcome instanceof Error || outcome.state === "done", String(outcome));
  const acted = calls.all.slice(seen).filter(({ name }) => !name.startsWith("vault"));
  assert.deepEqual(acted, []);
  assert.deepEqual(demo.world.violations, []);
  assert.equal(demo.world.events.filter((event) => event === "refuse").length, 1);
});

test("no call begins with less of the lease left than it may take", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const at = { vault: bench.vault, model: demo.model };
  const kept = await readJournal(at, demo.secret);
  assert.ok(kept.journal);
  let ahead = 0;
  const clock = { now: () => new Date(Date.now() + ahead), sleep: async () => {} };
  const where = { ...at, secret: demo.secret, clock, owner: "a", times: usualLease };
  const lease = await Lease.take(where, kept.journal, kept);
  const versionOf = async () => (await readJournal(at, demo.secret)).version;
  const taken = await versionOf();
  ahead = 20_000;
  await lease.ready();
  assert.equal(await versionOf(), taken, "40 s are enough for a call of 35");
  ahead = 30_000;
  await lease.ready();
  assert.equal(await versionOf(), taken + 1);
  assert.ok(lease.left > 55_000);
  await lease.release();
});

test("a lease that cannot be renewed is lost while others may not take it yet: what it has running can be ended", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const vault = bench.vault.with(bench.vault.token);
  const at = { vault, model: demo.model };
  const kept = await readJournal(at, demo.secret);
  assert.ok(kept.journal);
  let ahead = 0;
  const began = Date.now();
  const clock = { now: () => new Date(began + ahead), sleep: async () => {} };
  t.mock.timers.enable({ apis: ["setInterval"] });
  const where = { ...at, secret: demo.secret, clock, owner: "a", times: usualLease };
  const lease = await Lease.take(where, kept.journal, kept);
  vault.request = async () => Promise.reject(new Error("cut off"));
  for (const [passed, isLost] of [
    [44_000, false],
    [49_000, false],
    [54_000, true],
  ] as const) {
    ahead = passed;
    t.mock.timers.tick(5000);
    assert.equal(lease.signal.aborted, isLost, `after ${passed} ms`);
  }
  assert.equal(lease.left, 6000);
  assert.ok(lease.signal.reason instanceof LeaseLostError);
});

test("a lease is renewed while one call takes longer than it lasts, and nobody takes over", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { subject, reached, go } = halted(t, demo, "stage");
  const first = demo.rotate({ ...subject, owner: "the slow", lease: { lasts: 2000, call: 200 } });
  await reached;
  const started = await demo.journal();
  await until(
    async () => Date.parse((await demo.journal()).leaseUntil) > Date.parse(started.leaseUntil) + 1800,
  );
  const other = await demo.rotate({ wait: false });
  assert.equal(other.busy?.owner, "the slow");
  go();
  assert.equal((await first).state, "done");
});

for (const skew of [5 * minutes, -5 * minutes]) {
  test(`a runner whose clock is ${skew / minutes} min off takes nobody's lease, cuts no overlap and writes Vault's time`, async (t) => {
    const overlap = { rotate: { by: "machine", overlap: 120, onCompromise: true } } as const;
    const demo = await bench.demo(t, "hmac", ["signer", "listener"], overlap);
    const skewed = await vaultClock(bench.vault, () => Date.now() + skew);
    const { subject, reached, go } = halted(t, demo, "stage");
    const first = demo.rotate({ ...subject, owner: "the punctual", wait: false });
    await reached;
    const second = await demo.rotate({ wait: false, clock: skewed });
    assert.equal(second.busy?.owner, "the punctual");
    go();
    await first;
    const third = await demo.rotate({ wait: false, clock: skewed, owner: "the skewed" });
    assert.equal(third.state, "drain");
    assert.match(third.waiting ?? "", /^both values are accepted until/);
    assert.equal(demo.world.accepted.size, 2);
    const { owner, leaseUntil, switchedAt } = await demo.journal();
    assert.equal(owner, "the skewed");
    for (const time of [leaseUntil, switchedAt ?? ""]) {
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 30_000, `${time} is not Vault's time`);
    }
  });
}

test("whoever has the lease is asked to roll back, and does", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  const { subject, reached, go } = halted(t, demo, "stage");
  const first = demo.rotate({ ...subject, owner: "the first" });
  await reached;
  const asked = await abortRotation({ ...demo.options({ wait: false }), why: "ada says no" });
  assert.equal(asked.busy?.owner, "the first");
  go();
  const outcome = await first;
  assert.deepEqual([outcome.state, outcome.failure], ["rolled-back", "ada says no"]);
  assert.deepEqual(await demo.fields(), old);
  assert.deepEqual([...demo.world.accepted.keys()], [old.password]);
});

test("asked for haste in the moment in which it gives the lease back, a runner goes on at once (R21)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], {
    rotate: { by: "machine", overlap: 86_400, onCompromise: true },
  });
  let asked: Outcome | undefined;
  const vault = bench.vault.with(bench.vault.token);
  const request: Vault["request"] = async (method, path, options) => {
    const isGivenBack = /"state":"drain".*"waiting"/.test(JSON.stringify(options?.body ?? ""));
    if (asked === undefined && isGivenBack) asked = await demo.rotate({ reason: "compromise", wait: false });
    return bench.vault.request<never>(method, path, options);
  };
  vault.request = request;
  const outcome = await demo.rotate({ vault, owner: "the first", wait: false });
  assert.equal(asked?.busy?.owner, "the first");
  assert.deepEqual([outcome.state, outcome.reason], ["done", "compromise"]);
  assert.notEqual(outcome.id, asked?.id, "another one has followed");
});

test("a run that is interrupted gives the lease back, and another one goes on at once", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  demo.world.users = ["host-7"];
  const stop = new AbortController();
  const first = demo.rotate({ signal: stop.signal });
  first.catch(() => {});
  await until(async () => (await demo.journal()).waiting?.startsWith("host-7") === true);
  stop.abort(new Error("interrupted"));
  await assert.rejects(first, /^Error: interrupted/);
  demo.world.users = [];
  const outcome = await resumeRotation(demo.options({ wait: false }));
  assert.equal(outcome.state, "done");
});

test("resuming begins nothing", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const outcome = await resumeRotation(demo.options());
  assert.deepEqual([outcome.unchanged, outcome.state, outcome.reason], [true, "done", "first"]);
  assert.deepEqual(demo.world.events, []);
});

test("a journal that was deleted is begun anew after its last version", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  await bench.server.root.delete(`kv/data/${demo.secret.journal}`);
  assert.equal((await demo.rotate()).state, "done");
  const read: Journal = await demo.journal();
  assert.deepEqual(read.history, []);
});

test("what somebody without the lease writes into a journal does not stop its runner", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { subject, reached, go } = halted(t, demo, "stage");
  const first = demo.rotate(subject);
  await reached;
  const at = { vault: bench.server.root, model: demo.model };
  const { journal, version } = await readJournal(at, demo.secret);
  assert.ok(journal);
  await writeJournal(at, demo.secret, { ...journal, reason: "compromise" }, version);
  go();
  const outcome = await first;
  assert.deepEqual([outcome.state, outcome.reason], ["done", "compromise"]);
});

test("a runner whose host was set back by five minutes renews its lease in time, and notices when it ran out", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const at = { vault: bench.vault, model: demo.model };
  const kept = await readJournal(at, demo.secret);
  assert.ok(kept.journal);
  let [wall, steady] = [Date.now(), 0];
  const local = advancing(
    () => wall,
    () => steady,
  );
  const clock = await vaultClock(bench.vault, local);
  const lease = await Lease.take(
    { ...at, secret: demo.secret, clock, owner: "a", times: usualLease },
    kept.journal,
    kept,
  );
  t.after(() => lease.end());
  const versionOf = async () => (await readJournal(at, demo.secret)).version;
  const taken = await versionOf();
  [wall, steady] = [wall - 5 * minutes + 30_000, steady + 30_000];
  assert.ok(lease.left < 31_000, `${lease.left} ms`);
  await lease.ready();
  assert.equal(await versionOf(), taken + 1, "less is left than a call may take");
  // Vault, whose own clock did not move, has just set the time right.
  [wall, steady] = [wall + 120_000, steady + 120_000];
  assert.ok(lease.left < 0, `${lease.left} ms`);
});

for (const [where, holds] of [
  ["has made its value", true],
  ["has made none yet", false],
] as const) {
  test(`a compromise told while a compromise's rotation ${where} is ${holds ? "followed by another rotation" : "the same one"} (R21)`, async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const { rotator } = demo.subject;
    let told: Outcome | undefined;
    const tell = async () => {
      told ??= await demo.rotate({ reason: "compromise", wait: false, owner: "the second" });
    };
    const telling: Subject = {
      ...demo.subject,
      rotator: {
        ...rotator,
        ...(holds
          ? {
              stage: async (...given: Parameters<typeof rotator.stage>) =>
                tell().then(() => rotator.stage(...given)),
            }
          : {
              create: async (...given: Parameters<typeof rotator.create>) =>
                tell().then(() => rotator.create(...given)),
            }),
      },
    };
    const outcome = await demo.rotate({ ...telling, reason: "compromise", owner: "the first" });
    assert.equal(told?.busy?.owner, "the first");
    assert.equal(outcome.state, "done");
    const { history, followedBy } = await demo.journal();
    // The first value was a rotation as well.
    assert.deepEqual([history.length, followedBy], [holds ? 2 : 1, undefined]);
  });
}
