import assert from "node:assert/strict";
import { test } from "node:test";
import { resultOf } from "../../lambdas/rotate-due/result.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { DeliveryError, UnreachedError } from "../../operations/delivery/sink.ts";
import { LeaseLostError } from "../../operations/rotation/lease.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { EvidenceError } from "../../operations/rotation/promotion.ts";
import { PersonNeededError, TargetUnavailableError } from "../../operations/rotation/rotator.ts";
import type { Standing } from "../../operations/rotation/schedule.ts";
import type { Status } from "../../operations/rotation/status.ts";

const { secrets } = derive(await loadCatalogue("catalogue"), "local");

function status(id: string, standing: Partial<Standing>): Status {
  const secret = secrets.find((one) => one.id === id);
  assert.ok(secret);
  return {
    secret,
    version: 1,
    standing: { secret: id, state: "on time", lateness: "on time", why: "", ...standing },
  };
}

function outcome(more: Partial<Outcome>): Outcome {
  return { secret: "titan/hmac", id: "r", state: "done", skipped: [], notes: [], ...more } as Outcome;
}

const quiet = { unreached: [], states: [], stopped: false };

test("what ended is rotated, what only time holds is under way, and neither fails the run", () => {
  const result = resultOf(
    "local",
    [
      { secret: "titan/hmac", outcome: outcome({}) },
      { secret: "soma/redis", outcome: outcome({ state: "drain", waiting: "its overlap" }) },
      { secret: "solo/minio", held: { secret: "solo/minio", why: "a blackout" } },
      { secret: "rec-io/kalshi", left: "ada makes it: keyplane set rec-io/kalshi" },
    ],
    quiet,
  );
  assert.deepEqual(result, {
    environment: "local",
    rotated: ["titan/hmac"],
    underWay: [
      { secret: "soma/redis", why: "its overlap" },
      { secret: "solo/minio", why: "a blackout" },
    ],
    left: [{ secret: "rec-io/kalshi", why: "ada makes it: keyplane set rec-io/kalshi" }],
    failed: [],
  });
});

test("what only another runner can do is left to it", () => {
  const errors = [
    new UnreachedError("not here"),
    new EvidenceError("staging first", "absent"),
    new PersonNeededError("by hand"),
  ];
  const rows = errors.map((error, index) => ({ secret: `titan/${index}`, error }));
  const { left, failed } = resultOf("production", rows, quiet);
  assert.deepEqual(
    left.map(({ why }) => why),
    ["not here", "staging first", "by hand"],
  );
  assert.deepEqual(failed, []);
});

test("what no machine can deliver fails the run: no other one can either", () => {
  const error = new DeliveryError("delivery to fly comes with a later version");
  const { left, failed } = resultOf("production", [{ secret: "solo/openai", error }], quiet);
  assert.deepEqual([left, failed], [[], [{ secret: "solo/openai", why: error.message }]]);
});

test("what is left to another runner fails the run once it is overdue, and says why it was left", () => {
  const unreached = [{ secret: "titan/nats", why: "a file on another host" }];
  const states = [status("titan/nats", { state: "overdue", lateness: "overdue" })];
  assert.deepEqual(resultOf("local", [], { unreached, states, stopped: false }).failed, [
    { secret: "titan/nats", why: "overdue: a file on another host" },
  ]);
  const due = [status("titan/nats", { state: "due", lateness: "due" })];
  assert.deepEqual(resultOf("local", [], { unreached, states: due, stopped: false }).failed, []);
});

test("what is stuck, was rolled back or is on its way back fails each run, also one that does not touch it", () => {
  const states = [
    status("titan/hmac", { state: "stuck", why: "titan-brain does not run the new value" }),
    status("soma/redis", { state: "held back", why: "rolled back: it was refused" }),
    status("solo/minio", {
      state: "under way",
      step: "rolling-back",
      why: "rolls back: it was refused; its overlap",
    }),
  ];
  assert.deepEqual(resultOf("local", [], { ...quiet, states }).failed, [
    { secret: "titan/hmac", why: "stuck: titan-brain does not run the new value" },
    { secret: "soma/redis", why: "held back: rolled back: it was refused" },
    { secret: "solo/minio", why: "under way: rolls back: it was refused; its overlap" },
  ]);
});

test("a rotation that was rolled back, or ended with a value that its target refuses, fails the run and is not told as rotated (R26)", () => {
  const keptRefused = "exchange refuses the new value and the old one: set one";
  const rows = [
    { secret: "titan/hmac", outcome: outcome({ state: "rolled-back", failure: "the probe failed" }) },
    { secret: "soma/redis", outcome: outcome({ keptRefused }) },
    { secret: "solo/minio", outcome: outcome({ state: "rolled-back", failure: "refused", keptRefused }) },
    { secret: "titan/nats", outcome: outcome({ state: "rolled-back", unchanged: true, doneBy: "another" }) },
  ];
  const { rotated, underWay, left, failed } = resultOf("local", rows, quiet);
  assert.deepEqual([rotated, underWay, left], [[], [], []]);
  assert.deepEqual(failed, [
    { secret: "titan/hmac", why: "rolled back: the probe failed" },
    { secret: "soma/redis", why: `its value is refused: ${keptRefused}` },
    { secret: "solo/minio", why: `rolled back: refused; its value is refused: ${keptRefused}` },
    { secret: "titan/nats", why: "rolled back: as was asked" },
  ]);
});

test("what an earlier rotation came to is judged by where the secret stands, not as this run's", () => {
  const rows = [{ secret: "titan/hmac", outcome: outcome({ state: "rolled-back", unchanged: true }) }];
  assert.deepEqual(resultOf("local", rows, { ...quiet, states: [status("titan/hmac", {})] }).failed, []);
});

test("a value in force that its target refuses fails each run until another one is set (R26)", () => {
  const states = [status("titan/hmac", { isRefused: true, why: "exchange refuses it: set one" })];
  assert.deepEqual(resultOf("local", [], { ...quiet, states }).failed, [
    { secret: "titan/hmac", why: "its value is refused: exchange refuses it: set one" },
  ]);
});

test("an error fails the run, also one of a run whose time was over before another secret had ended", () => {
  const rows = [
    { secret: "titan/hmac", error: new TargetUnavailableError("the target says no") },
    { secret: "solo/openai", error: new DeliveryError("its place has no room") },
    { secret: "soma/redis", error: new Error("what a driver may quote") },
  ];
  for (const stopped of [false, true]) {
    const { failed, underWay } = resultOf("local", rows, { ...quiet, stopped });
    assert.deepEqual(underWay, []);
    assert.deepEqual(failed, [
      { secret: "titan/hmac", why: "the target says no" },
      { secret: "solo/openai", why: "its place has no room" },
      { secret: "soma/redis", why: "an unexpected Error" },
    ]);
  }
});

test("what the end of the function's time has stopped is under way, and says so: the next run goes on", () => {
  const rows = [
    { secret: "titan/hmac", error: new DOMException("", "TimeoutError") },
    { secret: "soma/redis", error: new DOMException("", "AbortError") },
    { secret: "solo/minio", error: new LeaseLostError("another runner has it") },
  ];
  const { failed, underWay } = resultOf("local", rows, { ...quiet, stopped: true });
  assert.deepEqual(failed, []);
  assert.deepEqual(underWay, [
    { secret: "titan/hmac", why: "the function's time was over" },
    { secret: "soma/redis", why: "the function's time was over" },
    { secret: "solo/minio", why: "another runner has it" },
  ]);
  assert.equal(resultOf("local", rows, quiet).failed.length, 3);
});
