import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { shown } from "../../../cli/rotation-rows.ts";
import { type Clock, vaultClock } from "../../../operations/rotation/clock.ts";
import { planMany } from "../../../operations/rotation/fleet-plan.ts";
import { rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { Calls } from "./counted.ts";
import { slow } from "./quick.ts";
import { Tokens } from "./runner-bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Everything that a rotation can wait for: a day's overlap, somebody who uses the old value, rates that rose, an hour of watching. */
async function waiting(t: Parameters<RotationBench["demo"]>[0], more = {}) {
  const demo = await bench.demo(t, "hmac", ["signer", "listener"], { ...slow, ...more });
  demo.world.users = ["host-7"];
  const model = { ...demo.model, rotation: { ...demo.model.rotation, watch: 3600 } };
  return { demo, model };
}

/** A rotation as far as it goes, with its calls to everything but Vault, and each wait. */
async function calls(demo: Demo, options: Parameters<Demo["rotate"]>[0]) {
  const counted = new Calls();
  const inner = await vaultClock(demo.subject.vault);
  const clock: Clock = {
    now: () => inner.now(),
    sleep: (...given) => counted.count("wait", () => inner.sleep(...given)),
  };
  const outcome = await demo.rotate({ ...counted.wrap(demo.subject), wait: false, clock, ...options });
  const names = counted.all.map(({ name }) => name).filter((name) => !/^(vault|fetch)/.test(name));
  return { outcome, names };
}

/** What a consumer is brought: the one wait is until it has started again. */
const brought = (name: string) => [`write files of ${name}`, `reload files of ${name}`, "wait"];

test("a compromise waits neither for the overlap, nor for who uses the old value, nor for error rates or the time to watch them: exact calls (R21)", async (t) => {
  const { demo, model } = await waiting(t);
  const planned = await calls(demo, { model });
  assert.deepEqual(
    [planned.outcome.state, planned.outcome.waitsFor],
    ["watch", "time"],
    "a scheduled one waits",
  );
  assert.ok(planned.names.includes("watch baseline"));
  await demo.rotate({ reason: "compromise", wait: false });

  const [signer, listener] = demo.secret.consumers.map(({ name }) => name);
  assert.ok(signer && listener);
  const { outcome, names } = await calls(demo, { model, reason: "compromise" });
  assert.equal(outcome.state, "done");
  assert.deepEqual(outcome.skipped, [
    "error rates were not watched (3600 s)",
    "the overlap of 86400 s was cut short",
    "the old value was not waited for to be unused: whoever still uses it is refused now",
  ]);
  assert.deepEqual(
    names.filter((name) => !name.startsWith("look at")),
    [
      ...["create", "stage", "probe"],
      ...brought(listener),
      "probe /health",
      ...brought(signer),
      ...["probe /health", "probe /health"],
      "revoke",
      ...brought(listener),
      "verify",
    ],
  );
});

test("rows that still need the old key are what a compromise waits for, and it says so (R21, R23)", async (t) => {
  const { demo, model } = await waiting(t);
  const rotator = {
    ...demo.subject.rotator,
    migrate: async () => ({ left: 9, pass: { old: 3, stalled: true } }),
  };
  const { outcome, names } = await calls(
    { ...demo, subject: { ...demo.subject, rotator } },
    { model, reason: "compromise" },
  );
  assert.equal(names.filter((name) => name === "migrate").length, 3, "three passes in vain");
  assert.ok(!names.includes("revoke"));
  const row = shown({ secret: demo.secret.id, outcome }, true, true);
  assert.deepEqual(
    [row.code, row.text],
    [
      4,
      "not revoked yet, at migrate: 3 left under the old value, and they do not get fewer; run the same command again",
    ],
  );
});

test("a compromise waits for no blackout, no jitter and no evidence of the environment before (R21, R25)", async () => {
  const rotation = {
    ...bench.model.rotation,
    ...{ watch: 0, jitter: 3600 },
    blackouts: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 0, to: 24 * 60 - 1, reason: "Never" }],
  };
  const promotion = { environment: "staging" } as NonNullable<typeof bench.model.promotion>;
  const names = Object.fromEntries(Array.from({ length: 3 }, (_, index) => [`token-${index}`, ["shop/api"]]));
  const tokens = await Tokens.make(bench, names, { rotation, promotion });
  let asked = 0;
  const previous = async () => {
    asked++;
    throw new Error("the Vault of staging is away");
  };
  const runner = tokens.runner({ previous, commit: "c0ffee" });
  const held = await rotateMany(
    runner,
    tokens.secrets,
    { what: "these", reason: "scheduled" },
    { wait: false },
  );
  assert.deepEqual(
    held.map((row) => ("held" in row ? row.held.why : "begun")),
    ["Never", "Never", "Never"],
  );
  const rows = await rotateMany(
    runner,
    tokens.secrets,
    { what: "these", reason: "compromise" },
    { wait: false },
  );
  assert.deepEqual(
    rows.map((row) => ("outcome" in row ? row.outcome.state : row)),
    ["done", "done", "done"],
  );
  assert.equal(asked, 0);
});

test("a schedule makes a rotation after a compromise again that was rolled back, an hour later and in the same haste, and the dry run says so (R21)", async () => {
  const tokens = await Tokens.make(bench, { only: ["demo/a"] });
  const due = { what: "due" } as const;
  const ended = async (hours: number) =>
    tokens.alter("only", { since: new Date(Date.now() - hours * 3_600_000).toISOString() });
  await rotateMany(tokens.runner(), tokens.secrets, { what: "these", reason: "scheduled" }, { wait: false });
  await tokens.alter("only", { state: "rolled-back", reason: "compromise", failure: "its probe failed" });
  await ended(0.5);
  const [held] = await planMany(tokens.runner(), tokens.secrets, due);
  assert.equal(held?.does === "nothing" && held.why, "rolled back: its probe failed");
  // Vault's clock tells whole seconds.
  await ended(1.1);
  const [planned] = await planMany(tokens.runner(), tokens.secrets, due);
  assert.equal(planned?.does === "begins" && planned.plan.reason, "compromise");
  const [row] = await rotateMany(tokens.runner(), tokens.secrets, due, { wait: false });
  assert.ok(row !== undefined && "outcome" in row);
  assert.deepEqual([row.outcome.state, row.outcome.reason], ["done", "compromise"]);
  assert.deepEqual(await rotateMany(tokens.runner(), tokens.secrets, due, { wait: false }), []);
});
