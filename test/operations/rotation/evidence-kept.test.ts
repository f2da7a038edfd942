import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { VaultError, VaultUnreachableError } from "../../../clients/vault.ts";
import type { Secret } from "../../../model/model.ts";
import {
  abortMany,
  type Row,
  resumeConfirmed,
  resumeOver,
  rotateGiven,
  rotateMany,
} from "../../../operations/rotation/fleet-runner.ts";
import { UnkeptEvidenceError } from "../../../operations/rotation/gates.ts";
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

/** What a row says: where the rotation is, or that of evidence that could not be written. */
function stateOf(row: Row | undefined): unknown {
  if (row === undefined || !("error" in row)) {
    return row !== undefined && "outcome" in row ? [row.secret, row.outcome.state] : row;
  }
  return row.error instanceof UnkeptEvidenceError ? [row.secret, row.error.message] : row;
}

function unkept(why: string): string {
  return `evidence of its last rotation could not be written (${why}): the next \`keyplane rotate --due\` writes it`;
}

for (const wanted of [{ what: "due" }, { what: "under way" }] as const) {
  test(`evidence that cannot be written is told of its own secret, and keeps no other from it: what is ${wanted.what} (R25)`, async () => {
    const { tokens, runner, has, first } = await unshown();
    const refused = new VaultError("POST", "kv/data/evidence", 403, ["permission denied"]);
    const refuse = () => Promise.reject(refused);
    const vault = tokens.before(tokens.get("first").evidence, refuse, bench.server.root);
    const rows = await rotateMany(runner({ vault }), tokens.secrets, wanted, { wait: false });
    assert.deepEqual(rows.map(stateOf), [[first, unkept(refused.message)]]);
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

suite("evidence that cannot be written takes nothing from what a rotation came to, and the next run writes it (R21, R25)", () => {
  const these = { what: "these", reason: "scheduled" } as const;
  const now = { wait: false };
  const byHand = { rotate: { by: "hand", overlap: 0, onCompromise: true } } as const;
  const slow = { rotate: { by: "machine", overlap: 86_400, onCompromise: true } } as const;
  const given = () => ({ token: randomBytes(32).toString("base64url") });

  for (const [way, change, begins, ends, run] of [
    [
      "a compromise",
      {},
      async () => {},
      "done",
      (runner: Runner, one: Secret) =>
        rotateMany(runner, [one], { what: "these", reason: "compromise" }, now),
    ],
    [
      "what is due, told once though the rotation before lacks evidence as well",
      {},
      async (unkept: Runner, one: Secret, tokens: Tokens) => {
        await rotateMany(unkept, [one], these, now);
        await tokens.alter("only", { startedAt: longAgo });
      },
      "done",
      (runner: Runner, one: Secret) => rotateMany(runner, [one], { what: "due" }, now),
    ],
    [
      "one that is rolled back by hand",
      slow,
      (unkept: Runner, one: Secret) => rotateMany(unkept, [one], these, now),
      "rolled-back",
      (runner: Runner, one: Secret) => abortMany(runner, [one], "ada asked for it"),
    ],
    [
      "one whose old value its owner has revoked",
      byHand,
      (unkept: Runner, one: Secret) => rotateGiven(unkept, one, given(), "scheduled"),
      "done",
      (runner: Runner, one: Secret) => resumeConfirmed(runner, [one], { ...now, confirmedBy: "ada" }),
    ],
    [
      "one that goes on over somebody's write",
      slow,
      async (unkept: Runner, one: Secret, tokens: Tokens) => {
        await rotateMany(unkept, [one], these, now);
        await tokens.alter("only", { state: "revoke" });
      },
      "done",
      (runner: Runner, one: Secret) => resumeOver(runner, one, { ...now, overVersion: 9 }),
    ],
  ] as const) {
    test(way, async () => {
      const tokens = await Tokens.make(bench, { only: ["demo/a"] });
      const only = { ...tokens.get("only"), ...change } as Secret;
      const model = { ...tokens.model, secrets: [only] };
      await begins(tokens.runner({ model, commit: "c0ffee" }), only, tokens);
      const refused = new VaultUnreachableError("Vault is away");
      let isRefused = true;
      const vault = tokens.before(only.evidence, async () => {}, bench.server.root);
      const { request } = vault;
      vault.request = async (method, path, options) => {
        if (isRefused && path.includes(only.evidence)) throw refused;
        return request<never>(method, path, options);
      };
      const keeping = { ...model, vault: { ...model.vault, evidenceKey } };
      const runner = tokens.runner({ vault, model: keeping, commit: "c0ffee" });
      const rows: Row[] = await run(runner, only);
      assert.deepEqual(rows.map(stateOf), [
        [only.id, ends],
        [only.id, unkept(refused.message)],
      ]);
      isRefused = false;
      assert.deepEqual(await rotateMany(runner, [only], { what: "under way" }, now), []);
      assert.ok(await bench.server.root.read(`kv/data/${only.evidence}`));
    });
  }
});
