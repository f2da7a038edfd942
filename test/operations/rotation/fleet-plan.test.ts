import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { planText } from "../../../cli/rotation-plan.ts";
import { shown } from "../../../cli/rotation-rows.ts";
import { planMany } from "../../../operations/rotation/fleet-plan.ts";
import { rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { Tokens } from "./runner-bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const compromise = { what: "these", reason: "compromise" } as const;
const scheduled = { what: "these", reason: "scheduled" } as const;

/** A token whose rotation waits for its overlap: it has its new value, and nobody is at it. */
async function draining() {
  const tokens = await Tokens.make(bench, { session: ["shop/api"] });
  tokens.get("session").rotate.overlap = 3600;
  await rotateMany(tokens.runner(), tokens.secrets, scheduled, { wait: false });
  assert.equal((await tokens.journal("session"))?.state, "drain");
  return tokens;
}

test("the dry run of a compromise says of what is under way that it is hastened and what follows, in the words of the run (R21)", async () => {
  const tokens = await draining();
  const { id } = tokens.get("session");
  const before = await tokens.journal("session");
  const [plan] = await planMany(tokens.runner(), tokens.secrets, compromise);
  assert.ok(plan?.does === "goes on");
  assert.deepEqual(
    [plan.at, plan.reason, plan.hastens, plan.busy, plan.follows?.reason],
    ["drain", "compromise", "scheduled", undefined, "compromise"],
  );
  const [title, then] = planText(plan);
  assert.equal(
    title,
    `${id}: rotation goes on at drain, hastened (scheduled before, compromise now) (${before?.waiting}).`,
  );
  assert.equal(
    then,
    "  then: rotation begins (compromise), since the new value of the one under way may be the one that leaked:",
  );
  assert.deepEqual(await tokens.journal("session"), before, "nothing was done");

  const told: string[] = [];
  const report = ({ text, state }: { text: string; state: string }) => {
    if (state === "started") told.push(text);
  };
  await rotateMany(tokens.runner({ report }), tokens.secrets, compromise, { wait: false });
  assert.deepEqual(told, ["rotation goes on at drain", "rotation begins (compromise)"]);
  assert.equal((await tokens.journal("session"))?.history.length, 1);
});

test("the dry run of a compromise says of what another runner is at that it is asked for haste and waited for (R21)", async () => {
  const tokens = await draining();
  const { id } = tokens.get("session");
  const leaseUntil = new Date(Date.now() + 40_000).toISOString();
  await tokens.alter("session", { owner: "the other", leaseUntil, state: "watch" });
  const plans = await planMany(tokens.runner(), tokens.secrets, compromise);
  const [title, busy, then] = plans.flatMap(planText);
  assert.match(title ?? "", new RegExp(`^${id}: the other is at it \\(watch\\), hastened`));
  assert.equal(
    busy,
    `  the other holds it until ${leaseUntil}: would be asked for haste, and waited for; dead, it is taken over then`,
  );
  assert.match(then ?? "", /^ {2}then: rotation begins \(compromise\)/);

  const [left] = await planMany(tokens.runner(), tokens.secrets, scheduled);
  assert.ok(left?.does === "goes on");
  assert.deepEqual([left.reason, left.hastens, left.follows], ["scheduled", undefined, undefined]);
  assert.deepEqual(planText(left)[1], `  the other holds it until ${leaseUntil}: it is left to that runner`);
  const [row] = await rotateMany(tokens.runner(), tokens.secrets, scheduled, { wait: false });
  assert.ok(row);
  assert.deepEqual([shown(row, true).result, shown(row, true).text], ["busy", "the other is at it"]);
});

test("the dry run of a compromise says of what waits for a person to give its value that it is hastened, and nothing follows (R21)", async () => {
  const tokens = await draining();
  const secret = tokens.get("session");
  const made = { to: undefined, fingerprints: undefined, switchedAt: undefined };
  await tokens.alter("session", { state: "generate", ...made });
  const plans = () => planMany(tokens.runner(), tokens.secrets, compromise);
  for (const by of ["machine", "hand"] as const) {
    secret.rotate.by = by;
    const [plan] = await plans();
    assert.ok(plan?.does === "goes on");
    assert.deepEqual([plan.hastens, plan.reason], ["scheduled", "compromise"]);
    assert.equal(plan.follows?.reason, by === "hand" ? undefined : "compromise");
  }
});
