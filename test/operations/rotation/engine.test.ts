import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { JournalError } from "../../../operations/rotation/journal-store.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import { later } from "./crash.ts";
import { day, slow } from "./quick.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const brought = (name: string) => [`write demo/${name}`, `reload demo/${name}`];

test("brings a new key to listeners, then to readers and signers, and revokes the old one; each restarts as often as its values change (R26, R29, R34)", async (t) => {
  const { world, rotate, fields, left, journal } = await bench.demo(t, "hmac", [
    "signer",
    "reader",
    "listener",
    "listener",
  ]);
  const old = await fields();
  const outcome = await rotate();
  const now = await fields();
  assert.equal(outcome.state, "done");
  assert.deepEqual(world.violations, []);
  assert.notEqual(now.primary, old.primary);
  assert.equal(now.secondary, now.primary, "the old value is dropped");
  assert.deepEqual([...world.accepted.keys()], [now.primary]);
  assert.deepEqual(world.events, [
    "accept",
    ...["listener-3", "listener-4", "reader-2"].flatMap(brought),
    ...["reader-2", "signer-1"].flatMap(brought),
    "refuse",
    ...["listener-3", "listener-4", "reader-2"].flatMap(brought),
  ]);
  for (const versions of Object.values(await left())) assert.equal(versions.length, 1);
  assert.equal((await journal()).state, "done");
});

test("a value that the target makes goes to listeners first, then to all others, and only then the old one is refused", async (t) => {
  const { world, rotate, left } = await bench.demo(t, "password", ["reader", "reader", "listener"]);
  assert.equal((await rotate()).state, "done");
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.events, [
    "make",
    "accept",
    ...["listener-3", "reader-1", "reader-2"].flatMap(brought),
    "refuse",
  ]);
  assert.equal(world.accepted.size, 1);
  for (const versions of Object.values(await left())) assert.equal(versions.length, 1);
});

test("a first value is made, probed and brought to all, and nothing is revoked; a second `first` changes nothing", async (t) => {
  const { rotate, journal, world } = await bench.demo(t, "hmac", ["signer", "listener"]);
  const { state, reason, from, to } = await journal();
  assert.deepEqual({ state, reason, from, to }, { state: "done", reason: "first", from: 0, to: 1 });
  const again = await rotate({ reason: "first" });
  assert.equal(again.unchanged, true);
  assert.deepEqual(world.events, []);
});

test("without waiting it goes as far as it can, says until when, and whoever comes then goes on", async (t) => {
  const overlap = { rotate: { by: "machine", overlap: 2 * day, onCompromise: true } } as const;
  const { rotate, options, world } = await bench.demo(t, "hmac", ["signer", "listener"], overlap);
  const first = await rotate({ wait: false });
  assert.equal(first.state, "drain");
  assert.match(first.waiting ?? "", /^both values are accepted until 20/);
  assert.equal(first.waitsFor, "time");
  const end = Date.parse(first.waiting?.split(" until ")[1] ?? "");
  assert.ok(Math.abs(end - Date.now() - 2 * day * 1000) < 60_000, first.waiting);
  assert.equal(world.accepted.size, 2);
  const second = await rotate({ wait: false });
  assert.equal(second.id, first.id);
  assert.equal(second.state, "drain");

  const clock = later(await vaultClock(options().vault), 2 * day * 1000 + 60_000);
  const last = await rotate({ wait: false, clock });
  assert.deepEqual([last.id, last.state], [first.id, "done"]);
  assert.equal(world.accepted.size, 1);
});

test("a consumer that never picks up is named, gets no second reload, and blocks everything after it; it heals", async (t) => {
  const { rotate, world, journal } = await bench.demo(t, "hmac", ["signer", "listener", "listener"]);
  const deaf = world.actors.get("demo/listener-2");
  assert.ok(deaf);
  deaf.isDeaf = true;
  const outcome = await rotate({ wait: false });
  assert.equal(outcome.state, "deliver-listeners");
  assert.match(
    outcome.waiting ?? "",
    /^demo\/listener-2 does not run the new value: files of demo\/listener-2: /,
  );
  assert.equal((await journal()).waiting, outcome.waiting);
  const others = ["accept", "write demo/listener-2", "reload demo/listener-2"];
  assert.deepEqual([...new Set(world.events)], others, "nobody else got anything");
  assert.equal(world.events.filter((event) => event.startsWith("reload")).length, 1);
  deaf.isDeaf = false;
  assert.equal((await rotate({ wait: false })).state, "done");
  assert.deepEqual(world.violations, []);
});

test("whoever still uses the old value after the overlap is named, and nothing is revoked before it is unused", async (t) => {
  const { rotate, world } = await bench.demo(t, "password", ["reader"]);
  world.users = ["host-7", "host-9"];
  const outcome = await rotate({ wait: false });
  assert.equal(outcome.state, "drain");
  assert.match(outcome.waiting ?? "", /^host-7, host-9 still use/);
  assert.equal(outcome.waitsFor, undefined);
  assert.ok(!world.events.includes("refuse"));
  world.users = [];
  assert.equal((await rotate({ wait: false })).state, "done");
  assert.ok(world.events.includes("refuse"));
});

test("a consumer that was set back during the overlap is found before the revocation and brought the new value again", async (t) => {
  const { rotate, world } = await bench.demo(t, "password", ["reader"]);
  world.users = ["somebody"];
  const actor = world.actors.get("demo/reader-1");
  assert.ok(actor);
  const old = actor.runs;
  await rotate({ wait: false });
  world.users = [];
  actor.runs = old;
  actor.held = old;
  assert.equal((await rotate({ wait: false })).state, "done");
  assert.deepEqual(world.violations, []);
  assert.notEqual(actor.runs, old);
});

test("what a rotator cannot see the consumers' sinks show, where the catalogue names them; one that nobody sees blocks", async (t) => {
  const sinks = { idle: { source: "sinks" } } as const;
  const seen = await bench.demo(t, "password", ["reader", "reader"], sinks);
  seen.world.idleness = "unknown";
  assert.equal((await seen.rotate({ wait: false })).state, "done");
  const said = seen.steps.find(({ step }) => step === "revoke")?.text;
  assert.equal(
    said,
    "the old value is unused: its consumers' sinks: demo/reader-1, files of demo/reader-1: it says so; " +
      "demo/reader-2, files of demo/reader-2: it says so",
  );
  const blocked = await bench.demo(t, "password", ["reader", "reader"], sinks);
  blocked.world.idleness = "unknown";
  const hidden = blocked.world.actors.get("demo/reader-2");
  assert.ok(hidden);
  hidden.isHidden = true;
  const outcome = await blocked.rotate({ wait: false });
  assert.deepEqual([outcome.state, outcome.isStuck], ["drain", true]);
  assert.match(
    outcome.waiting ?? "",
    /is not known: it cannot be seen what these run: demo\/reader-2 \(files of demo\/reader-2: it shows nothing\); name another/,
  );
  assert.ok(!blocked.world.events.includes("refuse"));
});

test("an idleness that nobody knows blocks, unless the catalogue says that there is no source: then it is noted", async (t) => {
  const blocked = await bench.demo(t, "password", ["reader"]);
  blocked.world.idleness = "unknown";
  const outcome = await blocked.rotate({ wait: false });
  assert.deepEqual([outcome.state, outcome.isStuck], ["drain", true]);
  assert.match(outcome.waiting ?? "", /is not known: nobody counts/);
  const free = await bench.demo(t, "password", ["reader"], { idle: { source: "none" } });
  free.world.idleness = "unknown";
  const passed = await free.rotate({ wait: false });
  assert.equal(passed.state, "done");
  assert.match(passed.notes.join(), /idle: none/);
});

test("a first value whose runner ended between a path's value and its record stands there once", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const [reader] = demo.secret.consumers;
  assert.ok(reader);
  const at = (path: string) => `${path}-again`;
  const secret = {
    ...demo.secret,
    ...{ source: at(demo.secret.source), journal: at(demo.secret.journal) },
    consumers: [{ ...reader, path: at(reader.path) }],
  };
  const model = { ...demo.model, secrets: [secret] };
  const vault = bench.vault.with(bench.vault.token);
  vault.request = async (method, path, options) => {
    if (method !== "GET" && path === `kv/metadata/${at(reader.path)}`)
      throw new Error("the runner ends here");
    return bench.vault.request<never>(method, path, options);
  };
  await assert.rejects(demo.rotate({ reason: "first", secret, model, vault }), /the runner ends here/);
  assert.equal((await demo.rotate({ reason: "first", secret, model })).state, "done");
  const metadata = await bench.server.root.read<{ versions: Record<string, { destroyed: boolean }> }>(
    `kv/metadata/${at(reader.path)}`,
  );
  const destroyed = Object.values(metadata?.versions ?? {}).map((version) => version.destroyed);
  assert.deepEqual(destroyed, [true, false]);
});

test("a consumer that cannot be seen is accepted, and said so", async (t) => {
  const { rotate, world } = await bench.demo(t, "hmac", ["signer", "listener"]);
  const hidden = world.actors.get("demo/listener-2");
  assert.ok(hidden);
  hidden.isHidden = true;
  const outcome = await rotate();
  assert.equal(outcome.state, "done");
  assert.deepEqual(outcome.notes, [
    "demo/listener-2, files of demo/listener-2: which version it runs cannot be seen (it shows nothing)",
  ]);
  assert.equal(hidden.reloads, 2, "one for the new value, one for dropping the old one");
  assert.deepEqual(world.violations, []);
});

test("a declared probe that cannot be asked is noted and kept for evidence; once it is asked, nothing is missing (R26, R46)", async (t) => {
  const { rotate, journal } = await bench.demo(t, "hmac", ["signer", "listener"]);
  const left: Subject["unprobed"] = ({ id }) =>
    id === "demo/listener-2" ? { why: `${id} is not looked at`, acknowledged: false } : undefined;
  const outcome = await rotate({ unprobed: left, probes: () => [] });
  assert.equal(outcome.state, "done");
  assert.deepEqual(outcome.notes, ["not probed: demo/listener-2 is not looked at"]);
  assert.deepEqual((await journal()).notProbed, [{ consumer: "demo/listener-2", acknowledged: false }]);
  assert.deepEqual((await rotate()).notes, []);
  assert.equal((await journal()).notProbed, undefined);
});

test("a probe that finds only when it is asked that it cannot be is none that passed, and fails no rotation (R26, R46)", async (t) => {
  const { rotate, journal } = await bench.demo(t, "hmac", ["signer", "listener"]);
  const probes: Subject["probes"] = ({ id }) => [
    { name: "a log", check: async () => ({ why: `nobody looks at ${id}`, acknowledged: false }) },
  ];
  const outcome = await rotate({ probes });
  assert.equal(outcome.state, "done");
  const ids = ["demo/listener-2", "demo/signer-1"];
  assert.deepEqual(
    outcome.notes,
    ids.map((id) => `not probed: nobody looks at ${id}`),
  );
  assert.deepEqual(
    (await journal()).notProbed,
    ids.map((consumer) => ({ consumer, acknowledged: false })),
  );
});

test("a consumer that cannot be seen is not reloaded again by each run that waits for another one", async (t) => {
  const { rotate, world } = await bench.demo(t, "hmac", ["signer", "listener", "listener"]);
  const [hidden, deaf] = ["demo/listener-2", "demo/listener-3"].map((id) => world.actors.get(id));
  assert.ok(hidden && deaf);
  hidden.isHidden = true;
  deaf.isDeaf = true;
  for (let run = 0; run < 3; run++) assert.equal((await rotate({ wait: false })).state, "deliver-listeners");
  assert.equal(hidden.reloads, 1);
});

test("a service that is new while values spread is left to the rotation, which brings it what it brings to all others", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  const { world, secret, model } = demo;
  const [signer, deaf] = ["demo/signer-1", "demo/listener-2"].map((id) => world.actors.get(id));
  assert.ok(signer && deaf);
  deaf.isDeaf = true;
  assert.equal((await demo.rotate({ wait: false })).state, "deliver-listeners");
  const like = secret.consumers.find(({ role }) => role === "signer");
  assert.ok(like);
  const added = { ...like, id: "demo/signer-9", name: "demo/signer-9", path: `${like.path}-9` };
  world.actors.set(added.id, { role: "signer", held: undefined, runs: undefined, reloads: 0 });
  const grown = { ...secret, consumers: [...secret.consumers, added] };
  const service = model.services.map((one) => ({ ...one, id: added.id })).slice(0, 1);
  const whole = { ...model, secrets: [grown], services: [...model.services, ...service] };
  assert.deepEqual((await ensureFirstValues(bench.vault, whole, () => {})).delivered, []);
  deaf.isDeaf = false;
  const outcome = await demo.rotate({ wait: false, secret: grown, model: whole });
  assert.equal(outcome.state, "done");
  assert.equal(world.usedBy(added.id), (await demo.fields()).primary);
  assert.deepEqual(world.violations, []);
});

test("a compromise takes the shortest safe path, keeps order and proofs, and says what it left out (R21)", async (t) => {
  const { rotate, world } = await bench.demo(t, "hmac", ["signer", "listener"], {
    ...slow,
  });
  world.users = ["host-7"];
  world.errors = 0;
  const outcome = await rotate({ reason: "compromise", wait: false });
  assert.equal(outcome.state, "done");
  assert.deepEqual(world.violations, []);
  assert.equal(world.accepted.size, 1);
  assert.deepEqual(outcome.skipped, [
    "error rates were not watched (0 s)",
    "the overlap of 86400 s was cut short",
    "the old value was not waited for to be unused: whoever still uses it is refused now",
  ]);
});

test("a compromise hastens a rotation that waits, and another one follows: its new value may be the one that leaked", async (t) => {
  const { rotate, journal, world } = await bench.demo(t, "hmac", ["signer", "listener"], {
    ...slow,
  });
  const first = await rotate({ wait: false });
  const second = await rotate({ reason: "compromise", wait: false });
  assert.notEqual(second.id, first.id);
  assert.equal(second.state, "done");
  const { history } = await journal();
  assert.deepEqual(
    history.map(({ id, reason, outcome }) => [id, reason, outcome]),
    [
      [first.id, "compromise", "done"],
      [history[1]?.id, "first", "done"],
    ],
  );
  assert.deepEqual(world.violations, []);
});

test("twenty rotations are remembered, newest first", async (t) => {
  const { rotate, journal } = await bench.demo(t, "password", []);
  const ids: string[] = [];
  for (let count = 0; count < 22; count++) ids.push((await rotate()).id);
  const { history } = await journal();
  assert.deepEqual(
    history.map(({ id }) => id),
    ids.slice(1, -1).reverse(),
  );
});

test("something that is no journal is left alone, and the message says where it lies", async (t) => {
  const { rotate, secret } = await bench.demo(t, "password", ["reader"]);
  await bench.server.root.write(`kv/data/${secret.journal}`, { data: { state: "dancing", id: 7 } });
  await assert.rejects(rotate(), (error: Error) => {
    assert.ok(error instanceof JournalError);
    assert.match(error.message, new RegExp(`^kv/${secret.journal} holds no journal .*\\(state, id, `));
    return true;
  });
});

test("neither the audit log, the journal nor what is reported holds a value", async (t) => {
  const { rotate, fields, journal, steps, secret } = await bench.demo(t, "hmac", ["signer", "listener"]);
  const values = [Object.values(await fields())];
  await rotate();
  values.push(Object.values(await fields()));
  const said = [await auditLog(bench.server), JSON.stringify(await journal()), JSON.stringify(steps)].join();
  assert.ok(said.includes(secret.source));
  for (const value of values.flat()) {
    if (/^\d{4}-/.test(value)) continue; // A key id is a name.
    assert.ok(!said.includes(value));
  }
});
