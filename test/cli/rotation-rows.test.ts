import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { aboutOne, pastText, rowText, shown } from "../../cli/rotation-rows.ts";
import { DeliveryError, UnreachedError } from "../../operations/delivery/sink.ts";
import { UnkeptEvidenceError } from "../../operations/rotation/gates.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { PersonNeededError, TargetUnavailableError } from "../../operations/rotation/rotator.ts";

const outcome: Outcome = {
  ...{ secret: "titan/hmac", id: "r", reason: "compromise", state: "drain", from: 1, to: 2 },
  ...{ unchanged: false, isStuck: false, skipped: [], notes: [] },
};
const busy = { owner: "ben on host-2", until: "2026-11-28T10:00:00.000Z" };

suite("another runner is at it", () => {
  test("on a schedule that is as it should be", () => {
    const { code, text } = shown({ secret: "titan/hmac", outcome: { ...outcome, busy } }, true);
    assert.deepEqual([code, text], [0, "ben on host-2 is at it"]);
  });
  test("after a compromise nothing is revoked yet: 4, with who holds it until when (R21)", () => {
    const { code, text } = shown({ secret: "titan/hmac", outcome: { ...outcome, busy } }, true, true);
    assert.deepEqual(
      [code, text],
      [
        4,
        "not revoked yet: ben on host-2 holds it until 2026-11-28T10:00:00.000Z and was asked for haste; run the same command again",
      ],
    );
  });
  test("what it has rotated meanwhile is left as it is, and what it rolled back is a finding", () => {
    const done = { ...outcome, state: "done", unchanged: true, doneBy: "ben" } as const;
    const row = shown({ secret: "titan/hmac", outcome: done }, true);
    assert.deepEqual([row.code, row.text], [0, "left as it is: meanwhile ben has rotated it, version 2"]);
    const back = { ...done, state: "rolled-back", failure: "it is refused" } as const;
    assert.equal(shown({ secret: "titan/hmac", outcome: back }, true).code, 1);
  });
});

test("what a run was stopped before ends with 4; of what has leaked it says that nothing is revoked yet (R21)", () => {
  const secret = "titan/hmac";
  const of = (isUrgent: boolean) => {
    const { result, code, text } = shown({ secret, held: { secret, why: "stopped" } }, true, isUrgent);
    return [result, code, text];
  };
  assert.deepEqual(of(false), ["held", 4, "did not begin: stopped"]);
  assert.deepEqual(of(true), [
    "held",
    4,
    "not revoked yet, did not begin: stopped; run the same command again",
  ]);
});

test("what a person has to do first is told at every scheduled run and fails none; asked for by name it is a finding (R44)", () => {
  const error = new PersonNeededError("shop/openai is left as it is. shop/ci/test: nothing writes there");
  const row = (asked: boolean) => shown({ secret: "shop/openai", error }, asked);
  assert.deepEqual([row(false).result, row(false).code, row(true).code], ["by hand", 0, 1]);
  assert.equal(row(false).text, error.message);
});

test("what another machine has to rotate fails no scheduled run, and one that is asked for it by name", () => {
  const error = new UnreachedError(
    "shop/token is left as it is. shop/api, files: its host is another machine",
  );
  const row = (asked: boolean) => shown({ secret: "shop/token", error }, asked);
  assert.deepEqual([row(false).result, row(false).code, row(true).code], ["left", 0, 2]);
  const wrong = new DeliveryError("shop/token is left as it is. shop/api: others may write to /srv/shop");
  assert.deepEqual([shown({ secret: "shop/token", error: wrong }, false).code], [2]);
});

test("a rotation that ended with a value that its target refuses is a finding, with what heals it (R15)", () => {
  const keptRefused = "exchange refuses both";
  const row = shown({ secret: "titan/hmac", outcome: { ...outcome, state: "done", keptRefused } }, true);
  assert.deepEqual([row.code, row.text], [1, "done, version 2, and refused: exchange refuses both"]);
  const times = { startedAt: "2026-11-28T10:00:00.000Z", endedAt: "2026-11-28T10:00:03.000Z" };
  const past = { id: "r", reason: "scheduled", outcome: "done", from: 1, to: 2, ...times } as const;
  const line = "  2026-11-28 10:00Z  done (scheduled), version 1 → 2, in 3 s";
  assert.equal(pastText({ ...past, keptRefused }), `${line}, and refused: exchange refuses both`);
  assert.equal(pastText({ ...past, confirmedBy: "ada" }), `${line}; revoked by ada`);
});

test("after a compromise what waits before anything is revoked ends with 4, an old encryption key that is kept with 0 (R21, R22)", () => {
  const notBefore = new Date(Date.now() + 3_600_000).toISOString();
  const ended = (state: Outcome["state"], isUrgent: boolean) => {
    const waits = {
      ...{ ...outcome, state, notBefore, waitsFor: "time" as const },
      waiting: "nobody sees what titan/brain runs",
    };
    return shown({ secret: "titan/hmac", outcome: waits }, true, isUrgent);
  };
  const { code, text } = ended("observe-listeners", true);
  assert.equal(code, 4);
  assert.equal(
    text,
    "not revoked yet, at observe-listeners: nobody sees what titan/brain runs; run the same command again",
  );
  assert.deepEqual([ended("observe-listeners", false).code, ended("drain", true).code], [0, 0]);
});

suite("what a rotation waits for decides, not this machine's clock, nor when the run's last rotation ended", () => {
  const of = (change: Partial<Outcome>, isUrgent = false) => {
    const { result, code, text } = shown(
      { secret: "titan/hmac", outcome: { ...outcome, reason: "scheduled", ...change } },
      true,
      isUrgent,
    );
    return [code, result, text];
  };
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
  for (const seconds of [-300, -5, 30, 3600]) {
    test(`an overlap that ends ${seconds} s from now, by this clock, is waited for as planned: 0`, () => {
      const waiting = "both values are accepted until 12:00";
      assert.deepEqual(of({ waiting, notBefore: at(seconds), waitsFor: "time" }), [
        ...[0, "drains"],
        `drain: ${waiting}; a later \`keyplane rotate --due\` goes on`,
      ]);
    });
    test(`a target that is away is unreachable, also one that asks to be left alone for ${seconds} s: 3`, () => {
      const away = { state: "stage", waiting: "the broker is down", waitsFor: "target" } as const;
      assert.deepEqual(of({ ...away, notBefore: at(seconds) }), [
        ...[3, "unreachable"],
        "at stage: the broker is down; a later `keyplane rotate --due` goes on",
      ]);
      assert.deepEqual(of({ ...away, notBefore: at(seconds) }, true), [
        ...[3, "unreachable"],
        "not revoked yet, at stage: the broker is down; run the same command again",
      ]);
    });
    test(`what somebody has to let go is a finding, though it is looked at in ${seconds} s: 1`, () => {
      const waiting = "stored ciphertext needs the old key: 3 rows of soma.secrets";
      assert.deepEqual(of({ state: "revoke", waiting, notBefore: at(seconds) }), [
        ...[1, "stuck"],
        `stuck at revoke: ${waiting}`,
      ]);
    });
  }
});

suite("a rotation on its way back is a finding that says what failed, whatever it waits for (R48)", () => {
  const failure = "titan/titan-sentinel refuses it";
  const waiting = "nobody sees what titan/brain runs";
  const of = (change: Partial<Outcome>, isUrgent = false) => {
    const back = { ...outcome, state: "rolling-back", failure, waiting, ...change } as const;
    const { result, code, text } = shown({ secret: "titan/hmac", outcome: back }, true, isUrgent);
    return [code, result, text];
  };
  const at = `rolling-back (${failure}): ${waiting}`;
  for (const [what, change, isUrgent, seen] of [
    [
      "for time alone",
      { waitsFor: "time" },
      false,
      [1, "rolling-back", `${at}; a later \`keyplane rotate --due\` goes on`],
    ],
    [
      "for time alone, after a compromise",
      { waitsFor: "time" },
      true,
      [1, "rolling-back", `not revoked yet, at ${at}; run the same command again`],
    ],
    ["for somebody", {}, false, [1, "stuck", `stuck at ${at}`]],
    [
      "for its target",
      { waitsFor: "target" },
      false,
      [3, "unreachable", `at ${at}; a later \`keyplane rotate --due\` goes on`],
    ],
  ] as const) {
    test(what, () => assert.deepEqual(of(change, isUrgent), seen));
  }
});

test("no error of a driver is printed, which may quote a statement with a value; our own are (R54)", () => {
  const value = randomBytes(16).toString("hex");
  class DatabaseError extends Error {
    override name = "error";
    code = "42601";
  }
  const driver = new DatabaseError(`syntax error at or near "'${value}'"`);
  const row = shown({ secret: "titan/db", error: driver }, true);
  assert.equal(row.text, "an unexpected error (42601)");
  assert.ok(!`${JSON.stringify(row)}${rowText(row).join()}`.includes(value));
  const own = shown({ secret: "titan/db", error: new TargetUnavailableError("the database is away") }, true);
  assert.deepEqual([own.text, own.code], ["the database is away", 3]);
});

test("evidence that could not be written is a finding beside what the rotation came to, whatever was in its way (R21, R25)", () => {
  const cause = new TargetUnavailableError("Vault is away");
  const error = new UnkeptEvidenceError("evidence of it could not be written (Vault is away)", { cause });
  const back = { ...outcome, state: "rolled-back", failure: "titan/brain refuses it" } as const;
  const rows = [
    shown({ secret: "titan/hmac", outcome: back }, true, true),
    shown({ secret: "titan/hmac", error }, true, true),
  ];
  const { json, text, code } = aboutOne(rows);
  assert.deepEqual([json, code], [{ ...rows[0], beside: [rows[1]] }, 1]);
  assert.equal(
    text,
    "titan/hmac: rolled back: titan/brain refuses it.\n" +
      "titan/hmac: evidence of it could not be written (Vault is away).",
  );
  assert.deepEqual(aboutOne(rows.slice(0, 1)).json, rows[0]);
});
