import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldStop } from "../../../operations/rotation/held-stop.ts";

/** A stop that can be asked for, and what was said of it. */
function asked() {
  const controller = new AbortController();
  const said: string[] = [];
  const stop = new HeldStop(controller.signal, (until) => said.push(until));
  return { stop, said, ask: () => controller.abort(new Error("Ctrl-C")) };
}

test("a stop waits for what must not be interrupted, says so once, and comes right after it, whether that succeeds or fails", async () => {
  for (const [isOver, what] of [
    [async () => "kept", "kept"],
    [async () => Promise.reject(new Error("refused")), "Error: refused"],
  ] as const) {
    const { stop, said, ask } = asked();
    const done = stop.during("it is kept", async () => {
      ask();
      assert.equal(stop.signal.aborted, false);
      return isOver();
    });
    assert.equal(await done.catch(String), what);
    assert.deepEqual(said, ["it is kept"]);
    assert.match(String(stop.signal.reason), /Ctrl-C/);
  }
});

test("what holds a stop up already still does after something else that did (R32)", async () => {
  const { stop, said, ask } = asked();
  stop.hold();
  await stop.during("it is kept", async () => {});
  ask();
  assert.equal(stop.signal.aborted, false);
  assert.match(said[0] ?? "", /^every consumer has the value that is accepted/);
  stop.letGo();
  assert.equal(stop.signal.aborted, true);
});
