import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import { killEverywhere } from "./crash.ts";
import {
  accessKeyTarget,
  bybitTarget,
  crashesAt,
  natsTarget,
  openAiTarget,
  type Platform,
  providerTarget,
} from "./targets.ts";

let bench: RotationBench;
let platform: Platform;
before(async () => {
  bench = await openBench();
  const { server, model, login } = bench;
  const { root, address, ca } = server;
  platform = { root, model, address, ca, login };
});
after(() => bench.close());

const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** States that differ from target to target; the rest is the engine's own, which crash.test.ts kills. */
const own = ["generate", "stage", "revoke", "verify", "rolling-back"];

for (const [what, open] of [
  ["a NATS user (R33)", natsTarget],
  ["a provider's key, where two may live (R15)", providerTarget],
  ["an access key, whose keys have no labels", accessKeyTarget],
  ["a key of OpenAI (R20)", openAiTarget],
  ["a key of Bybit", bybitTarget],
] as const) {
  for (const rollsBack of [false, true]) {
    test(`${what}: killed before and after every call of ${rollsBack ? "rolling back" : "a rotation"}, another runner ends it; what consumers hold is let in at every moment, nothing is left over`, async (t) => {
      await using target = await open(platform);
      const { killed } = await killEverywhere(t, {
        ...crashesAt(platform, target, rollsBack),
        perState: rollsBack ? 2 : 1,
        only: ({ state }) => isWhole || own.includes(state),
      });
      assert.ok(killed >= (rollsBack ? 1 : 3), `only ${killed} were killed`);
      const logs = `${await target.log()}${await auditLog(bench.server)}`;
      const values = target.values();
      assert.ok(values.size > 3);
      for (const value of values) assert.ok(value !== "" && !logs.includes(value), "a value stands in a log");
    });
  }
}
