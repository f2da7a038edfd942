import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredCiphertext } from "../../../model/model.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { keyStandingOf } from "../../../operations/rotation/key-status.ts";

const day = 86_400;
const now = new Date("2026-11-23T10:00:00Z");
const ago = (days: number) => new Date(now.getTime() - days * day * 1000);
const stored = [{ database: "soma/main", schema: "public", table: "d", key: "id", column: "body" }];

/** A key of 90 d whose latest version is so old (days), with versions from `available` on. */
function standing(
  age: number,
  { latest = 2, available = 2, ...journal }: Partial<Journal> & { latest?: number; available?: number } = {},
  columns: StoredCiphertext[] = stored,
) {
  const made = new Map([[latest, ago(age)]]);
  const base = { id: "r", reason: "scheduled", owner: "another", attempt: 1, from: 1, to: 2 } as const;
  const times = { leaseUntil: ago(1).toISOString(), startedAt: ago(2).toISOString() };
  const since = ago(2).toISOString();
  return keyStandingOf(
    { id: "titan/documents", autoRotate: 90 * day, retain: 30 * day, stored: columns },
    {
      versions: { latest, available, decrypts: available, made },
      ...(journal.state !== undefined && {
        journal: { ...base, ...times, since, skipped: [], history: [], ...journal, state: journal.state },
      }),
    },
    now,
  );
}

test("an encryption key is due 90 d after its version was made; a day later neither Vault nor a runner did it (R17)", () => {
  const { state, last, due, why } = standing(89);
  assert.deepEqual([state, last, due, why], ["on time", ago(89), ago(-1), ""]);
  assert.equal(standing(90.5).state, "due");
  const late = standing(92);
  assert.deepEqual([late.state, late.lateness], ["overdue", "overdue"]);
  assert.equal(late.why, "neither Vault nor a runner made a version");
});

test("a version that Vault made by itself leaves something to do where ciphertext is stored, and nothing where none is named", () => {
  const found = standing(1, { available: 1 });
  assert.deepEqual(
    [found.state, found.why],
    ["due", "Vault made version 2: what is stored under older ones is to be rewrapped"],
  );
  assert.equal(standing(1, { available: 1 }, []).state, "on time");
});

test("old versions that are kept are under way until their 30 d are over, and not stuck (R22)", () => {
  const until = ago(-28).toISOString();
  const kept = standing(2, { state: "drain", waiting: "versions before 2 decrypt", notBefore: until });
  assert.deepEqual(
    [kept.state, kept.step, kept.until?.toISOString(), kept.why],
    ["under way", "drain", until, "versions before 2 decrypt"],
  );
});

test("a re-encryption that takes more than a day is stuck, and says why", () => {
  const waiting = "7 rows are left under older versions, and others hold them";
  const found = standing(2, { state: "migrate", waiting });
  assert.deepEqual([found.state, found.step, found.why], ["stuck", "migrate", waiting]);
  const abandoned = standing(2, { state: "generate" });
  assert.deepEqual(
    [abandoned.state, abandoned.why],
    ["stuck", `nobody works at it since ${ago(1).toISOString()}`],
  );
});

test("a key that Vault does not have has no version, and the way to it is told", () => {
  const key = { id: "titan/documents", autoRotate: 90 * day, retain: 30 * day, stored };
  const { state, why } = keyStandingOf(key, {}, now);
  assert.deepEqual(
    [state, why],
    ["no value", "Vault has no such key yet: build the environment (keyplane up)"],
  );
});
