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
      if (isRaised({ events: counts[0], seconds: before }, { events: counts[1], seconds: now })) alarms++;
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
      if (!isRaised({ events: counts[0], seconds: 30 }, { events: counts[1], seconds: 30 })) missed++;
    }
    assert.ok(missed <= times / 1000, `${missed} of ${times} missed`);
  });

  for (const [events, seconds, raised] of [
    [16, 30, false],
    [17, 30, true],
    [5, 5, false],
    [6, 5, true],
    [4, 0.001, false],
  ] as const) {
    test(`after 30 s without an error, ${events} in ${seconds} s are ${raised ? "" : "not "}one`, () => {
      assert.equal(isRaised({ events: 0, seconds: 30 }, { events, seconds }), raised);
    });
  }

  test("is twice the one before at least, however sure it is", () => {
    assert.equal(isRaised({ events: 100_000, seconds: 10 }, { events: 199_999, seconds: 10 }), false);
    assert.equal(isRaised({ events: 100_000, seconds: 10 }, { events: 200_000, seconds: 10 }), true);
  });

  test("is not seen where nothing was seen before: without a baseline there is nothing to compare with", () => {
    assert.equal(isRaised({ events: 0, seconds: 0 }, { events: 1000, seconds: 30 }), false);
    assert.equal(isRaised({ events: 0, seconds: 30 }, { events: 1000, seconds: 0 }), false);
  });

  test("stays one when there are more errors, and none when there were more before", () => {
    const count = fc.record({ events: fc.nat(10_000), seconds: fc.integer({ min: 1, max: 1000 }) });
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
      const raised = isRaised({ events: before, seconds: 7 }, { events: now, seconds: 7 });
      assert.equal(raised, exact < falseAlarm, `${now} after ${before}`);
    }
  });
});

describe("a raised share of failures of requests (R48)", () => {
  const share = (events: number, requests: number) => ({ events, requests, seconds: 30 });

  test("is not seen where the share stayed, however few came before and whatever it is, more often than is stated", () => {
    const random = seeded(815);
    let alarms = 0;
    for (let look = 0; look < looks / 10; look++) {
      const rate = random() ** 3;
      const of = (requests: number) => share(binomial(requests, rate, random), requests);
      const ever = of(200 + Math.floor(random() * 800));
      if (isRaised({ ...of(Math.floor(random() * 40)), ever }, of(Math.floor(random() * 300)))) alarms++;
    }
    assert.ok(alarms <= (2 * falseAlarm * looks) / 10 + 4, `${alarms} alarms in ${looks / 10} looks`);
  });

  for (const [before, failures] of [
    [0, 6],
    [5, 6],
    [16, 6],
    [17, 6],
    [100, 5],
    [1_000_000, 5],
  ] as const) {
    test(`after ${before} that went well takes ${failures} failures in a row`, () => {
      assert.equal(isRaised(share(0, before), share(failures, failures)), true);
      assert.equal(isRaised(share(0, before), share(failures - 1, failures - 1)), false);
    });
  }

  test("is one of half of them where nothing was seen before, and no smaller one", () => {
    assert.equal(isRaised(share(0, 0), share(55_000, 100_000)), true);
    assert.equal(isRaised(share(0, 0), share(45_000, 100_000)), false);
  });

  test("is judged by the exact hypergeometric tail, also of failures that were counted twice", () => {
    // All of the failures after all of what went well: one of C(n + 20, n) orders.
    assert.equal(isRaised(share(0, 20), share(5, 5)), 1 / 53_130 < falseAlarm);
    assert.equal(isRaised(share(0, 20), share(6, 6)), 1 / 230_230 < falseAlarm);
    assert.equal(isRaised(share(0, 20), share(6, 3)), 1 / 230_230 < falseAlarm);
    // Five or six of six, where six of 26 fail.
    assert.equal(isRaised(share(1, 20), share(5, 6)), (6 * 20 + 1) / 230_230 < falseAlarm);
  });

  test("is twice the odds before at least: all after half, but not two thirds less one", () => {
    assert.equal(isRaised(share(50_000, 100_000), share(100, 100)), true);
    assert.equal(isRaised(share(50_000, 100_000), share(66_000, 100_000)), false);
    assert.equal(isRaised(share(50_000, 100_000), share(67_000, 100_000)), true);
  });

  test("is none of what fails beside its requests: that is measured by time", () => {
    assert.equal(isRaised(share(100, 2), { events: 1000, requests: 1, seconds: 300 }), false);
    assert.equal(isRaised(share(100, 2), { events: 1000, requests: 20, seconds: 30 }), true);
    assert.equal(isRaised(share(0, 30), { events: 30, seconds: 30 }), true);
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

function binomial(trials: number, share: number, random: () => number): number {
  let count = 0;
  for (let trial = 0; trial < trials; trial++) if (random() < share) count++;
  return count;
}
