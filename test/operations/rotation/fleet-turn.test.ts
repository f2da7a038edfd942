import assert from "node:assert/strict";
import { test } from "node:test";
import { type Rotatable, takeTurn } from "../../../operations/rotation/fleet-turn.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { noRotation, type Outcome, outcomeOf } from "../../../operations/rotation/outcome.ts";
import type { Reason } from "../../../operations/rotation/rotator.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import { VirtualClock } from "./virtual-clock.ts";

for (const [reason, ends, seconds] of [
  ["compromise", "done", 2 * 360],
  ["scheduled", "observe-listeners", 0],
] as const) {
  test(`a run ${reason === "scheduled" ? "leaves" : "stays with"} a ${reason} rotation while a listener that nobody sees takes up the new value, and a signer after it (R21)`, async () => {
    const clock = new VirtualClock(new Date("2026-11-28T00:00:00Z"));
    const begun = clock.now().getTime();
    const outcome: Outcome = {
      ...{ secret: "titan/hmac", id: "r", reason, state: "observe-listeners", from: 1, to: 2 },
      ...{ unchanged: false, isStuck: false, skipped: [], notes: [] },
    };
    const waits = (state: Outcome["state"]): Outcome => ({
      ...outcome,
      state,
      notBefore: new Date(clock.now().getTime() + 360_000).toISOString(),
    });
    const next = [() => waits("observe-signers"), (): Outcome => ({ ...outcome, state: "done" })];
    const one: Rotatable = {
      ...{ id: "titan/hmac", seen: undefined, settles: 360 },
      look: async () => ({ journal: undefined, isChosen: true, mayBegin: async () => {} }),
      rotate: async () => waits("observe-listeners"),
      resume: async () => next.shift()?.() ?? assert.fail("it had ended"),
      keep: async () => [],
    };
    const model = { rotation: { watch: 0 } };
    const runner = { model, signal: new AbortController().signal } as unknown as Runner;
    const wanted = { what: "these", reason: reason as Exclude<Reason, "first"> } as const;
    const ended = await clock.run(takeTurn({ runner, clock, wanted, wait: false }, one));
    assert.equal(ended.state, ends);
    assert.equal((clock.now().getTime() - begun) / 1000, seconds);
  });
}

test("what may have leaked and came back is begun by a schedule with the reason that it had, and by one run alone (R21)", async () => {
  const clock = new VirtualClock(new Date("2026-11-28T00:00:00Z"));
  const journal = journalOf("r", "rolled-back");
  const begun: unknown[] = [];
  const one: Rotatable = {
    ...{ id: "titan/hmac", seen: journal, settles: 0 },
    look: async () => ({
      ...{ journal, isChosen: true, reason: "compromise" },
      mayBegin: async (reason) => void begun.push(reason),
    }),
    rotate: async (begins) => {
      begun.push(begins);
      return outcomeOf("titan/hmac", journalOf("s", "done"));
    },
    resume: async () => assert.fail("it had ended"),
    keep: async () => [],
  };
  const runner = { model: { rotation: { watch: 0 } }, signal: new AbortController().signal };
  const turn = { runner: runner as unknown as Runner, clock, wanted: { what: "due" }, wait: false } as const;
  assert.equal((await clock.run(takeTurn(turn, one))).state, "done");
  assert.deepEqual(begun, ["compromise", { reason: "compromise", after: "r" }]);
  // Another run has tried meanwhile, and went back as well.
  const late = { ...one, seen: journalOf("q", "rolled-back") };
  const { unchanged, doneBy } = await clock.run(takeTurn(turn, late));
  assert.deepEqual([unchanged, doneBy, begun.length], [true, "another", 2]);
});

function journalOf(id: string, state: Journal["state"]): Journal {
  return {
    ...noRotation(new Date("2026-11-27T00:00:00Z")),
    id,
    state,
    owner: "another",
    reason: "compromise",
  };
}
