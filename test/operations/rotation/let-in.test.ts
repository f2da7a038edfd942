import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { abortRotation } from "../../../operations/rotation/engine.ts";
import type { Rotator } from "../../../operations/rotation/rotator.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { slow } from "./quick.ts";

// A target that refuses what everybody has by now: the engine asks before it revokes anything.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** A password that its target makes, rotated to where the old one only waits for its overlap. */
async function draining(t: Parameters<RotationBench["demo"]>[0]) {
  const demo = await bench.demo(t, "password", ["reader", "reader"], slow);
  const { password: old = "" } = await demo.fields();
  assert.equal((await demo.rotate({ wait: false })).state, "drain");
  const { password: next = "" } = await demo.fields();
  const secret = { ...demo.secret, rotate: { ...demo.secret.rotate, overlap: 0 } };
  demo.world.events.length = 0;
  return { demo, old, next, rotate: () => demo.rotate({ secret, wait: false }), secret };
}

test("what is refused may let nobody start: the way back waits for no consumer to run it, and starts none with it", async (t) => {
  const { demo, old, next, rotate } = await draining(t);
  demo.world.accepted.delete(next);
  const ended = demo.world.actors.get("demo/reader-1");
  assert.ok(ended !== undefined);
  ended.runs = undefined;
  const back = await rotate();
  assert.equal(back.state, "rolled-back", back.waiting);
  assert.match(back.failure ?? "", /its target refuses the new value and accepts the old one/);
  assert.match(demo.world.events[0] ?? "", /^write /);
  assert.deepEqual([...demo.world.accepted.keys()], [old]);
  assert.equal(demo.world.usedBy("demo/reader-1"), old);
});

test("both are refused, and nobody starts with either: it ends with a finding that says what heals it", async (t) => {
  const { demo, secret, rotate } = await draining(t);
  demo.world.accepted.clear();
  for (const actor of demo.world.actors.values()) {
    actor.runs = undefined;
    actor.isDeaf = true;
  }
  const end = await rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.equal(
    end.keptRefused,
    `its target refuses the new value and the old one, and nobody has one that works: \`keyplane rotate ${secret.id}\` makes another one`,
  );
});

test("both are refused, and somebody still uses the old one (a session of before): it is waited for and named, and nothing is revoked", async (t) => {
  const { demo, rotate } = await draining(t);
  demo.world.users = ["a batch job"];
  demo.world.accepted.clear();
  const waits = await rotate();
  assert.equal(waits.state, "drain");
  assert.match(waits.waiting ?? "", /a batch job still use\(s\) the old value/);
  demo.world.users = [];
  const end = await rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.match(end.keptRefused ?? "", /refuses the new value and the old one/);
});

test("a refusal that passes is waited for, and nothing is found", async (t) => {
  const { demo, next, rotate } = await draining(t);
  demo.world.accepted.delete(next);
  setTimeout(() => demo.world.accepted.set(next, ""), 200);
  const end = await rotate();
  assert.deepEqual([end.state, end.keptRefused], ["done", undefined], end.waiting);
  assert.deepEqual([...demo.world.accepted.keys()], [next]);
});

test("the old value is refused on the way back: it ends, and says so", async (t) => {
  const { demo, old } = await draining(t);
  demo.world.accepted.delete(old);
  const back = await abortRotation({ ...demo.options({ wait: false }), why: "asked" });
  assert.equal(back.state, "rolled-back", back.waiting);
  assert.match(back.keptRefused ?? "", /^its target refuses the old value, which everybody has/);
  assert.deepEqual([...demo.world.accepted.keys()], []);
});

test("the new value is refused once consumers drop the one before: everybody and the source have that back", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  const old = await demo.fields();
  const listener = demo.world.actors.get("demo/listener-2") ?? assert.fail();
  let letsIn: "both" | "old" = "both";
  const rotator: Rotator = {
    ...demo.subject.rotator,
    accepts: async (_context, version) => letsIn === "both" || version.primary === old.primary,
    // A person revokes it.
    revoke: async () => undefined,
  };
  listener.rejects = ({ fields }) => {
    listener.isDeaf = fields.primary !== old.primary;
    return false;
  };
  const dropping = await demo.rotate({ rotator, wait: false });
  assert.equal(dropping.state, "revoke", dropping.waiting);
  assert.match(dropping.waiting ?? "", /^demo\/listener-2 does not run the new value without the old one/);
  delete listener.rejects;
  listener.isDeaf = false;
  letsIn = "old";
  const back = await demo.rotate({ wait: false, rotator: { ...rotator, verify: async () => {} } });
  assert.equal(back.state, "rolled-back", back.waiting);
  assert.deepEqual(await demo.fields(), old);
  for (const id of demo.world.actors.keys()) assert.equal(demo.world.usedBy(id), old.primary, id);
  for (const [path, versions] of Object.entries(await demo.left())) assert.equal(versions.length, 1, path);
  assert.deepEqual(demo.world.violations, []);
});
