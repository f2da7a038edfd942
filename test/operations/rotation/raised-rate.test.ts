import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { falseAlarm, isRaised } from "../../../operations/rotation/raised-rate.ts";
import { seeded } from "../../integration/support/seeded.ts";

const looks = process.env.KEYPLANE_SCALE === "prove" ? 4_000_000 : 200_000;

describe("a raised error rate (R48)", () => {
  test("is not seen in unchanged traffic, at any rate and any two spans, more often than is stated", () => {
    const random = seeded(4711);
    let alarms = 0;
    for (let look = 0; look < looks; look++) {
      const rate = 10 ** (random() * 4 - 2);
      const [before, now] = [1 + random() * 60, 1 + random() * 300];
      const counts = [poisson(rate * before, random), poisson(rate * now, random)] as const;
      if (isRaised({ events: counts[0], exposure: before }, { events: counts[1], exposure: now })) alarms++;
    }
    // Twice what is expected, and a few: a bound that luck alone does not break.
    assert.ok(alarms <= 2 * falseAlarm * looks + 4, `${alarms} alarms in ${looks} looks`);
  });

  test("is seen when it is five times the one before, of which 20 events were seen, in as long a time", () => {
    const random = seeded(42);
    let missed = 0;
    const times = 20_000;
    for (let time = 0; time < times; time++) {
      const rate = 20 * 10 ** (random() * 2);
      const counts = [poisson(rate, random), poisson(5 * rate, random)] as const;
      if (!isRaised({ events: counts[0], exposure: 30 }, { events: counts[1], exposure: 30 })) missed++;
    }
    assert.ok(missed <= times / 1000, `${missed} of ${times} missed`);
  });

  for (const [events, exposure, raised] of [
    [16, 30, false],
    [17, 30, true],
    [5, 5, false],
    [6, 5, true],
    [4, 0.001, false],
  ] as const) {
    test(`after 30 s without an error, ${events} in ${exposure} s are ${raised ? "" : "not "}one`, () => {
      assert.equal(isRaised({ events: 0, exposure: 30 }, { events, exposure }), raised);
    });
  }

  test("is twice the one before at least, however sure it is", () => {
    assert.equal(isRaised({ events: 100_000, exposure: 10 }, { events: 199_999, exposure: 10 }), false);
    assert.equal(isRaised({ events: 100_000, exposure: 10 }, { events: 200_000, exposure: 10 }), true);
  });

  test("is not seen where nothing was seen before: without a baseline there is nothing to compare with", () => {
    assert.equal(isRaised({ events: 0, exposure: 0 }, { events: 1000, exposure: 30 }), false);
    assert.equal(isRaised({ events: 0, exposure: 30 }, { events: 1000, exposure: 0 }), false);
  });

  test("stays one when there are more errors, and none when there were more before", () => {
    const count = fc.record({ events: fc.nat(10_000), exposure: fc.integer({ min: 1, max: 1000 }) });
    fc.assert(
      fc.property(count, count, fc.nat(1000), (before, now, more) => {
        if (isRaised(before, now)) assert.ok(isRaised(before, { ...now, events: now.events + more }));
        else assert.ok(!isRaised({ ...before, events: before.events + more }, now));
      }),
      { numRuns: 2000 },
    );
  });

  test("is judged by the exact binomial tail", () => {
    // P(X ≥ 17) of 17 at one half is 2^-17, and so on: right at the bound on both sides.
    for (const [before, now, exact] of [
      [0, 17, 2 ** -17],
      [0, 16, 2 ** -16],
      [1, 20, 22 * 2 ** -21],
      [2, 22, (1 + 24 + (24 * 23) / 2) * 2 ** -24],
    ] as const) {
      const raised = isRaised({ events: before, exposure: 7 }, { events: now, exposure: 7 });
      assert.equal(raised, exact < falseAlarm, `${now} after ${before}`);
    }
  });
});

/** Knuth's for small means; for larger ones the sum of two halves, which is Poisson too. */
function poisson(mean: number, random: () => number): number {
  if (mean > 30) return poisson(mean / 2, random) + poisson(mean / 2, random);
  const bound = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > bound; product *= random()) count++;
  return count;
}
