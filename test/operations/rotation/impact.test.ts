import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, suite, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { rotateGiven, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import type { Wanted } from "../../../operations/rotation/status.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { hasty, Tokens } from "./runner-bench.ts";

suite("what a rotation does to people is told before it begins, once for each secret (R49)", () => {
  let bench: RotationBench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  const said = "Everybody is logged out";

  /** A secret with an impact beside one without, and what a run of them tells. */
  async function told(run: (runner: Runner, secret: Secret, all: Secret[]) => Promise<unknown>, more = {}) {
    const tokens = await Tokens.make(bench, { loud: ["demo/a"], quiet: ["demo/b"] });
    const loud = { ...tokens.get("loud"), impact: said, ...more };
    const texts: string[] = [];
    const runner = tokens.runner({
      model: { ...tokens.model, secrets: [loud, tokens.get("quiet")] },
      clock: hasty(2 * 86_400_000),
      report: ({ text }) => texts.push(text),
    });
    await run(runner, loud, runner.model.secrets);
    return { texts, tells: texts.filter((text) => text === `${loud.id}: ${said}`).length };
  }

  for (const wanted of [{ what: "due" }, { what: "these", reason: "scheduled" }] as Wanted[]) {
    test(`by ${wanted.what === "due" ? "a schedule" : "name"}`, async () => {
      const { tells, texts } = await told((runner, _, all) =>
        rotateMany(runner, all, wanted, { wait: false }),
      );
      assert.equal(tells, 1, texts.join("; "));
    });
  }
  test("by a person who brings the next value", async () => {
    const given = { token: randomBytes(32).toString("base64url") };
    const rotate = { by: "hand", overlap: 0, onCompromise: true };
    const { tells, texts } = await told((runner, loud) => rotateGiven(runner, loud, given, "scheduled"), {
      rotate,
    });
    assert.equal(tells, 1, texts.join("; "));
  });
  test("not again to whoever was asked before, nor where one only goes on, nor of a first value", async () => {
    const asked = await told((runner, _, all) =>
      rotateMany(
        { ...runner, impactsTold: true },
        all,
        { what: "these", reason: "compromise" },
        { wait: false },
      ),
    );
    assert.equal(asked.tells, 0);
    const source = { source: "source/none/yet", generator: { by: "machine", bytes: 32, encoding: "hex" } };
    const first = await told(
      (runner, loud) => rotateMany(runner, [loud], { what: "due" }, { wait: false }),
      source,
    );
    assert.equal(first.tells, 0, first.texts.join("; "));
  });
});
