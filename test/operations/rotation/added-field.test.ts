import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import type { Rotator } from "../../../operations/rotation/rotator.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { slow } from "./quick.ts";
import { modelWith } from "./world.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** A key of a provider, which two services read. */
const demoOf = (t: Parameters<RotationBench["demo"]>[0]) =>
  bench.demo(t, "password", ["reader", "reader"], { kind: "api-key", ...slow });

/** The secret with a field more, which the first of its consumers reads. */
function withRegion({ secret }: Demo): Secret {
  const consumers = secret.consumers.map((one, index) =>
    index === 0 ? { ...one, as: { ...one.as, REGION: "region" } } : one,
  );
  return { ...secret, fields: [...secret.fields, "region"], consumers };
}

/** By the catalogue that has the field. */
function options(demo: Demo, more: Partial<RotateOptions> = {}): RotateOptions {
  const secret = withRegion(demo);
  return demo.options({ wait: false, secret, model: modelWith(demo.model, secret), ...more });
}

/** Whose next version has the field. */
function rotatorWithRegion({ subject: { rotator } }: Demo): Rotator {
  return {
    ...rotator,
    create: async (context, current) => ({ ...(await rotator.create(context, current)), region: "north" }),
  };
}

suite("a field that is added to a secret, and read by a consumer (R26)", () => {
  test("by the rotation that brings it: what works of the old version is given back, beside what it had not", async (t) => {
    const demo = await demoOf(t);
    const old = demo.world.usedBy("demo/reader-1");
    const rotator = rotatorWithRegion(demo);
    assert.equal((await rotate(options(demo, { rotator }))).state, "drain");
    assert.equal(demo.world.actors.get("demo/reader-1")?.runs?.fields.region, "north");
    const outcome = await abortRotation({ ...options(demo, { rotator, wait: true }), why: "asked" });
    assert.equal(outcome.state, "rolled-back");
    assert.deepEqual(demo.world.actors.get("demo/reader-1")?.runs?.fields, {
      password: old,
      region: "north",
    });
    assert.equal(demo.world.usedBy("demo/reader-2"), old);
    assert.match(outcome.notes.join(), /region, which version 1 of password-\d+\/key has not, stays/);
    // The source says what there is: whoever gives the next value is asked for the field.
    assert.deepEqual(Object.keys(await demo.fields()), ["password"]);
    assert.deepEqual(demo.world.violations, []);
  });

  test("by a catalogue that changed under way: nothing is begun without it, and the rotation says who reads it", async (t) => {
    const demo = await demoOf(t);
    assert.equal((await demo.rotate({ wait: false })).state, "drain");
    const left = await demo.left();
    const outcome = await rotate(options(demo, { reason: "compromise" }));
    assert.deepEqual([outcome.state, outcome.isStuck], ["drain", true]);
    const said = (which: string) =>
      new RegExp(
        `^demo/reader-1 reads region by the catalogue now, which ${which}: put ${demo.secret.id} back`,
      );
    assert.match(outcome.waiting ?? "", said(`version 2 of ${demo.secret.id} has not`));
    const back = await abortRotation({ ...options(demo), why: "asked" });
    assert.deepEqual([back.state, back.isStuck], ["rolling-back", true]);
    assert.match(back.waiting ?? "", said(`neither version 1 nor version 2 of ${demo.secret.id} has`));
    assert.deepEqual(await demo.left(), left);
    // Put back, it goes the way back; the compromise's own rotation follows.
    assert.equal((await demo.rotate()).state, "done");
    assert.deepEqual(demo.world.violations, []);
  });
});
