import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { shown } from "../../../cli/rotation-rows.ts";
import { type Vault, VaultError, VaultUnreachableError } from "../../../clients/vault.ts";
import type { EncryptionKey, Model } from "../../../model/model.ts";
import { type Row, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { readJournal, writeJournal } from "../../../operations/rotation/journal-store.ts";
import { keyVersions } from "../../../operations/rotation/key-versions.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import type { Wanted } from "../../../operations/rotation/status.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { hasty, Tokens } from "./runner-bench.ts";

// Encryption keys pass the gates of every rotation, beside secrets, on a real Vault.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const named: Wanted = { what: "these", reason: "scheduled" };
const compromise: Wanted = { what: "these", reason: "compromise" };
const due: Wanted = { what: "due" };

/** Secrets, and encryption keys of services that read them. */
class Keys {
  readonly tokens: Tokens;
  readonly keys: EncryptionKey[];

  private constructor(tokens: Tokens, keys: EncryptionKey[]) {
    this.tokens = tokens;
    this.keys = keys;
  }

  /** @param rotation settings of it */
  static async make(
    names: Record<string, string[]>,
    {
      secrets = {},
      rotation = {},
    }: { secrets?: Record<string, string[]>; rotation?: Partial<Model["rotation"]> } = {},
  ): Promise<Keys> {
    const own = `keys-${randomBytes(4).toString("hex")}`;
    const keys = Object.entries(names).map(
      ([name, services]): EncryptionKey => ({
        ...{
          id: `${own}/${name}`,
          system: own,
          name,
          key: `${own}.${name}`,
          type: "aes256-gcm96",
          owner: "ada",
        },
        ...{ autoRotate: 90 * 86_400, retain: 30 * 86_400, stored: [] },
        ...{ journal: `rotation/${own}.${name}`, evidence: `evidence/${own}.${name}` },
        consumers: services.map((id) => ({ id, may: ["encrypt"] })),
      }),
    );
    for (const { key, type } of keys) await bench.server.root.write(`transit/keys/${key}`, { type });
    const settings = { ...bench.model.rotation, watch: 0, jitter: 0, blackouts: [], ...rotation };
    const tokens = await Tokens.make(bench, secrets, { encryptionKeys: keys, rotation: settings });
    return new Keys(tokens, keys);
  }

  get(name: string): EncryptionKey {
    return this.keys.find((key) => key.name === name) ?? assert.fail();
  }

  async latest(name: string): Promise<number> {
    const found = await keyVersions({ vault: bench.server.root, model: bench.model }, this.get(name));
    return found?.latest ?? 0;
  }

  rotate(wanted: Wanted, more: Partial<Runner> = {}, keys: EncryptionKey[] = this.keys): Promise<Row[]> {
    return rotateMany(this.tokens.runner(more), [], wanted, { wait: false, keys });
  }

  /** A rotation of the key that another runner has, until so many milliseconds from now. */
  async held(name: string, left: number): Promise<void> {
    const at = new Date().toISOString();
    const journal: Journal = {
      ...{
        state: "generate",
        id: randomBytes(8).toString("hex"),
        reason: "scheduled",
        owner: "the dead one",
      },
      ...{ leaseUntil: new Date(Date.now() + left).toISOString(), attempt: 1, from: 1 },
      ...{ startedAt: at, since: at, skipped: [], history: [] },
    };
    await writeJournal({ vault: bench.vault, model: bench.model }, this.get(name), journal, 0);
  }

  async journal(name: string): Promise<Journal | undefined> {
    return (await readJournal({ vault: bench.vault, model: bench.model }, this.get(name))).journal;
  }
}

const always = [{ days: [0, 1, 2, 3, 4, 5, 6], from: 0, to: 24 * 60, reason: "the end of the year" }];

suite("blackouts", () => {
  test("keep a key that is due or named from beginning, and say until when; a finding where it was named", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] }, { rotation: { blackouts: always } });
    const late = { ...keys.get("documents"), autoRotate: -1 };
    for (const [wanted, code] of [
      [due, 0],
      [named, 1],
    ] as const) {
      const [row] = await keys.rotate(wanted, {}, [late]);
      assert.ok(row && "held" in row, JSON.stringify(row));
      assert.equal(row.held.why, "the end of the year");
      assert.equal(shown(row, wanted === named).code, code);
    }
    assert.equal(await keys.latest("documents"), 1);
    assert.equal(await keys.journal("documents"), undefined);
  });
  test("do not keep what has leaked (R21)", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] }, { rotation: { blackouts: always } });
    const [row] = await keys.rotate(compromise);
    assert.ok(row && "outcome" in row && row.outcome.state === "done", JSON.stringify(row));
    assert.equal(await keys.latest("documents"), 2);
  });
});

suite("bounds", () => {
  test("a key is left alone while another runner rotates a secret of its service, and the other way round", async () => {
    const keys = await Keys.make({ documents: ["demo/x"] }, { secrets: { token: ["demo/x"] } });
    const [secret = assert.fail()] = keys.tokens.secrets;
    await rotateMany(keys.tokens.runner(), [secret], named, { wait: false });
    const soon = new Date(Date.now() + 60_000).toISOString();
    await keys.tokens.alter("token", { state: "stage", owner: "another", leaseUntil: soon });
    const [row] = await keys.rotate(named);
    const touches = "another rotation touches demo/x";
    assert.deepEqual(row, {
      secret: keys.get("documents").id,
      held: { secret: keys.get("documents").id, why: touches },
    });
    assert.equal(await keys.latest("documents"), 1);

    await keys.tokens.alter("token", { state: "done", owner: "another" });
    await keys.held("documents", 60_000);
    const [other] = await rotateMany(keys.tokens.runner(), [secret], named, { wait: false });
    assert.deepEqual(other, { secret: secret.id, held: { secret: secret.id, why: touches } });
  });
  test("keys and secrets share what may run at once", async () => {
    const concurrent = { perService: 1, total: 1 };
    const keys = await Keys.make(
      { first: ["demo/a"], second: ["demo/b"] },
      { secrets: { token: ["demo/c"] }, rotation: { concurrent } },
    );
    let most = 0;
    const at = new Set<string>();
    const report: Runner["report"] = ({ subject, state }) => {
      if (state === "started") at.add(subject);
      most = Math.max(most, at.size);
      if (state === "done") at.delete(subject);
    };
    const rows = await rotateMany(keys.tokens.runner({ report }), keys.tokens.secrets, named, {
      wait: false,
      keys: keys.keys,
    });
    assert.deepEqual(
      rows.map((row) => "outcome" in row && row.outcome.state),
      ["done", "done", "done"],
    );
    assert.equal(most, 1);
  });
});

suite("two runs at once", () => {
  test("make one version between them, and the second says who did", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    // Between the last look and the first write.
    const vault = keys.tokens.before(keys.get("documents").journal, () => keys.rotate(named));
    const [row] = await keys.rotate(named, { vault });
    assert.equal(await keys.latest("documents"), 2);
    assert.ok(row && "outcome" in row);
    assert.deepEqual([row.outcome.unchanged, row.outcome.state], [true, "done"]);
    assert.match(row.outcome.doneBy ?? "", /^keyplane\.rotate on /);
  });
  test("begin nothing after a version that this run has not seen", async () => {
    const concurrent = { perService: 1, total: 1 };
    const keys = await Keys.make({ first: ["demo/a"], second: ["demo/b"] }, { rotation: { concurrent } });
    const { model } = keys.tokens;
    const roomy = { ...model.rotation, concurrent: { perService: 1, total: 2 } };
    const vault = keys.tokens.before(`keys/${keys.get("first").key}/rotate`, () =>
      keys.rotate(named, { model: { ...model, rotation: roomy } }, [keys.get("second")]),
    );
    const rows = await keys.rotate(named, { vault });
    assert.equal(await keys.latest("second"), 2);
    assert.ok(rows[1] && "outcome" in rows[1] && rows[1].outcome.unchanged, JSON.stringify(rows[1]));
  });
});

suite("a runner that died with a key's lease", () => {
  test("is waited for after a compromise: both rotations are ended, the one under way and the one that follows (R21)", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    await keys.held("documents", 20_000);
    const [row] = await keys.rotate(compromise, { clock: hasty() });
    assert.ok(row && "outcome" in row, JSON.stringify(row));
    assert.deepEqual(
      [row.outcome.state, row.outcome.reason, row.outcome.busy],
      ["done", "compromise", undefined],
    );
    const { history = [], followedBy } = (await keys.journal("documents")) ?? {};
    assert.deepEqual(
      [history.map(({ outcome, reason }) => [outcome, reason]), followedBy],
      [[["done", "compromise"]], undefined],
    );
    assert.equal(await keys.latest("documents"), 3);
    assert.equal(shown(row, true, true).code, 0);
  });
  test("and does live longer than this run stays: 4, with who holds it, and it is asked for haste", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    await keys.held("documents", 3_600_000);
    const [row] = await keys.rotate(compromise, { clock: hasty() });
    assert.ok(row);
    const { code, text } = shown(row, true, true);
    assert.equal(code, 4);
    assert.match(text, /^not revoked yet: the dead one holds it until .* and was asked for haste/);
    const { reason, followedBy } = (await keys.journal("documents")) ?? {};
    assert.deepEqual([reason, followedBy], ["compromise", "compromise"]);
    assert.equal(await keys.latest("documents"), 1);
  });
  test("is left to its work on a schedule", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    await keys.held("documents", 3_600_000);
    const [row] = await keys.rotate(named, { clock: hasty() });
    assert.ok(row);
    const { code, text } = shown(row, true);
    assert.deepEqual([code, text], [0, "the dead one is at it"]);
  });
});

suite("exit codes", () => {
  test("4 for a key that a stopped run did not come to", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    const [row] = await keys.rotate(named, { signal: AbortSignal.abort(new Error("interrupted")) });
    assert.ok(row);
    assert.deepEqual([shown(row, true).code, await keys.latest("documents")], [4, 1]);
  });
  test("2 for a key that Vault does not have", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    const [row] = await keys.rotate(named, {}, [{ ...keys.get("documents"), key: "nobody.made" }]);
    assert.ok(row);
    const { code, text } = shown(row, true);
    assert.equal(code, 2);
    assert.match(text, /Vault has no transit key nobody\.made: build the environment first/);
  });
  test("3 for one whose Vault went away in the middle; another one's rotation goes on", async () => {
    const keys = await Keys.make({ first: ["demo/a"], second: ["demo/b"] });
    const { key } = keys.get("first");
    const vault = bench.vault.with(bench.vault.token);
    let isAway = false;
    const request: Vault["request"] = async (method, path, options) => {
      isAway ||= path.endsWith(`keys/${key}/rotate`);
      if (isAway && path.includes(key)) throw new VaultUnreachableError("Vault does not answer");
      return bench.vault.request<never>(method, path, options);
    };
    vault.request = request;
    const rows = await keys.rotate(named, { vault, clock: hasty() });
    assert.deepEqual(
      rows.map((row) => shown(row, true).code),
      [3, 0],
    );
    assert.equal(await keys.latest("second"), 2);
  });
  test("3 for one that Vault turns away for longer than this run stays: nobody has to look at the rotation", async () => {
    const keys = await Keys.make({ documents: ["demo/a"] });
    const { key } = keys.get("documents");
    const vault = bench.vault.with(bench.vault.token);
    const request: Vault["request"] = async (method, path, options) => {
      if (path.endsWith(`keys/${key}/rotate`)) throw new VaultError("POST", path, 429, ["too many"]);
      return bench.vault.request<never>(method, path, options);
    };
    vault.request = request;
    const [row] = await keys.rotate(named, { vault, clock: hasty(-140_000) });
    assert.ok(row);
    const { code, text } = shown(row, true);
    assert.equal(code, 3, text);
    assert.match(text, /^at generate: .* 429: too many; a later `keyplane rotate --due` goes on$/);
  });
});
