import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBench, type RotationBench } from "./bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

test("brings a new key to listeners, then to readers and signers, and revokes the old one (R26, R29)", async (t) => {
  const { world, rotate, fields } = await bench.demo(t, "hmac", ["signer", "reader", "listener", "listener"]);
  const old = await fields();
  const outcome = await rotate();
  const now = await fields();
  assert.equal(outcome.state, "done");
  assert.deepEqual(world.violations, []);
  assert.notEqual(now.primary, old.primary);
  assert.deepEqual([...world.accepted.keys()], [now.primary]);
  assert.deepEqual(world.events, [
    "accept",
    ...["listener-3", "listener-4", "reader-2"].flatMap(brought),
    ...["reader-2", "signer-1"].flatMap(brought),
    "refuse",
    ...["listener-3", "listener-4", "reader-2"].flatMap(brought),
  ]);
});

const brought = (name: string) => [`write demo/${name}`, `reload demo/${name}`];
