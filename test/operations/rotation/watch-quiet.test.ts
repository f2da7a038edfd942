import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { instance, observed, TestClock, watchOf } from "./counting.ts";

const signal = new AbortController().signal;

/** A service that counts its requests, as few before a rotation as are said. */
async function quiet(
  t: TestContext,
  before: { ever?: [good: number, bad: number]; window: [number, number] },
) {
  const good = 'http_requests_total{status="200"}';
  const bad = 'http_requests_total{status="401"}';
  const [answered, refused] = before.ever ?? [0, 0];
  // A counter with labels is not there before its first event.
  const one = await instance(t, {
    ...(answered > 0 && { [good]: answered }),
    ...(refused > 0 && { [bad]: refused }),
  });
  const clock = new TestClock();
  const watch = watchOf(observed([one]));
  const add = (more: [good: number, bad: number]) => {
    for (const [index, name] of [good, bad].entries()) {
      const count = (one.metrics[name] ?? 0) + (more[index] ?? 0);
      if (count > 0) one.metrics[name] = count;
    }
  };
  clock.meanwhile = () => add(before.window);
  const baseline = JSON.parse(JSON.stringify(await watch.baseline(clock, signal)));
  const switched = new Date(clock.time);
  return {
    /** What is said of so many requests within so many seconds, and of what came before. */
    async after(seconds: number, requests: [good: number, bad: number]) {
      add(requests);
      clock.pass(seconds);
      return watch.judge(baseline, switched, clock, signal);
    },
  };
}

describe("watching a service that counts its requests and has few (R48)", () => {
  for (const [count, ever] of [
    [0, 0],
    [0, 5000],
    [1, 0],
    [3, 5000],
    [5, 0],
    [11, 5000],
  ] as const) {
    test(`${count} before, after ${ever} others, and then everybody is refused: it is found within a hundred`, async (t) => {
      const service = await quiet(t, { ever: [ever, 0], window: [count, 0] });
      const verdict = await service.after(100, [0, 100]);
      assert.equal(verdict.state, "raised");
      assert.match("names" in verdict ? verdict.names.join() : "", /100 in 100 requests, before it was 0 in/);
    });
  }

  test("a request in ten seconds, each of which is refused, is found within the usual watch", async (t) => {
    const service = await quiet(t, { window: [3, 0] });
    assert.equal((await service.after(300, [0, 30])).state, "raised");
  });

  test("traffic that grows from nothing with an ordinary share of errors is none, however much comes", async (t) => {
    const service = await quiet(t, { window: [0, 0] });
    for (let look = 0; look < 30; look++) {
      assert.deepEqual(await service.after(10, [9_000, 1_000]), { state: "ok" });
    }
  });

  test("a stranger's refused request before hides nothing", async (t) => {
    const service = await quiet(t, { ever: [50_000, 200], window: [0, 1] });
    assert.deepEqual(await service.after(60, [30, 1]), { state: "ok" });
    assert.equal((await service.after(60, [0, 100])).state, "raised");
  });

  test("what has always refused most goes on with that, also where nobody came directly before", async (t) => {
    const service = await quiet(t, { ever: [100, 900], window: [0, 0] });
    for (let look = 0; look < 20; look++) {
      assert.deepEqual(await service.after(10, [10, 90]), { state: "ok" });
    }
    const unknown = await quiet(t, { window: [0, 5] });
    for (let look = 0; look < 20; look++) assert.deepEqual(await unknown.after(30, [0, 5]), { state: "ok" });
  });

  test("half refused as usual, to begin with, is told from all", async (t) => {
    const service = await quiet(t, { ever: [1000, 1010], window: [500, 505] });
    assert.deepEqual(await service.after(30, [2000, 2020]), { state: "ok" });
    await service.after(30, [0, 0]);
    assert.equal((await service.after(30, [0, 500])).state, "raised");
  });
});
