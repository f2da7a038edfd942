import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { abortRotation, resumeRotation } from "../../../operations/rotation/engine.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";

// Somebody writes the source with Vault's own client while a rotation is under way.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const writes = async ({ secret }: Demo) => {
  const { data } = await bench.server.root.write<{ version: number }>(`kv/data/${secret.source}`, {
    data: { primary: "written-by-hand" },
  });
  return data.version;
};

test("a version that somebody wrote stops the revocation by name; let go by its number, the rotation ends", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  demo.world.users = ["host-7"];
  assert.equal((await demo.rotate({ wait: false })).state, "drain");
  demo.world.users = [];
  const foreign = await writes(demo);
  const stuck = await demo.rotate({ wait: false });
  assert.deepEqual([stuck.state, stuck.isStuck], ["revoke", true]);
  const { id, source } = demo.secret;
  assert.equal(
    stuck.waiting,
    `somebody else wrote version ${foreign} of ${source} after version ${foreign - 1}: no consumer has it. Keep what is ` +
      `in it elsewhere if it is needed, then \`keyplane rotations resume ${id} --over-version ${foreign}\` ends the ` +
      "rotation with a version after it, and destroys it with the others",
  );
  const wrong = await resumeRotation({ ...demo.options({ wait: false }), overVersion: foreign + 5 });
  assert.deepEqual([wrong.state, wrong.waiting], ["revoke", stuck.waiting]);
  const done = await resumeRotation({ ...demo.options({ wait: false }), overVersion: foreign });
  assert.equal(done.state, "done");
  assert.deepEqual(done.notes, [
    `version ${foreign} of ${source}, which somebody else wrote, is written over`,
  ]);
  const { primary, secondary } = await demo.fields();
  assert.equal(primary, secondary);
  assert.deepEqual([...demo.world.accepted.keys()], [primary]);
  assert.deepEqual((await demo.left())[source], [foreign + 1]);
  assert.deepEqual(demo.world.violations, []);
});

test("a version that somebody wrote stops a roll back by name; let go by its number, the old value is back", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  const old = await demo.fields();
  demo.world.users = ["host-7"];
  assert.equal((await demo.rotate({ wait: false })).state, "drain");
  const foreign = await writes(demo);
  const stuck = await abortRotation({ ...demo.options({ wait: false }), why: "ada says no" });
  assert.deepEqual([stuck.state, stuck.isStuck], ["rolling-back", true]);
  assert.match(stuck.waiting ?? "", new RegExp(`resume ${demo.secret.id} --over-version ${foreign}\``));
  const back = await resumeRotation({ ...demo.options({ wait: false }), overVersion: foreign });
  assert.equal(back.state, "rolled-back");
  assert.deepEqual(await demo.fields(), old);
  assert.deepEqual([...demo.world.accepted.keys()], [old.primary]);
  assert.deepEqual(demo.world.violations, []);
});

test("of two that somebody wrote, the second stops it again: only what was named goes", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
  demo.world.users = ["host-7"];
  await demo.rotate({ wait: false });
  demo.world.users = [];
  const first = await writes(demo);
  await writes(demo);
  const stuck = await resumeRotation({ ...demo.options({ wait: false }), overVersion: first });
  assert.equal(stuck.state, "revoke");
  assert.match(stuck.waiting ?? "", new RegExp(`wrote version ${first + 1} of `));
});
