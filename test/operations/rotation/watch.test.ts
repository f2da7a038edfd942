import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { pause } from "../../../operations/rotation/clock.ts";
import { errorSourcesOf } from "../../../operations/rotation/error-sources.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { ErrorWatch } from "../../../operations/rotation/watch.ts";
import { serviceOf } from "../delivery/services.ts";
import { close, type Instance, instance, observed, roles, TestClock, watchOf } from "./counting.ts";

const signal = new AbortController().signal;

/** A folder for logs, with a line of an audit file in which Vault refuses the service. */
async function files(t: TestContext): Promise<{ folder: string; audit: string; refused: string }> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-watch-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const refused = `${JSON.stringify({
    time: "2026-01-01T00:00:00Z",
    type: "response",
    error: "permission denied",
    auth: { metadata: { role_name: "shop.api" } },
    request: { id: "x", operation: "read", path: "kv/data/x" },
  })}\n`;
  return { folder, audit: join(folder, "audit.log"), refused };
}

describe("watching a rotation (R48)", () => {
  test("authentication failures that rise after the switch are found, and named with their instance", async (t) => {
    const [good, bad] = [
      await instance(t, { auth_failures_total: 40 }),
      await instance(t, { auth_failures: 9 }),
    ];
    const clock = new TestClock();
    const watch = watchOf(observed([good, bad]));
    const baseline = await watch.baseline(clock, signal);
    const switched = new Date(clock.time);
    assert.equal(baseline[`authentication failures of shop/api at ${good.url}/metrics`], 0);
    clock.pass(10);
    assert.deepEqual(await watch.judge(baseline, switched, clock, signal), { state: "ok" });
    bad.metrics.auth_failures = 9 + 30;
    clock.pass(10);
    assert.deepEqual(await watch.judge(baseline, switched, clock, signal), {
      state: "raised",
      names: [
        `authentication failures of shop/api at ${bad.url}/metrics: 30 in 20 s, before it was 0 in 30 s`,
      ],
    });
  });

  test("a service that always had so many errors goes on with them", async (t) => {
    const one = await instance(t, { errors_total: 1000 });
    const clock = new TestClock();
    const watch = watchOf(observed([one]));
    const more = (count: number) => {
      one.metrics.errors_total = (one.metrics.errors_total ?? 0) + count;
    };
    clock.meanwhile = () => more(60);
    const baseline = await watch.baseline(clock, signal);
    const switched = new Date(clock.time);
    assert.equal(baseline[`errors of shop/api at ${one.url}/metrics`], 2);
    for (let look = 0; look < 20; look++) {
      more(20);
      clock.pass(10);
      assert.deepEqual(await watch.judge(baseline, switched, clock, signal), { state: "ok" });
    }
    // Five times as many after minutes of quiet: the whole time hides it, the last half-minute does not.
    for (let look = 0; look < 3; look++) {
      more(100);
      clock.pass(10);
      if (look < 2) await watch.judge(baseline, switched, clock, signal);
    }
    assert.deepEqual(await watch.judge(baseline, switched, clock, signal), {
      state: "raised",
      names: [`errors of shop/api at ${one.url}/metrics: 300 in 30 s, before it was 60 in 30 s`],
    });
  });

  test("more traffic with more errors is no raise, where requests are counted", async (t) => {
    const one = await instance(t, {
      'http_requests_total{status="200"}': 10_000,
      'http_requests_total{status="500"}': 100,
    });
    const clock = new TestClock();
    const watch = watchOf(observed([one]));
    const add = (good: number, bad: number) => {
      one.metrics['http_requests_total{status="200"}'] =
        (one.metrics['http_requests_total{status="200"}'] ?? 0) + good;
      one.metrics['http_requests_total{status="500"}'] =
        (one.metrics['http_requests_total{status="500"}'] ?? 0) + bad;
    };
    clock.meanwhile = () => add(990, 10);
    const baseline = await watch.baseline(clock, signal);
    const switched = new Date(clock.time);
    assert.equal(baseline[`errors of shop/api at ${one.url}/metrics`], 0.01);
    add(99_000, 1000);
    clock.pass(30);
    assert.equal((await watch.judge(baseline, switched, clock, signal)).state, "ok");
    add(0, 5000);
    clock.pass(30);
    assert.equal((await watch.judge(baseline, switched, clock, signal)).state, "raised");
  });

  test("a process that was restarted counts from zero: neither a fall nor a raise", async (t) => {
    const one = await instance(t, { auth_failures_total: 5000, process_start_time_seconds: 1 });
    const clock = new TestClock();
    const watch = watchOf(observed([one]));
    const baseline = await watch.baseline(clock, signal);
    const switched = new Date(clock.time);
    one.metrics = { auth_failures_total: 2, process_start_time_seconds: 2 };
    clock.pass(30);
    assert.deepEqual(await watch.judge(baseline, switched, clock, signal), { state: "ok" });
    // More than before the restart again: what it counted since is all its own.
    one.metrics = { auth_failures_total: 5001, process_start_time_seconds: 2 };
    clock.pass(30);
    const another = watchOf(observed([one]));
    assert.equal((await another.judge(baseline, switched, clock, signal)).state, "raised");
    one.metrics = { auth_failures_total: 4000 };
    assert.equal((await another.judge(baseline, switched, clock, signal)).state, "raised");
  });

  test("another runner, with nothing but the journal's numbers, finds the raise as well", async (t) => {
    const one = await instance(t, { auth_failures_total: 3 });
    const clock = new TestClock();
    const baseline = JSON.parse(JSON.stringify(await watchOf(observed([one])).baseline(clock, signal)));
    const switched = new Date(clock.time);
    one.metrics.auth_failures_total = 103;
    clock.pass(30);
    assert.equal((await watchOf(observed([one])).judge(baseline, switched, clock, signal)).state, "raised");
  });

  test("an instance that answered before and does not any more is no sign of health: it is named; when none does, nothing is judged", async (t) => {
    const [one, two] = [await instance(t, { errors: 0 }), await instance(t, { errors: 0 })];
    const clock = new TestClock();
    const watch = watchOf(observed([one, two]));
    const baseline = await watch.baseline(clock, signal);
    await close(one);
    clock.pass(30);
    const of = (what: string, { url }: Instance) => `${what} of shop/api at ${url}/metrics`;
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), {
      state: "silent",
      names: [of("authentication failures", one), of("errors", one)],
    });
    two.metrics.errors = 90;
    assert.equal((await watch.judge(baseline, new Date(clock.time), clock, signal)).state, "raised");
    await close(two);
    await assert.rejects(
      watch.judge(baseline, new Date(clock.time), clock, signal),
      (error) => error instanceof TargetUnavailableError && error.message.includes(two.url),
    );
  });

  test("a runner that takes over where the log is not says so, and takes its own blindness for no sign of the service", async (t) => {
    const { folder } = await files(t);
    await writeFile(join(folder, "api.log"), "");
    const one = await instance(t, { errors: 0 });
    const clock = new TestClock();
    const observe = { instances: [one.url], metrics: "/metrics", log: "/api.log" };
    const service = serviceOf("api", [], { observe });
    const baseline = await watchOf(service, { root: folder }).baseline(clock, signal);
    clock.pass(30);
    await assert.rejects(
      watchOf(service).judge(baseline, new Date(clock.time), clock, signal),
      (error) =>
        error instanceof TargetUnavailableError &&
        error.message === "what counts errors cannot be read here any more: errors in the log of shop/api",
    );
  });

  test("what did not answer before a rotation is named; where nothing did there is no baseline but an error", async (t) => {
    const [one, two] = [await instance(t, { errors: 0 }), await instance(t, { errors: 0 })];
    const clock = new TestClock();
    const watch = watchOf(observed([one, two]));
    await close(one);
    const baseline = await watch.baseline(clock, signal);
    assert.deepEqual(
      [...new Set(watch.unanswered(baseline).map((name) => name.split(" at ")[1]))],
      [`${one.url}/metrics`],
    );
    const names = watch.unanswered(baseline).length;
    await close(two);
    await assert.rejects(
      watch.baseline(clock, signal),
      (error) =>
        error instanceof TargetUnavailableError &&
        error.message.startsWith("nothing that counts errors answers: ") &&
        error.message.includes(one.url) &&
        error.message.includes(two.url),
    );
    assert.equal(watch.unanswered({}).length, 2 * names);
    // Away between the mark and the end of the window: there is no rate either.
    const gone = await instance(t, { errors: 0 });
    clock.meanwhile = () => close(gone);
    await assert.rejects(watchOf(observed([gone])).baseline(clock, signal), TargetUnavailableError);
  });

  test("without anything that counts there is no baseline, and no wait for one", async () => {
    const clock = new TestClock();
    const before = clock.time;
    assert.deepEqual(await watchOf(serviceOf("api", [])).baseline(clock, signal), {});
    assert.equal(clock.time, before);
  });

  test("lines of a log are counted, also over its rotation", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "keyplane-watch-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const log = join(folder, "api.log");
    await writeFile(log, "ERROR long ago\n".repeat(500));
    const clock = new TestClock();
    const service = serviceOf("api", [], { observe: { instances: [], log: "/api.log" } });
    const watch = watchOf(service, { root: folder });
    const baseline = await watch.baseline(clock, signal);
    await appendFile(log, "INFO terror is no error word\n".repeat(9).replaceAll("no error", "no such"));
    clock.pass(30);
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), { state: "ok" });
    await appendFile(log, "WARN authentication failed for nobody\n".repeat(10));
    await rename(log, `${log}.1`);
    await writeFile(log, "ERROR: invalid signature\n".repeat(10));
    clock.pass(1);
    const verdict = await watch.judge(baseline, new Date(clock.time), clock, signal);
    assert.equal(verdict.state, "raised");
  });

  test("lines of a log are counted by the catalogue's own pattern alone, where it has one (R48)", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "keyplane-watch-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const log = join(folder, "api.log");
    await writeFile(log, "");
    const clock = new TestClock();
    const pattern = "lvl=(E|F)\\b";
    const service = serviceOf("api", [], { observe: { instances: [], log: "/api.log", pattern } });
    const watch = watchOf(service, { root: folder });
    const baseline = await watch.baseline(clock, signal);
    const far = `${" ".repeat(5000)}lvl=E`;
    await appendFile(log, `lvl=I ERROR is a word of ours\n${far}\n`.repeat(30));
    clock.pass(30);
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), { state: "ok" });
    await appendFile(log, "lvl=E key refused\n".repeat(30));
    clock.pass(1);
    assert.equal((await watch.judge(baseline, new Date(clock.time), clock, signal)).state, "raised");
  });

  test("what Vault refuses a service's role is counted, and nobody else's", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "keyplane-watch-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const audit = join(folder, "audit.log");
    const line = (role: string, error = "") =>
      `${JSON.stringify({
        time: "2026-01-01T00:00:00Z",
        type: "response",
        ...(error && { error }),
        auth: { metadata: { role_name: role } },
        request: { id: "x", operation: "read", path: "kv/data/x" },
      })}\n`;
    await writeFile(audit, line("shop.api", "permission denied").repeat(50));
    const clock = new TestClock();
    const watch = watchOf(serviceOf("api", []), { audit });
    const baseline = await watch.baseline(clock, signal);
    await appendFile(audit, line("shop.api").repeat(50) + line("shop.other", "permission denied").repeat(50));
    clock.pass(30);
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), { state: "ok" });
    await appendFile(audit, line("shop.api", "permission denied").repeat(30));
    clock.pass(1);
    assert.equal((await watch.judge(baseline, new Date(clock.time), clock, signal)).state, "raised");
  });

  test("a log or an audit file that is not there, cannot be read or lies on another machine has not answered", async (t) => {
    const { folder, audit } = await files(t);
    const one = await instance(t, { errors: 0 });
    const clock = new TestClock();
    const logged = (log: string, instances: Instance[] = []) =>
      serviceOf("api", [], {
        observe: { instances: instances.map(({ url }) => url), metrics: "/metrics", log },
      });
    const [ofLog, ofAudit] = ["errors in the log of shop/api", "requests of shop/api that Vault refused"];
    const nowhere = { root: folder, audit };
    const watch = watchOf(logged("/api.log"), nowhere);
    // Waiting brings no file to this machine.
    assert.deepEqual(await watch.baseline(clock, signal), {});
    assert.deepEqual(watch.unanswered({}), [ofLog, ofAudit]);
    const gone = await instance(t, { errors: 0 });
    await close(gone);
    await assert.rejects(
      watchOf(logged("/api.log", [gone]), nowhere).baseline(clock, signal),
      TargetUnavailableError,
    );
    // A folder stands for what this user may not read: tests run as root as well.
    await mkdir(join(folder, "api.log"));
    const some = watchOf(logged("/api.log", [one]), nowhere);
    assert.deepEqual(some.unanswered(await some.baseline(clock, signal)), [ofLog, ofAudit]);
    const elsewhere = watchOf(logged("/api.log", [one]));
    assert.deepEqual(elsewhere.unanswered(await elsewhere.baseline(clock, signal)), [ofLog]);
  });

  test("an audit file that is rotated is read on to its end, and one that is gone for a moment answers again", async (t) => {
    const { audit, refused } = await files(t);
    await writeFile(audit, "");
    const clock = new TestClock();
    const watch = watchOf(serviceOf("api", []), { audit });
    const baseline = await watch.baseline(clock, signal);
    await appendFile(audit, refused.repeat(3));
    await rename(audit, `${audit}.1`);
    // Vault opens it anew when it is told to: until then the old one is the audit file.
    clock.pass(10);
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), { state: "ok" });
    await rename(`${audit}.1`, `${audit}-elsewhere`);
    const gone = watch.judge(baseline, new Date(clock.time), clock, signal);
    await assert.rejects(gone, TargetUnavailableError);
    await rename(`${audit}-elsewhere`, `${audit}.1`);
    await writeFile(audit, refused.repeat(27));
    clock.pass(10);
    assert.deepEqual(await watch.judge(baseline, new Date(clock.time), clock, signal), {
      state: "raised",
      names: ["requests of shop/api that Vault refused: 30 in 20 s, before it was 0 in 30 s"],
    });
  });

  test("stops when it is told to", async (t) => {
    const one = await instance(t, { errors: 0 });
    const clock = { now: () => new Date(), sleep: pause };
    const controller = new AbortController();
    const sources = errorSourcesOf(roles, [observed([one])], { fetch });
    const baseline = new ErrorWatch(sources, { window: 3600 }).baseline(clock, controller.signal);
    setTimeout(() => controller.abort(new Error("stopped")), 100);
    await assert.rejects(baseline, /stopped/);
  });
});
