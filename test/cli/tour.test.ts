import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { tourCode, tourCount, tourText } from "../../cli/tour.ts";
import type { TourLine } from "../../local/tour/index.ts";

const holds: TourLine = {
  promise: "a job reads",
  outcome: "holds",
  seen: "version 1",
  kept: "audit",
  audit: {
    time: "2026-01-01T00:00:00.000Z",
    who: "titan.ci.deploy",
    action: "read",
    path: "kv/data/a",
    outcome: "allowed",
    requestId: "1",
  },
};
const fails: TourLine = { promise: "a job is refused", outcome: "fails", seen: "allowed", kept: "audit" };
const notShown: TourLine = { promise: "credentials expire", outcome: "not shown", seen: "no database" };

test("a promise stands with what was seen of it and its audit line", () => {
  assert.deepEqual(tourText([holds]).map(stripVTControlCharacters), [
    "✓ a job reads",
    "    version 1",
    "    audit: 2026-01-01T00:00:00.000Z  titan.ci.deploy  read  kv/data/a  allowed",
  ]);
});

test("a promise without an audit line says how to get the silent device back", () => {
  const [mark, , audit] = tourText([fails]).map(stripVTControlCharacters);
  assert.equal(mark, "✗ a job is refused");
  assert.match(audit ?? "", /^ {4}audit: not in both files\. .*npm run down, npm run up$/);
});

test("a promise of AWS stands with its event of CloudTrail, or says that there is none", () => {
  const inAws: TourLine = {
    promise: "a function rotates",
    outcome: "holds",
    seen: "b logs in",
    kept: "trail",
    trail: { time: "2026-01-01T00:00:00.000Z", who: "a role's session", action: "sts AssumeRole", of: "r" },
  };
  const { trail: _, ...unseen } = { ...inAws, outcome: "fails" as const };
  assert.deepEqual(tourText([inAws, unseen]).map(stripVTControlCharacters), [
    "✓ a function rotates",
    "    b logs in",
    "    trail: 2026-01-01T00:00:00.000Z  a role's session  sts AssumeRole  r",
    "✗ a function rotates",
    "    b logs in",
    "    trail: CloudTrail has no event of it. Is recording on? npm run down, npm run up",
  ]);
});

test("a promise that failed before anything was done says why, and blames no record of it", () => {
  const { kept: _, ...early } = { ...fails, seen: "the function did not start" };
  assert.deepEqual(tourText([early]).map(stripVTControlCharacters), [
    "✗ a job is refused",
    "    the function did not start",
  ]);
});

test("what the catalogue has nothing to show with says so, and neither holds nor fails", () => {
  assert.deepEqual(tourText([notShown]), ["- credentials expire", "    not shown: no database"]);
  assert.equal(tourCode([holds, notShown]), 0);
  assert.equal(tourCount([holds, notShown]), "1 of 2 promises hold, 1 not shown");
});

test("a tour in which a promise fails ends with exit code 1", () => {
  assert.equal(tourCode([holds, fails]), 1);
  assert.equal(tourCount([holds, fails]), "1 of 2 promises hold");
});

test("a tour that looked at nothing ends with exit code 1", () => {
  assert.equal(tourCode([]), 1);
});
