import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { shown } from "../../../cli/rotation-rows.ts";
import { VaultUnreachableError } from "../../../clients/vault.ts";
import { CiphertextRemainsError } from "../../../operations/rotation/re-encryption/census.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { seeded } from "../../integration/support/seeded.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const isWhole = process.env.KEYPLANE_SCALE === "prove";

/** Rotated whole, without a moment at which anybody was refused, and nothing left over. */
async function assertDone(demo: Demo, at: string): Promise<void> {
  const { world } = demo;
  const fields = await demo.fields();
  assert.equal((await demo.journal()).state, "done", at);
  assert.deepEqual(world.violations, [], at);
  assert.deepEqual([...world.accepted.keys()], [fields.primary ?? fields.password], at);
  for (const [path, versions] of Object.entries(await demo.left())) {
    assert.equal(versions.length, 1, `${at}: ${path}`);
  }
}

const asked = [
  "make",
  "accept",
  "probe",
  "errors",
  "write",
  "reload",
  "running",
  "health",
  "users",
  "refuse",
  "accepts",
];
for (const how of ["refused", "busy", "reply lost"] as const) {
  test(`a target that is ${how} at any one call is asked again, and the rotation ends as if nothing had been`, async (t) => {
    for (const what of asked) {
      const demo = await bench.demo(t, "password", ["reader", "listener"]);
      demo.world.faults = [{ do: what, how }];
      assert.equal((await demo.rotate()).state, "done", what);
      assert.deepEqual(demo.world.faults, [], `${what} was never asked`);
      await assertDone(demo, what);
    }
  });
}

for (const how of ["refused", "reply lost"] as const) {
  test(`Vault that is ${how} at any one request is asked again: one rotation, nothing left over`, async (t) => {
    const random = seeded(how.length);
    let all = 0;
    for (let at = 0; at === 0 || at < all; at += isWhole ? 1 : 8 + Math.floor(random() * 12)) {
      const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"]);
      const vault = bench.vault.with(bench.vault.token);
      let requests = 0;
      vault.request = async (...given) => {
        const isIt = requests++ === at;
        if (isIt && how === "refused") throw new VaultUnreachableError("connection refused");
        const answer = await bench.vault.request(...(given as Parameters<typeof bench.vault.request>));
        if (isIt) throw new VaultUnreachableError("the reply was lost");
        return answer as never;
      };
      const outcome = await demo.rotate({ vault });
      all = Math.max(all, requests);
      assert.equal(outcome.state, "done", `request ${at}`);
      await assertDone(demo, `request ${at}`);
      const { history } = await demo.journal();
      assert.equal(history.length, 1, `request ${at}: more than one rotation`);
    }
    assert.ok(all > 60, `only ${all} requests were made`);
  });
}

test("a target that stays away leaves the rotation where it is, in words and with a time, and it heals", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const away = {
    ...demo.subject.rotator,
    stage: async () => {
      throw new TargetUnavailableError("the broker is down", { retryAfter: 120 });
    },
  };
  const outcome = await demo.rotate({ rotator: away, wait: false });
  assert.deepEqual(
    [outcome.state, outcome.waiting, outcome.waitsFor],
    ["stage", "the broker is down", "target"],
  );
  const pause = Date.parse(outcome.notBefore ?? "") - Date.now();
  assert.ok(pause > 100_000 && pause < 130_000, `${pause} ms`);
  assert.equal((await demo.rotate({ wait: false })).state, "done");
  await assertDone(demo, "healed");
});

test("ciphertext that is left when the old key is to be dropped is a finding with its rows: asked once, waited for, and no target that is away (R17, R23, R24)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  let asked = 0;
  const holds = {
    ...demo.subject.rotator,
    revoke: async () => {
      asked++;
      throw new CiphertextRemainsError("stored ciphertext still needs the old key: 3 old, 120 new");
    },
  };
  for (const runs of [1, 2]) {
    const outcome = await demo.rotate({ rotator: holds, wait: false });
    assert.deepEqual(
      [outcome.state, outcome.waiting, outcome.waitsFor, asked],
      ["revoke", "stored ciphertext still needs the old key: 3 old, 120 new", undefined, runs],
    );
    const row = shown({ secret: demo.subject.secret.id, outcome }, true);
    assert.deepEqual(
      [row.result, row.text, row.code],
      ["stuck", "stuck at revoke: stored ciphertext still needs the old key: 3 old, 120 new", 1],
    );
  }
  assert.equal((await demo.rotate({ wait: false })).state, "done");
});

test("Vault sealed in the middle stops the rotation in a clear state; unsealed, the same run ends it", async (t) => {
  const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"]);
  const { rotator } = demo.subject;
  let seals = 0;
  const sealing = {
    ...rotator,
    stage: async (...given: Parameters<typeof rotator.stage>) => {
      await rotator.stage(...given);
      if (seals++ === 0) await bench.server.root.request("PUT", "sys/seal");
    },
  };
  const running = demo.rotate({ rotator: sealing, lease: { lasts: 1500, call: 200 } });
  while (!demo.steps.some(({ text }) => /sealed/i.test(text))) await sleep(20);
  assert.deepEqual(demo.world.violations, []);
  // Longer than one run tries without a pause, and than its lease.
  await sleep(3000);
  await bench.server.unseal();
  assert.equal((await running).state, "done");
  await assertDone(demo, "unsealed");
});

test("an error that nobody foresaw stops the run, lets the next one in, and its words stay out of the journal", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  for (const name of ["TypeError", "YAMLParseError"]) {
    const broken = {
      ...demo.subject.rotator,
      stage: async () => {
        throw Object.assign(new Error("cannot read hunter2-hunter2"), { name });
      },
    };
    await assert.rejects(demo.rotate({ rotator: broken }), { name });
    const { waiting, state } = await demo.journal();
    assert.deepEqual([state, waiting], ["stage", `an unexpected ${name}`]);
  }
  assert.equal((await demo.rotate({ wait: false })).state, "done");
});
