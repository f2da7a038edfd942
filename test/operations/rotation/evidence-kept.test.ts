import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Row, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { Tokens } from "./runner-bench.ts";

// An environment that another one comes after: each of its rotations is evidence.

const evidenceKey = "keyplane.evidence";
const longAgo = new Date(Date.now() - 24 * 3_600_000).toISOString();

let bench: RotationBench;
before(async () => {
  bench = await openBench();
  await bench.server.root.write(`transit/keys/${evidenceKey}`, { type: "hmac", key_size: 32 });
});
after(() => bench.close());

/** Two tokens, both rotated by runners that were killed before they could write evidence. */
async function unshown() {
  const tokens = await Tokens.make(bench, { first: ["demo/a"], second: ["demo/b"] });
  const unkept = tokens.runner({ commit: "c0ffee" });
  await rotateMany(unkept, tokens.secrets, { what: "these", reason: "scheduled" }, { wait: false });
  const model = { ...tokens.model, vault: { ...tokens.model.vault, evidenceKey } };
  const runner = (more: Partial<Runner>) => tokens.runner({ model, commit: "c0ffee", ...more });
  const has = async (name: string) => {
    const at = `kv/data/${tokens.get(name).evidence}`;
    return (await bench.server.root.read(at)) !== undefined;
  };
  return { tokens, runner, has, first: tokens.get("first").id };
}

function stateOf(row: Row | undefined): unknown {
  return row !== undefined && "outcome" in row ? [row.secret, row.outcome.state] : row;
}

for (const wanted of [{ what: "due" }, { what: "under way" }] as const) {
  test(`evidence that cannot be written is told of its own secret, and keeps no other from it: what is ${wanted.what} (R25)`, async () => {
    const { tokens, runner, has, first } = await unshown();
    const refused = new Error("it is refused");
    const refuse = () => Promise.reject(refused);
    const vault = tokens.before(tokens.get("first").evidence, refuse, bench.server.root);
    const rows = await rotateMany(runner({ vault }), tokens.secrets, wanted, { wait: false });
    assert.deepEqual(rows, [{ secret: first, error: refused }]);
    assert.deepEqual([await has("first"), await has("second")], [false, true]);
  });
}

test("a stop takes nothing from what is told: evidence that lacks is left to the next run (R25, R26)", async () => {
  const { tokens, runner, has, first } = await unshown();
  await tokens.alter("first", { startedAt: longAgo });
  const stop = new AbortController();
  const whileKept = async () => stop.abort();
  const vault = tokens.before(tokens.get("first").evidence, whileKept, bench.server.root);
  const run = (more: Partial<Runner>) =>
    rotateMany(runner({ vault, ...more }), tokens.secrets, { what: "due" }, { wait: false });
  const rows = await run({ signal: stop.signal });
  assert.deepEqual(rows.map(stateOf), [[first, "done"]]);
  assert.deepEqual([await has("first"), await has("second")], [true, false]);
  assert.deepEqual(await run({}), []);
  assert.equal(await has("second"), true);
});
