import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { serviceOf } from "../delivery/services.ts";
import { instance, observed, TestClock, watchOf } from "./counting.ts";

const signal = new AbortController().signal;

// A baseline that a version of before 2026-11-29 has left in the journal: `exposure` was of requests or of seconds.
describe("watching a rotation that an older version began (R48)", () => {
  test("errors in a log are measured by the time that the baseline took", async (t) => {
    const root = await mkdtemp(join(tmpdir(), "keyplane-watch-"));
    t.after(() => rm(root, { recursive: true }));
    const log = join(root, "api.log");
    await writeFile(log, "started\n");
    const { ino, size } = await stat(log);
    const clock = new TestClock();
    const name = "errors in the log of shop/api";
    const baseline = {
      ...{ "ended at": clock.time, [name]: 0, [`${name}: events`]: 0, [`${name}: exposure`]: 30 },
      ...{ [`${name}: mark inode`]: ino, [`${name}: mark position`]: size },
    };
    const watch = watchOf(serviceOf("api", [], { observe: { instances: [], log: "/api.log" } }), { root });
    assert.deepEqual(await watch.judge(baseline, clock.now(), clock, signal), { state: "ok" });
    await appendFile(log, "error: invalid signature\n".repeat(1000));
    clock.pass(60);
    assert.deepEqual(await watch.judge(baseline, clock.now(), clock, signal), {
      state: "raised",
      names: [`${name}: 1000 in 60 s, before it was 0 in 30 s`],
    });
  });

  test("errors among requests are measured by the requests that the baseline counted", async (t) => {
    const bad = 'http_requests_total{status="500"}';
    const one = await instance(t, { 'http_requests_total{status="200"}': 999, [bad]: 1 });
    const clock = new TestClock();
    const name = `errors of shop/api at ${one.url}/metrics`;
    const baseline = {
      ...{ "ended at": clock.time, [name]: 0.01, [`${name}: events`]: 1, [`${name}: exposure`]: 100 },
      ...{ [`${name}: mark total`]: 1, [`${name}: mark requests`]: 1000 },
    };
    const watch = watchOf(observed([one]));
    one.metrics[bad] = 100_001;
    clock.pass(60);
    assert.deepEqual(await watch.judge(baseline, clock.now(), clock, signal), {
      state: "raised",
      names: [`${name}: 100000 in 100000 requests, before it was 1 in 100 requests`],
    });
  });
});
