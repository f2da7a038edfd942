import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { Tokens } from "./runner-bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

test("an old key that cannot be destroyed when its retention ends is told, and keeps no other from it (R24)", async () => {
  const tokens = await Tokens.make(bench, { first: ["demo/a"], second: ["demo/b"] });
  await rotateMany(tokens.runner(), tokens.secrets, { what: "these", reason: "scheduled" }, { wait: false });
  const ended = new Date(Date.now() - 60_000).toISOString();
  for (const name of ["first", "second"]) await tokens.alter(name, { kept: [{ version: 1, until: ended }] });
  const vault = tokens.before(`kv/destroy/${tokens.get("first").source}`, async () => {
    throw new Error("it is refused");
  });
  const rows = await rotateMany(tokens.runner({ vault }), tokens.secrets, { what: "due" }, { wait: false });
  assert.deepEqual(rows, [{ secret: tokens.get("first").id, error: new Error("it is refused") }]);
  const left = async (name: string) => (await tokens.journal(name))?.kept;
  assert.deepEqual([await left("first"), await left("second")], [[{ version: 1, until: ended }], []]);
});
