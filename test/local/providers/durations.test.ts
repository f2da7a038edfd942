import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { duration } from "../../../infra/vault/lifetime.ts";
import { seconds, shortest } from "../../../local/providers/durations.ts";

test("reads durations as Go writes them", () => {
  assert.deepEqual(
    ["0s", "90s", "15m0s", "1h30m0s", "1h0m5s", "768h", "90"].map(seconds),
    [0, 90, 900, 5400, 3605, 2_764_800, 90],
  );
});

test("refuses what is not a duration", () => {
  for (const text of ["", "1d", "h", "1m1h", "-1s", "1.5h"]) {
    assert.throws(() => seconds(text), { message: `"${text}" is not a duration such as 90s, 15m or 1h30m` });
  }
});

test("writes durations without trailing zero units", () => {
  assert.deepEqual([0, 45, 60, 900, 3600, 5400, 3605].map(shortest), [
    "0s",
    "45s",
    "1m",
    "15m",
    "1h",
    "1h30m",
    "1h0m5s",
  ]);
});

test("reads back every duration that it or the program writes", () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (total) => {
      assert.equal(seconds(shortest(total)), total);
      assert.equal(shortest(seconds(duration(total))), shortest(total));
    }),
  );
});
