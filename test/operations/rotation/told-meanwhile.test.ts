import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Rotator } from "../../../operations/rotation/rotator.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { halted } from "./halted.ts";

// A compromise is told in the moment in which another runner writes the journal: never lost, and never told twice.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** The same client; something happens once, before its first write of a demo's journal. */
function beforeWriting(demo: Demo, happens: () => Promise<unknown>): Vault {
  const { vault } = demo.subject;
  const same = vault.with(vault.token);
  let isOver = false;
  same.request = async (method, path, options) => {
    if (!isOver && method === "POST" && path.endsWith(`/data/${demo.secret.journal}`)) {
      isOver = true;
      await happens();
    }
    return vault.request<never>(method, path, options);
  };
  return same;
}

/** The reasons of a demo's rotations with what became of them, the last one first; without that of its first value. */
async function rotations(demo: Demo): Promise<string[]> {
  const { reason, state, history } = await demo.journal();
  return [`${reason} ${state}`, ...history.map((past) => `${past.reason} ${past.outcome}`)].slice(0, -1);
}

const compromise = { reason: "compromise", owner: "the second" } as const;
const both = ["compromise done", "compromise done"];

for (const wait of [true, false])
  test(`a compromise told ${wait ? "by who waits " : ""}as another runner begins hastens that one's rotation, and another one follows (R21)`, async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const { subject, reached, go } = halted(t, demo, "stage");
    let first: ReturnType<Demo["rotate"]> | undefined;
    const vault = beforeWriting(demo, async () => {
      first = demo.rotate({ ...subject, owner: "the first" });
      await reached;
      if (wait) setTimeout(go, 200);
    });
    const told = await demo.rotate({ ...compromise, vault, wait });
    go();
    assert.equal((await first)?.state, "done");
    if (wait) assert.deepEqual([told.state, told.reason], ["done", "compromise"]);
    else assert.deepEqual([told.busy?.owner, told.reason], ["the first", "compromise"]);
    assert.deepEqual(await rotations(demo), both);
  });

test("what a schedule makes again after a compromise is made once where another runner begins it first, in the same haste (R21, R34)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { id: after } = await demo.journal();
  const { subject, reached, go } = halted(t, demo, "stage");
  let first: ReturnType<Demo["rotate"]> | undefined;
  const vault = beforeWriting(demo, async () => {
    first = demo.rotate({ ...subject, owner: "the first" });
    await reached;
  });
  const second = await demo.rotate({ ...compromise, after, vault, wait: false });
  go();
  assert.equal((await first)?.state, "done");
  assert.equal(second.busy?.owner, "the first");
  assert.deepEqual(await rotations(demo), ["compromise done"]);
});

test("a compromise told as another runner ends a scheduled rotation gets one of its own: that one's value may be the one that leaked (R21)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const { subject, reached, go } = halted(t, demo, "verify");
  const first = demo.rotate({ ...subject, owner: "the first" });
  await reached;
  const given = demo.world.usedBy("demo/reader-1");
  const vault = beforeWriting(demo, async () => {
    go();
    await first;
  });
  const told = await demo.rotate({ ...compromise, vault, wait: false });
  assert.deepEqual([told.state, told.reason], ["done", "compromise"]);
  assert.notEqual(told.id, (await first).id);
  assert.deepEqual(await rotations(demo), ["compromise done", "scheduled done"]);
  assert.ok(!demo.world.accepted.has(given ?? ""), "the value that may have leaked is refused");
});

for (const [how, takes] of [
  ["is over before the next look", 0],
  ["is seen under way", 2500],
] as const)
  test(`who waits for another runner that was told of a compromise makes no third rotation where the one that follows ${how} (R21, R34)`, async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const { subject, reached, go } = halted(t, demo, "stage");
    const stage: Rotator["stage"] = async (context, ...fields) => {
      await subject.rotator.stage(context, ...fields);
      if (context.reason === "compromise") await new Promise((done) => setTimeout(done, takes));
    };
    const rotator = { ...subject.rotator, stage };
    const first = demo.rotate({ ...subject, rotator, owner: "the first" });
    await reached;
    setTimeout(go, 300);
    const told = await demo.rotate(compromise);
    const ended = await first;
    assert.deepEqual([told.state, told.id], ["done", ended.id]);
    assert.deepEqual(await rotations(demo), both);
  });
