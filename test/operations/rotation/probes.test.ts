import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { Secret, Service } from "../../../model/model.ts";
import type { ConsumerProbe } from "../../../operations/rotation/observer.ts";
import { type ProbeOptions, probesOf, unprobed } from "../../../operations/rotation/probes.ts";
import { ProbeError, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { until } from "../../integration/services/until.ts";
import { serviceOf } from "../delivery/services.ts";
import { failure } from "./probe-failure.ts";

const signal = new AbortController().signal;

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-probe-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const at = (...instances: string[]): Service => serviceOf("api", [], { observe: { instances } });

function probes(
  probe: NonNullable<Secret["probe"]>,
  service: Service,
  options: Partial<ProbeOptions> = {},
): ConsumerProbe[] {
  return probesOf({ probe }, service, { fetch, ...options });
}

function only(list: ConsumerProbe[]): ConsumerProbe {
  const [probe, ...more] = list;
  assert.ok(probe !== undefined && more.length === 0);
  return probe;
}

describe("an endpoint (R46)", () => {
  test("is asked at every instance, and each has to answer 2xx", async (t) => {
    const asked: string[] = [];
    const good = await serve(t, (request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(204).end();
    });
    const bad = await serve(t, (_, response) => response.writeHead(503).end("canary in the body"));
    const [first, second, ...more] = probes({ http: "/health/hmac" }, at(`${good}/`, `${bad}/base`));
    assert.deepEqual(more, []);
    assert.deepEqual([first?.name, second?.name], [`GET ${good}/health/hmac`, `GET ${bad}/base/health/hmac`]);
    assert.ok(first !== undefined && second !== undefined);
    await first.check(signal);
    assert.deepEqual(asked, ["/health/hmac"]);
    assert.equal(await failure(second), "answers 503");
  });

  test("may be named whole, and is then asked there", async (t) => {
    const url = await serve(t, (_, response) => response.end());
    await only(probes({ http: `${url}/up` }, at("http://127.0.0.1:1"))).check(signal);
  });

  for (const [name, answer, message] of [
    ["sends on to somewhere else", (_, r) => r.writeHead(302, { location: "/login" }).end(), "answers 302"],
    ["never answers", () => {}, "does not answer (no answer in time)"],
    ["breaks off", (request) => request.socket.destroy(), /^does not answer \(\w+\)$/],
  ] as [string, RequestListener, string | RegExp][]) {
    test(`that ${name} fails`, async (t) => {
      const url = await serve(t, answer);
      const said = await failure(only(probes({ http: "/" }, at(url), { timeout: 200 })));
      if (typeof message === "string") assert.equal(said, message);
      else assert.match(said, message);
    });
  }

  test("where nothing listens fails, and says so without the credentials of its address", async () => {
    const probe = only(probes({ http: "/?token=canary" }, at("http://user:canary@127.0.0.1:1")));
    assert.equal(probe.name, "GET http://127.0.0.1:1/");
    assert.doesNotMatch(await failure(probe), /canary/);
  });

  test("stops when it is told to, with the reason", async (t) => {
    const url = await serve(t, () => {});
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("stopped")), 50);
    await assert.rejects(only(probes({ http: "/" }, at(url))).check(controller.signal), /stopped/);
  });
});

describe("a command (R46)", () => {
  const service = serviceOf("api", []);
  const node = (script: string) => ({ command: [process.execPath, "-e", script] });

  test("has to end with 0", async () => {
    await only(probes(node(""), service)).check(signal);
    assert.equal(await failure(only(probes(node("process.exit(3)"), service))), "failed with exit status 3");
    assert.equal(
      await failure(only(probes(node("process.kill(process.pid)"), service))),
      "was ended by SIGTERM",
    );
    // Killed by somebody else, as for want of memory: it took no time.
    assert.equal(
      await failure(only(probes(node("process.kill(process.pid, 'SIGKILL')"), service))),
      "was ended by SIGKILL",
    );
    assert.equal(
      await failure(only(probes(node("setInterval(() => {}, 1000)"), service, { timeout: 300 }))),
      "did not end within 0.3 s",
    );
  });

  test("gets an environment without anything of ours", async (t) => {
    const folder = await folderOf(t);
    process.env.KEYPLANE_TEST_CANARY = "canary";
    t.after(() => delete process.env.KEYPLANE_TEST_CANARY);
    const script = `require("node:fs").writeFileSync(${JSON.stringify(join(folder, "env"))}, JSON.stringify(process.env))`;
    await only(probes(node(script), service)).check(signal);
    const environment = JSON.parse(await readFile(join(folder, "env"), "utf8"));
    // What a shell sets by itself says nothing of this process.
    const ofShell = ["PWD", "OLDPWD", "SHLVL", "_"];
    assert.deepEqual(
      Object.keys(environment)
        .filter((name) => !ofShell.includes(name))
        .sort(),
      ["KEYPLANE_SERVICE", "LANG", "PATH"],
    );
    assert.equal(environment.KEYPLANE_SERVICE, "shop/api");
  });

  test("that cannot be started is no failure of the service", async () => {
    const probe = only(probes({ command: ["keyplane-no-such-command"] }, service));
    await assert.rejects(probe.check(signal), TargetUnavailableError);
  });

  for (const status of [126, 127]) {
    test(`that ends with ${status} by itself, as a script does that lacks a command, has failed (R46)`, async () => {
      const probe = only(probes({ command: ["sh", "-c", `exit ${status}`] }, service));
      await assert.rejects(probe.check(signal), ProbeError);
    });
  }

  test("is ended when it is told to stop", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("stopped")), 100);
    const probe = only(probes(node("setInterval(() => {}, 1000)"), service));
    await assert.rejects(probe.check(controller.signal), /stopped/);
  });

  for (const [when, timeout] of [
    ["that takes too long", 1000],
    ["that may go on no longer, as its runner has lost its lease,", 60_000],
  ] as const) {
    test(`${when} ends with every process that it started: none acts while the rotation goes back`, async (t) => {
      const pids = join(await folderOf(t), "pids");
      const script = `echo $$ >> ${pids}; sh -c 'echo $$ >> ${pids}; while :; do sleep 1; done' & wait`;
      const lost = new AbortController();
      const probe = only(probes({ command: ["sh", "-c", script] }, service, { timeout }));
      const over = probe.check(lost.signal).catch((error: unknown) => error);
      const started = async () => (await readFile(pids, "utf8").catch(() => "")).trim().split("\n");
      await until(async () => (await started()).length === 2);
      if (timeout === 60_000) lost.abort(new Error("lost"));
      assert.equal(
        String(await over),
        timeout === 60_000 ? "Error: lost" : "ProbeError: did not end within 1 s",
      );
      for (const pid of await started()) assert.throws(() => process.kill(Number(pid), 0), { code: "ESRCH" });
    });
  }

  test("that ends with 0 has ended, whatever it leaves running", async (t) => {
    const file = join(await folderOf(t), "pid");
    const probe = only(probes({ command: ["sh", "-c", `sleep 600 & echo $! > ${file}`] }, service));
    await probe.check(signal);
    process.kill(Number(await readFile(file, "utf8")));
  });
});

describe("a service that cannot be looked at", () => {
  for (const [name, probe, service, options, why] of [
    ["without instances", { http: "/health" }, serviceOf("api", []), {}, /no observe\.instances/],
    ["without a log", { log: "x" }, serviceOf("api", []), {}, /no observe\.log/],
    [
      "whose log is elsewhere",
      { log: "x" },
      serviceOf("api", [], { observe: { instances: [], log: "/l" } }),
      {},
      /not on this machine/,
    ],
  ] as [string, NonNullable<Secret["probe"]>, Service, { root?: string }, RegExp][]) {
    test(`${name} has no probe, and there are words for it`, () => {
      assert.deepEqual(probes(probe, service, options), []);
      const left = unprobed({ probe }, service, options);
      assert.match(left?.why ?? "", why);
      assert.equal(left?.acknowledged, false);
    });
  }

  test("of a service that nobody can look at is an acknowledged gap, and is told", () => {
    const { observe: _, ...api } = serviceOf("api", []);
    const blind: Service = { ...api, unobserved: true };
    assert.deepEqual(unprobed({ probe: { http: "/health" } }, blind, { root: "/" }), {
      why: `${api.id} is not looked at (observe: none): /health is not asked`,
      acknowledged: true,
    });
    assert.deepEqual(unprobed({ probe: { log: "Ready" } }, blind, { root: "/" }), {
      why: `${api.id} is not looked at (observe: none): "Ready" is not looked for`,
      acknowledged: true,
    });
    assert.equal(unprobed({ probe: { command: ["true"] } }, blind, { root: "/" }), undefined);
  });

  test("that needs no probe has none, and needs no words", () => {
    assert.deepEqual(probesOf({}, serviceOf("api", []), { fetch }), []);
    assert.equal(unprobed({}, serviceOf("api", []), {}), undefined);
  });
});
