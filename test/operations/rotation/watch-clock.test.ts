import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { instance, observed, TestClock, watchOf } from "./counting.ts";

const signal = new AbortController().signal;
const minute = 60_000;

/** A service without an error so far, the clock of its rotation, and this machine's, which is off by so much. */
async function rotated(t: TestContext, off: number) {
  const one = await instance(t, { errors_total: 0 });
  const clock = new TestClock();
  t.mock.timers.enable({ apis: ["Date"], now: clock.time + off });
  const tick = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000);
  clock.meanwhile = () => tick(30);
  return {
    clock,
    name: `errors of shop/api at ${one.url}/metrics`,
    service: observed([one]),
    fail(count: number) {
      one.metrics.errors_total = (one.metrics.errors_total ?? 0) + count;
    },
    pass(seconds: number) {
      clock.pass(seconds);
      tick(seconds);
    },
  };
}

describe("watching where runners' clocks are minutes off (R48)", () => {
  for (const off of [-5 * minute, 0, 5 * minute]) {
    const by = `${off / minute} min off`;

    test(`one runner, ${by}: an error a second is found within half a minute after listeners took 20 min`, async (t) => {
      const { clock, service, fail, pass } = await rotated(t, off);
      const watch = watchOf(service);
      const baseline = await watch.baseline(clock, signal);
      pass(20 * 60);
      const switched = clock.now();
      assert.equal((await watch.judge(baseline, switched, clock, signal)).state, "ok");
      for (let look = 0; look < 2; look++) {
        fail(10);
        pass(10);
        await watch.judge(baseline, switched, clock, signal);
      }
      fail(10);
      pass(10);
      assert.equal((await watch.judge(baseline, switched, clock, signal)).state, "raised");
    });

    test(`another runner, ${by} from the first: ten errors a second are found after ten seconds`, async (t) => {
      const { clock, service, name, fail, pass } = await rotated(t, 0);
      const baseline = await watchOf(service).baseline(clock, signal);
      t.mock.timers.setTime(clock.time + off);
      fail(100);
      pass(10);
      assert.deepEqual(await watchOf(service).judge(baseline, clock.now(), clock, signal), {
        state: "raised",
        names: [`${name}: 100 in 10 s, before it was 0 in 30 s`],
      });
    });
  }
});
