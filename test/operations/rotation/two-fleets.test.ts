import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import { type Row, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import type { Wanted } from "../../../operations/rotation/status.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { hasty, Tokens } from "./runner-bench.ts";

// A CronJob and a workflow run at the same time, and a person rotates by hand beside them.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const these: Wanted = { what: "these", reason: "scheduled" };
const due: Wanted = { what: "due" };
const now = { wait: false };
const longAgo = new Date(Date.now() - 24 * 3_600_000).toISOString();

/** One at a time, whatever services there are. */
function slowly(tokens: Tokens, vault: Vault) {
  const { rotation } = tokens.model;
  const concurrent = { perService: 1, total: 1 };
  return tokens.runner({ vault, model: { ...tokens.model, rotation: { ...rotation, concurrent } } });
}

function outcomeOf(row: Row | undefined) {
  if (row === undefined || !("outcome" in row)) throw new Error(`no outcome: ${JSON.stringify(row)}`);
  return row.outcome;
}

for (const [who, wanted] of [
  ["two runs of what is due", due],
  ["a run of what is due and a person", these],
] as const) {
  test(`${who} rotate a secret once between them, however long one of them has waited for its turn`, async () => {
    const tokens = await Tokens.make(bench, { first: ["demo/a"], second: ["demo/b"] });
    await rotateMany(tokens.runner(), tokens.secrets, these, now);
    for (const name of ["first", "second"]) await tokens.alter(name, { startedAt: longAgo });
    // While it is at the first, the other one rotates the second and ends.
    const vault = tokens.before(tokens.get("first").source, () =>
      rotateMany(tokens.runner(), [tokens.get("second")], wanted, now),
    );
    const rows = await rotateMany(slowly(tokens, vault), tokens.secrets, due, now);
    assert.deepEqual([await tokens.count("first"), await tokens.count("second")], [2, 2]);
    const { unchanged, doneBy, to } = outcomeOf(rows[1]);
    assert.deepEqual([unchanged, to], [true, (await tokens.journal("second"))?.to]);
    assert.match(doneBy ?? "", /^keyplane\.rotate on /);
  });
}

test("named while another runner is about to begin it, a secret is rotated once, and who did it is said", async () => {
  const tokens = await Tokens.make(bench, { only: ["demo/a"] });
  const [secret] = tokens.secrets;
  assert.ok(secret);
  // Between the last look and the first write.
  const vault = tokens.before(secret.journal, () => rotateMany(tokens.runner(), [secret], these, now));
  const [row] = await rotateMany(tokens.runner({ vault }), [secret], these, now);
  assert.equal(await tokens.count("only"), 1);
  const outcome = outcomeOf(row);
  assert.deepEqual([outcome.unchanged, outcome.state], [true, "done"]);
  assert.match(outcome.doneBy ?? "", /^keyplane\.rotate on /);
});

test("nothing begins after a rotation that whoever asks has not seen", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { id, owner } = await demo.journal();
  const outcome = await demo.rotate({ after: "" });
  assert.deepEqual([outcome.id, outcome.unchanged, outcome.doneBy], [id, true, owner]);
  assert.deepEqual(demo.world.events, []);
  assert.equal((await demo.rotate({ after: id })).unchanged, false);
});

test("what another runner began and ended while it was waited for is not taken for one's own", async () => {
  const tokens = await Tokens.make(bench, { first: ["demo/a"], second: ["demo/b"] });
  const second = tokens.get("second");
  await rotateMany(tokens.runner(), tokens.secrets, these, now);
  // A killed runner's: under way, and nobody holds them.
  const ended = await tokens.journal("second");
  await tokens.alter("first", { state: "drain", since: longAgo });
  await tokens.alter("second", { state: "drain" });
  const vault = tokens.before(tokens.get("first").journal, () =>
    tokens.alter("second", { state: "done", owner: "another" }),
  );
  const rows = await rotateMany(slowly(tokens, vault), [tokens.get("first"), second], these, now);
  assert.equal((await tokens.journal("second"))?.id, ended?.id);
  assert.deepEqual([outcomeOf(rows[1]).unchanged, outcomeOf(rows[1]).doneBy], [true, "another"]);
});

test("after a compromise nobody's rotation stands for one's own: the secret is rotated again (R21)", async () => {
  const tokens = await Tokens.make(bench, { first: ["demo/a"], second: ["demo/b"] });
  const vault = tokens.before(tokens.get("first").source, () =>
    rotateMany(tokens.runner(), [tokens.get("second")], these, now),
  );
  const compromise: Wanted = { what: "these", reason: "compromise" };
  const rows = await rotateMany(slowly(tokens, vault), tokens.secrets, compromise, now);
  assert.deepEqual([outcomeOf(rows[1]).state, outcomeOf(rows[1]).unchanged], ["done", false]);
  assert.equal(await tokens.count("second"), 2);
});

test("a service that another run has begun to touch is left alone, whatever was named there", async () => {
  const tokens = await Tokens.make(bench, {
    theirs: ["demo/x"],
    ours: ["demo/x", "demo/y"],
    first: ["demo/y"],
  });
  let let_go = () => {};
  const gate = new Promise<void>((resolve) => {
    let_go = resolve;
  });
  const holding = tokens.before(tokens.get("theirs").source, () => gate);
  let theirs: Promise<Row[]> | undefined;
  // Theirs begins while ours waits for its turn.
  const vault = tokens.before(tokens.get("first").source, async () => {
    theirs = rotateMany(tokens.runner({ vault: holding }), [tokens.get("theirs")], these, now);
    while ((await tokens.journal("theirs")) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));
    // Three secrets are looked at in a few milliseconds: what is seen of others is a second old at most.
    await new Promise((resolve) => setTimeout(resolve, 1100));
  });
  const rows = await rotateMany(
    tokens.runner({ vault }),
    [tokens.get("first"), tokens.get("ours")],
    these,
    now,
  );
  let_go();
  await theirs;
  assert.deepEqual(rows[1], {
    secret: tokens.get("ours").id,
    held: { secret: tokens.get("ours").id, why: "another rotation touches demo/x" },
  });
  assert.equal(await tokens.count("ours"), 0);
});

test("what has leaked is asked to be hastened of whoever is at it: that one is not in its own way (R21)", async () => {
  const tokens = await Tokens.make(bench, { only: ["demo/a"] });
  await rotateMany(tokens.runner(), tokens.secrets, these, now);
  const leaseUntil = new Date(Date.now() + 3_600_000).toISOString();
  await tokens.alter("only", { state: "stage", owner: "another", leaseUntil });
  const { rotation } = tokens.model;
  const concurrent = { perService: 1, total: 1 };
  const runner = tokens.runner({
    model: { ...tokens.model, rotation: { ...rotation, concurrent } },
    clock: hasty(),
  });
  const compromise: Wanted = { what: "these", reason: "compromise" };
  const [row] = await rotateMany(runner, tokens.secrets, compromise, now);
  assert.deepEqual(outcomeOf(row).busy?.owner, "another");
  const { reason, followedBy } = (await tokens.journal("only")) ?? {};
  assert.deepEqual([reason, followedBy], ["compromise", "compromise"]);
});

test("two compromises at one service, each in a run of its own: the second waits for the first and is done as well (R21)", async () => {
  const tokens = await Tokens.make(bench, { theirs: ["demo/x"], ours: ["demo/x"] });
  const compromise: Wanted = { what: "these", reason: "compromise" };
  const ours = tokens.get("ours");
  const told: string[] = [];
  let ourRun: Promise<Row[]> | undefined;
  // Theirs has begun, and writes nothing more before ours has met it.
  const vault = tokens.before(tokens.get("theirs").source, async () => {
    await new Promise<void>((resolve) => {
      const report = ({ subject, text }: { subject: string; text: string }) => {
        if (subject === ours.id) told.push(text);
        if (told.length === 1) resolve();
      };
      ourRun = rotateMany(tokens.runner({ report }), [ours], compromise, now).finally(resolve);
    });
  });
  const [theirs] = await rotateMany(tokens.runner({ vault }), [tokens.get("theirs")], compromise, now);
  const [row] = (await ourRun) ?? [];
  assert.deepEqual([outcomeOf(theirs).state, outcomeOf(row).state], ["done", "done"]);
  assert.equal(
    told[0],
    "waits for another runner's, which has leaked as well: another rotation touches demo/x",
  );
});
