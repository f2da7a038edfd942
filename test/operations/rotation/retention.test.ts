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

test("an old key that cannot be destroyed is told beside the rotation that the same run has made (R24)", async () => {
  const tokens = await Tokens.make(bench, { only: ["demo/a"] });
  const secret = tokens.get("only");
  const wanted = { what: "these", reason: "scheduled" } as const;
  await rotateMany(tokens.runner(), tokens.secrets, wanted, { wait: false });
  const ended = new Date(Date.now() - 60_000).toISOString();
  await tokens.alter("only", { kept: [{ version: 1, until: ended }] });
  // The rotation's own end destroys other versions.
  const vault = tokens.before(`kv/destroy/${secret.source} {"versions":[1]}`, async () => {
    throw new Error("it is refused");
  });
  const rows = await rotateMany(tokens.runner({ vault }), tokens.secrets, wanted, { wait: false });
  assert.deepEqual(
    rows.map((row) => [row.secret, "outcome" in row ? row.outcome.state : "error" in row && row.error]),
    [
      [secret.id, "done"],
      [secret.id, new Error("it is refused")],
    ],
  );
});
