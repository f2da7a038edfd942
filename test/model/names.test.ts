import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { seconds } from "../../model/duration.ts";
import { fit, limits } from "../../model/names.ts";

const runs = { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 20_000 : 500 };
const name = fc.stringMatching(/^[a-z][a-z0-9]{0,20}([-_.][a-z0-9]{1,30}){0,4}$/);

suite("names that are too long elsewhere", () => {
  test("the limits are IAM's 64 and Postgres' and Kubernetes' 63", () => {
    assert.deepEqual(limits, { iam: 64, postgres: 63, kubernetes: 63 });
  });
  test("a name that fits is left alone", () => {
    assert.equal(fit("titan.titan-brain", 63), "titan.titan-brain");
    assert.equal(fit("a".repeat(63), 63), "a".repeat(63));
  });
  test("a name that does not is cut and ends in a hash of the whole", () => {
    assert.equal(fit("a".repeat(64), 63), `${"a".repeat(52)}-ffe054fe7a`);
  });
  test("the cut is never too long, and does not end the head in a separator", () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 20, max: 64 }), (long, limit) => {
        const short = fit(long, limit);
        assert.ok(short.length <= limit);
        assert.equal(short, fit(long, limit));
        if (short !== long) assert.match(short, /[a-z0-9]-[0-9a-f]{10}$/);
      }),
      runs,
    );
  });
  test("two names do not meet in one cut", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 20, maxLength: 40 }), (names) => {
        assert.equal(new Set(names.map((long) => fit(long, 30))).size, names.length);
      }),
      { numRuns: 50 },
    );
  });
});

suite("durations", () => {
  test("are whole seconds", () => {
    assert.deepEqual(
      ["45s", "15m", "24h", "30d", "3w"].map(seconds),
      [45, 900, 86_400, 2_592_000, 1_814_400],
    );
  });
});
