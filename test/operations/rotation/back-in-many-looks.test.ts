import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { abortRotation, type RotateOptions } from "../../../operations/rotation/engine.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { slow } from "./quick.ts";
import type { Actor } from "./world.ts";

// One listener that lags lets it look again and again: the others are not to notice.
suite("a way back that takes many looks restarts nobody for nothing (R34)", () => {
  let bench: RotationBench;

  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  function actorOf({ world }: Demo, id: string): Actor {
    return world.actors.get(id) ?? assert.fail(`no ${id}`);
  }

  /** Aborted, and looked at as often as `looks` says while the listener lags. @returns the last outcome */
  async function aborted(demo: Demo, looks: number, more: Partial<RotateOptions> = {}): Promise<Outcome> {
    let outcome = await abortRotation({ ...demo.options({ wait: false, ...more }), why: "a test wants it" });
    for (let look = 1; look < looks; look++) outcome = await demo.rotate({ wait: false, ...more });
    assert.equal(outcome.state, "rolling-back");
    assert.match(outcome.waiting ?? "", /^demo\/listener-3 does not run the old value: /);
    return outcome;
  }

  /** @param how it lags: from the beginning, so that nobody else got the new value, or only on the way back */
  async function withLagging(t: Parameters<RotationBench["demo"]>[0], how: "from the beginning" | "back") {
    const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"], slow);
    const [signer, reader, listener] = ["signer-1", "reader-2", "listener-3"].map((name) =>
      actorOf(demo, `demo/${name}`),
    ) as [Actor, Actor, Actor];
    const old = await demo.fields();
    const lags = () => {
      listener.isDeaf = true;
    };
    if (how === "from the beginning") lags();
    const { state } = await demo.rotate({ wait: false });
    assert.equal(state, how === "back" ? "drain" : "deliver-listeners");
    lags();
    demo.world.settle();
    const ends = async (more: Partial<RotateOptions> = {}) => {
      listener.isDeaf = false;
      const { state } = await demo.rotate({ wait: false, ...more });
      assert.equal(state, "rolled-back");
      assert.deepEqual(demo.world.violations, []);
      for (const id of demo.world.actors.keys()) assert.equal(demo.world.usedBy(id), old.primary, id);
      assert.deepEqual(await demo.fields(), old);
    };
    return { demo, signer, reader, listener, ends };
  }

  test("a reader that has the old value alone is not given the new one beside it again", async (t) => {
    const { demo, signer, reader, ends } = await withLagging(t, "back");
    await aborted(demo, 4);
    assert.deepEqual([signer.reloads, reader.reloads], [1, 2], "signs with the old value, then has it alone");
    await ends();
    assert.deepEqual([signer.reloads, reader.reloads], [1, 2]);
  });

  test("a reader that never had the new value is not given it on the way back", async (t) => {
    const { demo, signer, reader, ends } = await withLagging(t, "from the beginning");
    await aborted(demo, 4);
    await ends();
    assert.deepEqual([signer.reloads, reader.reloads], [0, 0]);
  });

  test("who never had the new value and shows nothing is neither reloaded nor waited for", async (t) => {
    const { demo, signer, ends } = await withLagging(t, "from the beginning");
    signer.isHidden = true;
    const services = demo.model.services.map((service) => ({ ...service, settles: 600 }));
    const model = { ...demo.model, services };
    await aborted(demo, 3, { model });
    assert.deepEqual((await demo.journal()).unseen, undefined);
    await ends({ model });
    assert.equal(signer.reloads, 0);
  });

  test("nor is who reads Vault itself", async (t) => {
    const { demo, ends } = await withLagging(t, "from the beginning");
    const services = demo.model.services.map((service) => ({ ...service, settles: 600 }));
    const model = { ...demo.model, services };
    const sinks: RotateOptions["sinks"] = (consumer) =>
      consumer.role === "signer" ? [] : demo.subject.sinks(consumer);
    await aborted(demo, 3, { model, sinks });
    assert.deepEqual((await demo.journal()).unseen, undefined);
    await ends({ model, sinks });
  });
});
