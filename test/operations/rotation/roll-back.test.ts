import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { abortRotation, NoWayBackError } from "../../../operations/rotation/engine.ts";
import type { Watch } from "../../../operations/rotation/observer.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import { type Rotator, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { usualPatience } from "../../../operations/rotation/run.ts";
import { subjectOf } from "../../../operations/rotation/runner.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { later } from "./crash.ts";
import { day, quick, slow } from "./quick.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Everything is as before, the failure is told, and nothing of the new value is left. */
async function assertBack(demo: Demo, outcome: Outcome, old: Record<string, string>): Promise<void> {
  const { world } = demo;
  const used = old.primary ?? old.password ?? "";
  assert.equal(outcome.state, "rolled-back");
  assert.deepEqual(world.violations, []);
  assert.deepEqual([...world.accepted.keys()], [used]);
  assert.deepEqual(await demo.fields(), old);
  for (const id of world.actors.keys()) assert.equal(world.usedBy(id), used, id);
  for (const [path, versions] of Object.entries(await demo.left())) assert.equal(versions.length, 1, path);
}

for (const kind of ["hmac", "password"] as const) {
  test(`a new value that the target refuses (${kind}) is taken back before any consumer sees it`, async (t) => {
    const demo = await bench.demo(t, kind, ["signer", "reader", "listener"]);
    const old = await demo.fields();
    demo.world.makesBadKeys = true;
    const outcome = await demo.rotate();
    await assertBack(demo, outcome, old);
    assert.equal(outcome.failure, "the target refuses the new value");
    for (const { reloads } of demo.world.actors.values()) assert.equal(reloads, 0);
  });
}

test("a new value that one listener rejects is taken back before any signer sees it (R29)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener", "listener"]);
  const old = await demo.fields();
  const picky = demo.world.actors.get("demo/listener-4");
  assert.ok(picky);
  picky.rejects = ({ fields }) => fields.primary !== old.primary;
  const outcome = await demo.rotate();
  await assertBack(demo, outcome, old);
  assert.equal(outcome.failure, "demo/listener-4, /health: it is not healthy");
  assert.equal(demo.world.actors.get("demo/signer-1")?.reloads, 0);
  assert.equal(demo.world.actors.get("demo/listener-3")?.reloads, 2, "forth and back");
});

test("error rates that rise after the switch roll back, signers first and listeners last (R48)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"]);
  const old = await demo.fields();
  demo.world.errorsRise = true;
  const outcome = await demo.rotate();
  await assertBack(demo, outcome, old);
  assert.match(outcome.failure ?? "", /^errors rose: errors 0 → 1/);
  const reloads = demo.world.events.filter((event) => event.startsWith("reload"));
  assert.deepEqual(
    reloads.map((event) => event.split("/")[1]),
    [
      ...["listener-3", "reader-2", "reader-2", "signer-1"],
      ...["signer-1", "reader-2", "reader-2", "listener-3"],
    ],
  );
});

test("a password with one value goes back to who checks it first: its clients would not come up before that (R27)", async (t) => {
  const demo = await bench.demo(t, "password", ["signer", "listener", "reader"]);
  const old = await demo.fields();
  demo.world.errorsRise = true;
  await assertBack(demo, await demo.rotate(), old);
  const reloads = demo.world.events.filter((event) => event.startsWith("reload"));
  assert.deepEqual(
    reloads.map((event) => event.split("/")[1]),
    [...["listener-2", "reader-3", "signer-1"], ...["listener-2", "signer-1", "reader-3"]],
  );
});

test("where nothing that counts errors answers before, it is waited for, then told: no rotation passes for watched (R48)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const counting = demo.subject.watch;
  assert.ok(counting);
  let isAway = true;
  const watch: Watch = {
    ...counting,
    async baseline(...asked) {
      if (isAway) throw new TargetUnavailableError("nothing that counts errors answers: a");
      return counting.baseline(...asked);
    },
    unanswered: (baseline) => (Object.keys(baseline).length === 0 ? ["a", "b"] : ["b"]),
  };
  const impatient = { ...quick, patience: { ...usualPatience, again: 100 } };
  const waits = await demo.rotate({ watch, wait: false, ...impatient });
  assert.equal(waits.state, "stage");
  assert.equal(waits.waiting, "nothing that counts errors answers: a");
  assert.ok(!demo.world.events.includes("accept"), "nothing is changed at the target before");
  isAway = false;
  const some = await demo.rotate({ watch, wait: false });
  assert.deepEqual(some.notes, ["did not answer before the rotation, so that it was not watched: b"]);
  assert.equal((await demo.journal()).notWatched, undefined);
  isAway = true;
  const none = await demo.rotate({ watch, wait: true });
  assert.equal(none.state, "done");
  assert.deepEqual(none.notes, ["did not answer before the rotation, so that it was not watched: a, b"]);
  assert.equal((await demo.journal()).notWatched, true);
  const said = demo.steps.map(({ text }) => text);
  assert.ok(said.includes("error rates were not watched: nothing that counts errors answered before"));
});

test("on a machine without Vault's audit file nothing that has only that passes for watched (R48, R25)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const [reader] = demo.secret.consumers;
  assert.ok(reader);
  const role = { name: "demo.reader", service: reader.id, deliveredBy: "ada", policies: [], cidrs: [] };
  const times = { secretIdTtl: 1, secretIdUses: 1, ttl: 1, maxTtl: 1 };
  const audited = (file_path: string) => ({
    ...{
      vault: bench.vault,
      by: "test",
      report: () => {},
      host: { runs: "/nowhere/run" },
      signal: new AbortController().signal,
    },
    model: {
      ...demo.model,
      appRoles: [{ ...role, ...times }],
      vault: {
        ...demo.model.vault,
        audit: [{ name: "file", type: "file" as const, options: { file_path } }],
      },
    },
  });
  const { watch: blind } = await subjectOf(audited("/nowhere/vault/audit.log"), demo.secret);
  const { watch: seeing } = await subjectOf(audited(bench.server.auditFile), demo.secret);
  assert.ok(blind && seeing);
  assert.equal((await demo.rotate({ watch: blind, ...quick })).state, "done");
  assert.equal((await demo.journal()).notWatched, true);
  assert.equal((await demo.rotate({ watch: seeing, ...quick })).state, "done");
  assert.equal((await demo.journal()).notWatched, undefined);
});

test("error rates that rise while listeners get the new value roll back before any signer sees it (R48)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  const old = await demo.fields();
  const listener = demo.world.actors.get("demo/listener-2");
  assert.ok(listener);
  listener.rejects = () => {
    demo.world.errors++;
    return false;
  };
  const outcome = await demo.rotate();
  await assertBack(demo, outcome, old);
  assert.match(outcome.failure ?? "", /^errors rose/);
  assert.equal(demo.world.actors.get("demo/signer-1")?.reloads, 0);
});

test("a rotation that waits can be aborted, and everybody has the old value again", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"], slow);
  const old = await demo.fields();
  assert.equal((await demo.rotate({ wait: false })).state, "drain");
  const outcome = await abortRotation({ ...demo.options(), why: "ada wants it back" });
  await assertBack(demo, outcome, old);
  assert.equal(outcome.failure, "ada wants it back");
});

test("once the old value is revoked there is no way back, and it is said", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  demo.world.forgets = 99;
  const stuck = await demo.rotate({ wait: false });
  assert.deepEqual(
    [stuck.state, stuck.isStuck, stuck.waiting],
    ["verify", true, "the target still accepts the old value"],
  );
  await assert.rejects(abortRotation({ ...demo.options(), why: "no" }), (error: Error) => {
    assert.ok(error instanceof NoWayBackError);
    assert.match(error.message, /may be revoked already \(verify\)/);
    return true;
  });
  demo.world.forgets = 0;
  assert.equal((await demo.rotate({ wait: false })).state, "done");
  assert.equal(demo.world.accepted.size, 1);
});

test("an old value that is still accepted is revoked again before it is called stuck", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  demo.world.forgets = 2;
  assert.equal((await demo.rotate({ wait: false })).state, "done");
  assert.equal(demo.world.events.filter((event) => event === "refuse").length, 3);
});

test("a new value that the target goes on accepting after rolling back is revoked until it is refused", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const old = await demo.fields();
  demo.world.makesBadKeys = true;
  demo.world.forgets = 99;
  const stuck = await demo.rotate({ wait: false });
  assert.deepEqual([stuck.state, stuck.isStuck], ["rolling-back", true]);
  demo.world.forgets = 0;
  await assertBack(demo, await demo.rotate({ wait: false }), old);
});

test("a consumer that does not take the old value back blocks the revocation of the new one and is named", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  const signer = demo.world.actors.get("demo/signer-1");
  assert.ok(signer);
  signer.isDeaf = true;
  const stuck = await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  assert.equal(stuck.state, "rolling-back");
  assert.match(stuck.waiting ?? "", /^demo\/signer-1 does not run the old value: /);
  assert.equal(demo.world.accepted.size, 2);
  signer.isDeaf = false;
  await assertBack(demo, await demo.rotate({ wait: false }), old);
});

test("who still uses the new value is named and not cut off within an overlap after everybody had the old one back (R27)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader", "listener"], slow);
  const { world } = demo;
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  world.users = ["pool-7", "worker-9"];
  const waits = await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  assert.equal(waits.state, "rolling-back");
  assert.equal(waits.waiting, "pool-7, worker-9 still use(s) the new value: seen now");
  assert.equal(world.accepted.size, 2);
  for (const id of world.actors.keys()) assert.equal(world.usedBy(id), old.password, id);
  world.users = [];
  const outcome = await demo.rotate({ wait: false });
  await assertBack(demo, outcome, old);
  assert.deepEqual(outcome.notes, []);
});

test("a roll back ends: who still uses the new value an overlap later is named in the journal, and cut off", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], slow);
  const { world } = demo;
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  world.users = ["pool-7"];
  await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  const soon = later(await vaultClock(demo.options().vault), (day - 600) * 1000);
  assert.equal((await demo.rotate({ wait: false, clock: soon })).state, "rolling-back");
  const clock = later(await vaultClock(demo.options().vault), (day + 60) * 1000);
  const outcome = await demo.rotate({ wait: false, clock });
  await assertBack(demo, outcome, old);
  assert.deepEqual(outcome.notes, ["pool-7 still used the new value when it was revoked: seen now"]);
});

test("of what has leaked nobody is waited for on the way back, and it is said", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], slow);
  const { world } = demo;
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  world.users = ["pool-7"];
  await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  // Another rotation follows; the one that was under way comes first.
  const outcome = await demo.rotate({ wait: false, reason: "compromise" });
  assert.equal(outcome.state, "done");
  assert.deepEqual(world.violations, []);
  assert.ok(!world.accepted.has(old.password ?? ""));
  const [first] = (await demo.journal()).history;
  assert.equal(first?.outcome, "rolled-back");
});

test("listeners keep the new key until nobody is seen to sign with it (R29)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
  const { world } = demo;
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  const next = await demo.fields();
  world.users = ["copy of the signer"];
  const waits = await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  assert.equal(waits.waiting, "copy of the signer still use(s) the new value: seen now");
  assert.equal(world.usedBy("demo/signer-1"), old.primary);
  assert.equal(world.usedBy("demo/listener-2"), next.primary);
  world.users = [];
  await assertBack(demo, await demo.rotate({ wait: false }), old);
});

test("where nothing shows whether the new value is used the way back ends all the same, and notes it", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"], slow);
  const old = await demo.fields();
  await demo.rotate({ wait: false });
  demo.world.idleness = "unknown";
  const outcome = await abortRotation({ ...demo.options({ wait: false }), why: "back" });
  await assertBack(demo, outcome, old);
  assert.deepEqual(outcome.notes, [
    "whether the new value was still used when it was revoked is not seen: nobody counts",
  ]);
});

test("a source that somebody else wrote meanwhile ends the rotation, and what the target made for it is removed", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { secret, world } = demo;
  const create = demo.subject.rotator.create;
  const rotator = {
    ...demo.subject.rotator,
    create: async (...given: Parameters<typeof create>) => {
      const fields = await create(...given);
      await bench.server.root.write(`kv/data/${secret.source}`, { data: { password: "of-somebody-else" } });
      return fields;
    },
  };
  const outcome = await demo.rotate({ rotator });
  assert.equal(outcome.state, "rolled-back");
  assert.match(outcome.failure ?? "", /^somebody else wrote version 2 of source\//);
  assert.equal(world.accepted.size, 1);
  assert.equal((await demo.fields()).password, "of-somebody-else");
  assert.deepEqual(world.violations, []);
});

test("a first value that fails its probe leaves nothing behind, and the next one is a first one again", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const name = "taken-back";
  const secret = {
    ...demo.secret,
    id: `${name}/key`,
    source: `source/${name}/key`,
    journal: `rotation/${name}/key`,
    consumers: demo.secret.consumers.map((consumer) => ({
      ...consumer,
      path: `services/${name}/reader/key`,
    })),
  };
  demo.world.makesBadKeys = true;
  const model = { ...demo.model, secrets: [secret] };
  const failed = await demo.rotate({ secret, model });
  assert.deepEqual([failed.state, failed.reason], ["rolled-back", "first"]);
  const { versions } = (await bench.server.root.read<{ versions: Record<string, { destroyed: boolean }> }>(
    `kv/metadata/${secret.source}`,
  )) ?? { versions: {} };
  assert.deepEqual(
    Object.values(versions).map(({ destroyed }) => destroyed),
    [true],
  );
  demo.world.makesBadKeys = false;
  const made = await demo.rotate({ secret, model });
  assert.deepEqual([made.state, made.reason, made.to], ["done", "first", 2]);
  assert.equal(demo.world.accepted.size, 2, "its own and the one of the demo");
});

test("a service that takes its time to be healthy is waited for, not rolled back", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const reader = demo.world.actors.get("demo/reader-1");
  assert.ok(reader);
  let asked = 0;
  reader.rejects = () => asked++ < 3;
  assert.equal((await demo.rotate({ wait: false })).state, "done");
  assert.equal(asked, 4);
});

test("what was re-encrypted goes back under the old value while both are accepted, before the new one is revoked (R23)", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], slow);
  const old = await demo.fields();
  const rows = { old: 5, next: 0 };
  const seen: string[] = [];
  const rotator: Rotator = {
    ...demo.subject.rotator,
    async migrate(_context, to, from) {
      const isForward = from.primary === old.primary;
      seen.push(`${isForward ? "forth" : "back"}, ${demo.world.accepted.size} accepted`);
      assert.equal(demo.world.accepted.has(to.primary ?? ""), true);
      const [source, target] = isForward ? (["old", "next"] as const) : (["next", "old"] as const);
      const piece = Math.min(2, rows[source]);
      rows[source] -= piece;
      rows[target] += piece;
      return { left: rows[source] };
    },
  };
  assert.equal((await demo.rotate({ rotator, wait: false })).state, "drain");
  assert.deepEqual(rows, { old: 0, next: 5 });
  assert.deepEqual(seen, Array(3).fill("forth, 2 accepted"));
  seen.length = 0;
  const outcome = await abortRotation({ ...demo.options({ rotator }), why: "back" });
  await assertBack(demo, outcome, old);
  assert.deepEqual(rows, { old: 5, next: 0 });
  assert.deepEqual(seen, Array(3).fill("back, 2 accepted"));
});

test("a re-encryption that does not get on is told, and nothing is revoked", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  let left = 40;
  const rotator: Rotator = {
    ...demo.subject.rotator,
    migrate: async () => ({ left, pass: { old: left, stalled: true } }),
  };
  const outcome = await demo.rotate({ rotator, wait: false });
  assert.equal(outcome.state, "migrate");
  assert.equal(outcome.waiting, "40 left under the old value, and they do not get fewer");
  assert.ok(!demo.world.events.includes("refuse"));
  left = 0;
  assert.equal((await demo.rotate({ rotator, wait: false })).state, "done");
});
