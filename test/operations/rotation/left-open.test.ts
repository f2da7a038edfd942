import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { rowText, shown } from "../../../cli/rotation-rows.ts";
import type { Vault } from "../../../clients/vault.ts";
import type { EncryptionKey, Model, Secret } from "../../../model/model.ts";
import { planMany } from "../../../operations/rotation/fleet-plan.ts";
import { type Row, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import { keyCandidatesOf } from "../../../operations/rotation/key-runner.ts";
import { keyStatusOf } from "../../../operations/rotation/key-status.ts";
import { statusOf, type Wanted } from "../../../operations/rotation/status.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { hasty, Tokens } from "./runner-bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const these: Wanted = { what: "these", reason: "scheduled" };
const due: Wanted = { what: "due" };
const day = 86_400;
const retired = { since: "2026-11-01", reason: "it leaked", delete: false };

/** Two tokens, the first one retired as the model has it: nobody reads it any more. */
async function withRetired(more: Partial<Secret> = {}) {
  const tokens = await Tokens.make(bench, { old: ["demo/a"], young: ["demo/b"] });
  const old = { ...tokens.get("old"), ...more };
  const gone = { ...old, retired, consumers: [] };
  const model: Model = { ...tokens.model, secrets: [gone, tokens.get("young")] };
  return { tokens, old, gone, runner: tokens.runner({ model, clock: hasty(2 * day * 1000) }) };
}

const idsOf = (rows: { secret: string }[]) => rows.map(({ secret }) => secret.split("/")[1]);

suite("a secret that was retired before its rotation had ended (R21)", () => {
  test("is shown, gone on with and ended: both values would stay alive", async () => {
    const { tokens, old, gone, runner } = await withRetired({
      rotate: { by: "machine", overlap: day, onCompromise: true },
    });
    await rotateMany(tokens.runner(), [old], these, { wait: false });
    const [status] = await statusOf(runner, [gone], new Date());
    assert.deepEqual([status?.standing.state, status?.standing.step], ["under way", "drain"]);
    const rows = await rotateMany(runner, [gone], due, { wait: false });
    assert.deepEqual(
      rows.map((row) => "outcome" in row && row.outcome.state),
      ["done"],
    );
    assert.deepEqual(await statusOf(runner, [gone], new Date()), []);
  });
  test("still gets the rotation that a compromise has left to follow, since its value may be the one that leaked", async () => {
    const { tokens, old, gone, runner } = await withRetired();
    await rotateMany(tokens.runner(), [old], these, { wait: false });
    await tokens.alter("old", { followedBy: "compromise" });
    const rows = await rotateMany(runner, [gone], { what: "under way" }, { wait: false });
    assert.deepEqual(
      rows.map((row) => "outcome" in row && row.outcome.state),
      ["done"],
    );
    assert.equal(await tokens.count("old"), 2);
  });
  test("is left alone once it has: neither a schedule nor a name begins another one", async () => {
    const { tokens, old, gone, runner } = await withRetired();
    await rotateMany(tokens.runner(), [old], these, { wait: false });
    for (const wanted of [due, these, { what: "these", reason: "compromise" }] as const) {
      assert.deepEqual(idsOf(await planMany(runner, runner.model.secrets.slice(0, 1), wanted)), []);
      assert.deepEqual(await rotateMany(runner, [gone], wanted, { wait: false }), []);
    }
    assert.equal(await tokens.count("old"), 1);
  });
});

suite("a journal that this version does not understand", () => {
  const withUnreadable = async () => {
    const tokens = await Tokens.make(bench, { newer: ["demo/a"], plain: ["demo/b"] });
    const { journal } = tokens.get("newer");
    await bench.server.root.write(`kv/data/${journal}`, { data: { state: "dancing" } });
    return tokens;
  };
  for (const wanted of [due, { what: "these", reason: "compromise" }] as const) {
    const what = wanted.what === "due" ? "--due" : "--all --reason compromise";
    test(`holds up its own secret alone at ${what}, which ends with exit code 1 and says where it lies`, async () => {
      const tokens = await withUnreadable();
      const long = tokens.runner({ clock: hasty(2 * day * 1000) });
      await rotateMany(long, [tokens.get("plain")], these, { wait: false });
      const rows: Row[] = await rotateMany(
        tokens.runner({ clock: hasty(4 * day * 1000) }),
        tokens.secrets,
        wanted,
        { wait: false },
      );
      const [bad, good] = rows.map((row) => shown(row, true));
      assert.deepEqual([bad?.code, bad?.error, good?.result], [1, "JournalError", "done"]);
      assert.match(
        rowText(bad ?? assert.fail()).join(),
        /newer: kv\/rotation\/.* holds no journal that this/,
      );
      assert.equal(await tokens.count("plain"), 2);
    });
  }
  test("stands in the list and in a dry run as what cannot be read", async () => {
    const tokens = await withUnreadable();
    const states = await statusOf(tokens.runner(), tokens.secrets, new Date());
    assert.deepEqual(
      states.map(({ standing: { state } }) => state),
      ["unreadable", "on time"],
    );
    const [row] = await planMany(tokens.runner(), tokens.secrets, due);
    assert.match(row?.does === "nothing" ? row.why : "", /holds no journal that this version understands/);
  });
});

suite("encryption keys likewise", () => {
  const at = "2026-11-20T10:00:00Z";
  const now = new Date("2026-11-23T10:00:00Z");
  const key = (name: string): EncryptionKey => ({
    ...{ id: `soma/${name}`, system: "soma", name, key: `soma.${name}`, type: "aes256-gcm96", owner: "ada" },
    ...{ autoRotate: 90 * day, retain: 30 * day, consumers: [], stored: [] },
    ...{ journal: `rotation/keys/${name}`, evidence: `evidence/${name}` },
  });
  const underWay = {
    ...{ state: "drain", id: "r", reason: "scheduled", owner: "another", leaseUntil: at, attempt: 1 },
    ...{ from: 1, to: 2, startedAt: at, since: at, skipped: [], history: [] },
  };
  const journals: Record<string, unknown> = {
    open: underWay,
    ended: { ...underWay, state: "done" },
    newer: { state: "dancing" },
  };
  const vault = {
    async read(path: string) {
      const name = path.split("/").at(-1) ?? "";
      if (path.includes("rotation/keys/")) return { data: journals[name], metadata: { version: 1 } };
      return { latest_version: 2, min_decryption_version: 1, min_available_version: 0, keys: { 2: at } };
    },
  } as unknown as Vault;

  test("a retired one is shown until its rotation has ended; one whose journal cannot be read holds up no other", async () => {
    const keys = [{ ...key("open"), retired }, { ...key("ended"), retired }, key("newer"), key("open")];
    const states = await keyStatusOf({ vault, model: bench.model }, keys, now);
    assert.deepEqual(
      states.map(({ key: { name }, standing: { state } }) => [name, state]),
      [
        ["open", "under way"],
        ["newer", "unreadable"],
        ["open", "under way"],
      ],
    );
    const chosen = keyCandidatesOf(states, { what: "these", reason: "compromise" }, 0, now);
    assert.deepEqual(
      chosen.map(({ secret }) => secret),
      ["soma/open", "soma/open"],
    );
  });
});
