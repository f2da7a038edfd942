import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { inspect } from "node:util";
import type { Delivery, Service } from "../../../model/model.ts";
import { containerState } from "../../../operations/delivery/host.ts";
import { CommandError, type CommandLimits, runCommand } from "../../../operations/delivery/host-command.ts";
import { describeInstance, type Instance } from "../../../operations/delivery/instances.ts";
import { DeliveryError, type Running, type Sink } from "../../../operations/delivery/sink.ts";
import { type SinkOptions, sinksOf } from "../../../operations/delivery/sinks.ts";
import { startOf } from "../../../operations/process-identity.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

/**
 * A platform of real processes behind the commands of Supervisor and Compose: it starts, restarts and signals services
 * that read a file at their start, and again at SIGHUP.
 */
class Platform {
  /** What it was told to do. */
  readonly commands: string[] = [];
  /** A service that runs and reads nothing. */
  idle = "";
  readonly #running = new Map<string, { process: ChildProcess; startedAt: Date; said: string[] }>();
  readonly #file: string;

  constructor(t: TestContext, file: string) {
    this.#file = file;
    t.after(() => {
      for (const { process: child } of this.#running.values()) child.kill("SIGKILL");
    });
  }

  async start(name: string): Promise<void> {
    const script = `
      const { readFileSync } = require("node:fs");
      const say = () => console.log(readFileSync(process.argv[1], "utf8"));
      process.on("SIGHUP", say);
      say();
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ["-e", script, this.#file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said: string[] = [];
    this.#running.set(name, { process: child, startedAt: new Date(), said });
    child.stdout.on("data", (data: Buffer) => said.push(data.toString().trim()));
    await once(child.stdout, "data");
  }

  async stop(name: string): Promise<void> {
    const found = this.#running.get(name);
    this.#running.delete(name);
    if (found === undefined) return;
    found.process.kill("SIGTERM");
    await once(found.process, "exit");
  }

  /** What a service read last. */
  async reads(name: string, content: string): Promise<void> {
    for (const end = Date.now() + 20_000; this.#running.get(name)?.said.at(-1) !== content; await wait(10)) {
      assert.ok(Date.now() < end, `${name} never read ${content}`);
    }
  }

  run = async (argv: string[], { answers = [0] }: CommandLimits): Promise<string> => {
    if (!/ (?:status|ps|inspect) /.test(argv.join(" "))) this.commands.push(argv.join(" "));
    const name = argv.at(-1) ?? "";
    const found = this.#running.get(name.replace(/^id-/, ""));
    switch (argv.slice(0, -1).join(" ")) {
      case "supervisorctl restart":
      case "docker compose up --detach --force-recreate --no-deps":
        await this.stop(name);
        await this.start(name);
        return "";
      case "supervisorctl signal HUP":
      case "docker compose kill --signal SIGHUP":
        found?.process.kill("SIGHUP");
        return "";
      case "supervisorctl status":
        // What Supervisor 4 says, and its exit status.
        if (name === this.idle) return `${name.padEnd(33)}RUNNING   pid ${process.pid}, uptime 0:00:05\n`;
        if (found !== undefined)
          return `${name.padEnd(33)}RUNNING   pid ${found.process.pid}, uptime 0:00:05\n`;
        if (answers.includes(3)) return `${name.padEnd(33)}EXITED    Jan 01 12:00 AM\n`;
        throw new CommandError("failed with exit status 3");
      case "docker compose ps -q":
        return found === undefined ? "" : `id-${name}\n`;
      case `docker inspect -f ${containerState}`:
        return `${found?.startedAt.toISOString()} true false 0\n`;
      default:
        throw Object.assign(new Error("failed"), { stderr: `no such command: ${argv[0]}\nmore` });
    }
  };
}

const folder = "/run/secrets";
const files: Delivery[] = [{ to: "files", folder }];

function sinkOf(host: TestHost, service: Service, platform: Platform, others: Service[] = []): Sink {
  const options: SinkOptions = { root: host.root, runs: host.runs, command: platform.run };
  const [sink] = sinksOf({ services: [service, ...others], secrets: [] }, service, options);
  assert.ok(sink !== undefined);
  return sink;
}

const bundle = (service: Service, version: number) =>
  bundleFor(service, { "shop/x": { version, files: { key: `v${version}` } } });

function assertState(running: Running, state: Running["state"], words?: RegExp): void {
  assert.equal(running.state, state, JSON.stringify(running));
  if (words !== undefined) assert.match("why" in running ? running.why : running.how, words);
}

for (const [runsOn, restart, signal] of [
  ["supervisor", "supervisorctl restart api", "supervisorctl signal HUP api"],
  [
    "compose",
    "docker compose up --detach --force-recreate --no-deps api",
    "docker compose kill --signal SIGHUP api",
  ],
] as const) {
  describe(`on ${runsOn}`, () => {
    test("a service that restarts runs a version once it has started after its files were written (R34)", async (t) => {
      await using host = await testHost();
      const service = serviceOf("api", files, { runsOn, reload: "restart" });
      const other = serviceOf("other", files, { runsOn, reload: "restart" });
      const platform = new Platform(t, join(host.root, folder, "key"));
      const sink = sinkOf(host, service, platform, [other]);
      assertState(await sink.running("shop/x", 1), "behind", /do not hold it yet/);
      await sink.write(bundle(service, 1));
      assertState(await sink.running("shop/x", 1), "behind", /it does not run/);
      await platform.start("api");
      await platform.start("other");
      assertState(await sink.running("shop/x", 1), "runs", /started at/);
      assertState(await sink.running("shop/x", 2), "behind", /do not hold it yet/);

      // The kernel tells starts in hundredths of a second.
      await wait(200);
      // Written again with the same version, also for another secret: what runs goes on running it.
      assert.equal(await sink.write(bundle(service, 1)), false);
      assertState(await sink.running("shop/x", 1), "runs");
      await sink.write(bundle(service, 2));
      assertState(await sink.running("shop/x", 2), "behind", /it has run since/);
      platform.commands.length = 0;
      await sink.reload();
      assert.deepEqual(platform.commands, [restart]);
      await platform.reads("api", "v2");
      for (let look = 0; (await sink.running("shop/x", 2)).state !== "runs"; look++) {
        assert.ok(look < 400, JSON.stringify(await sink.running("shop/x", 2)));
        await wait(25);
      }
      await platform.reads("other", "v1");
    });

    test("a service that is signalled runs a version once it has read its files again (R35)", async (t) => {
      await using host = await testHost();
      const service = serviceOf("api", files, { runsOn, reload: { signal: "SIGHUP" } });
      const platform = new Platform(t, join(host.root, folder, "key"));
      const sink = sinkOf(host, service, platform);
      await sink.write(bundle(service, 1));
      assertState(await sink.running("shop/x", 1), "behind", /it does not run/);
      await platform.start("api");
      assertState(await sink.running("shop/x", 1), "runs", /has read/);
      await sink.write(bundle(service, 2));
      assertState(await sink.running("shop/x", 2), "behind", /has not read/);
      platform.commands.length = 0;
      await sink.reload();
      assert.deepEqual(platform.commands, [signal]);
      await platform.reads("api", "v2");
      assertState(await sink.running("shop/x", 2), "runs");
    });

    test("of several containers the one that started first decides", async () => {
      await using host = await testHost();
      const service = serviceOf("api", files, { runsOn: "compose", reload: "restart" });
      const starts = [new Date(Date.now() + 60_000), new Date(Date.now() + 60_000)];
      const sink = sinksOf({ services: [service], secrets: [] }, service, {
        ...host,
        command: async (argv) =>
          argv[1] === "inspect"
            ? starts.map((start) => `${start.toISOString()} true false 0\n`).join("")
            : "one\ntwo\n",
      })[0];
      await sink?.write(bundle(service, 1));
      assert.equal((await sink?.running("shop/x", 1))?.state, "runs");
      starts[1] = new Date(0);
      assert.equal((await sink?.running("shop/x", 1))?.state, "behind");
    });

    test("a platform that refuses is named with its exit status, and with no word of its own: it may quote a value (R54)", async () => {
      await using host = await testHost();
      const service = serviceOf("api", files, { runsOn, reload: "restart" });
      const [sink] = sinksOf({ services: [service], secrets: [] }, service, {
        ...host,
        command: (_, limits) => {
          const quoting = `echo 'failed to read .env: line 3: unexpected character "${canary}"' | tee /dev/stderr; exit 14`;
          return runCommand(["sh", "-c", quoting], limits);
        },
      });
      await assert.rejects(
        async () => sink?.reload(),
        (error: unknown) => {
          assert.ok(error instanceof DeliveryError);
          assert.match(
            error.message,
            /^shop\/api could not be reloaded: `\w+ .*` failed with exit status 14: run it yourself to see why; /,
          );
          assert.ok(!inspect(error, { depth: null, showHidden: true }).includes(canary));
          return true;
        },
      );
      await sink?.write(bundle(service, 1));
      const running = await sink?.running("shop/x", 1);
      assert.equal(running?.state, "unobservable");
      assert.ok(!JSON.stringify(running).includes(canary));
    });

    test("a platform that is not there, or does not end, is said to be", async () => {
      await using host = await testHost();
      const service = serviceOf("api", files, { runsOn, reload: "restart" });
      for (const [argv, end] of [
        [["no-such-platform"], "could not be started (ENOENT)"],
        [["sleep", "60"], "did not end within 0.2 s"],
        [["sh", "-c", "kill -KILL $$"], "was ended by SIGKILL"],
      ] as const) {
        const [sink] = sinksOf({ services: [service], secrets: [] }, service, {
          ...host,
          command: () => runCommand([...argv], { limit: argv[0] === "sleep" ? 200 : 60_000 }),
        });
        await assert.rejects(
          async () => sink?.reload(),
          (failed) => failed instanceof DeliveryError && failed.message.includes(`\` ${end}: run it`),
        );
      }
    });
  });
}

const canary = "canary-of-an-env-file-0f3a";

describe("a service that watches", () => {
  const service = serviceOf("api", files, { reload: "watch" });

  test("is left alone, and runs a version once it has read its files; looking does not count as reading", async (t) => {
    await using host = await testHost();
    const platform = new Platform(t, join(host.root, folder, "key"));
    platform.idle = "api";
    const sink = sinkOf(host, service, platform);
    await sink.write(bundle(service, 1));
    await sink.reload();
    assert.equal(await sink.write(bundle(service, 1)), false);
    assertState(await sink.running("shop/x", 1), "behind", /has not read/);
    assert.equal(await readFile(join(host.root, folder, "key"), "utf8"), "v1");
    assertState(await sink.running("shop/x", 1), "runs", /has read/);
    assert.deepEqual(platform.commands, []);
  });

  test("is not expected to read again the variables that it got at its start", async (t) => {
    await using host = await testHost();
    const platform = new Platform(t, "");
    platform.idle = "api";
    const sink = sinkOf(host, service, platform);
    await sink.write(bundleFor(service, { "shop/x": { files: { key: "v1" }, variables: { KEY_ID: "1" } } }));
    await readFile(join(host.root, folder, "key"));
    assertState(await sink.running("shop/x", 1), "runs");
  });

  test("that shares its files with another is not seen to read them", async (t) => {
    await using host = await testHost();
    const other = serviceOf("other", files, { reload: "watch" });
    const platform = new Platform(t, join(host.root, folder, "key"));
    platform.idle = "api";
    await sinkOf(host, service, platform, [other]).write(bundle(service, 1));
    await sinkOf(host, other, platform, [service]).write(bundle(other, 1));
    const sink = sinkOf(host, service, platform, [other]);
    assertState(await sink.running("shop/x", 1), "unobservable", /other services read the same files/);
  });
});

describe("a target that this machine does not reach", () => {
  const at = async (delivery: Delivery, options: Partial<SinkOptions> = {}) => {
    const service = serviceOf("api", [delivery]);
    const [sink, ...more] = sinksOf({ services: [service], secrets: [] }, service, {
      runs: "/nonexistent",
      ...options,
    });
    assert.ok(sink !== undefined && more.length === 0);
    return { sink, service };
  };

  for (const delivery of [
    { to: "railway", project: "shop", service: "api" },
    { to: "fly", app: "shop" },
    { to: "kubernetes-secret", namespace: "shop", secret: "api" },
    { to: "github-actions", repository: "acme/shop" },
  ] as Delivery[]) {
    test(`${delivery.to} comes later, is never seen to run anything, and refuses what it is to be given`, async () => {
      const { sink, service } = await at(delivery, { root: "/nonexistent" });
      assertState(await sink.running("shop/x", 1), "unobservable", /comes with a later version/);
      await assert.rejects(sink.write(bundle(service, 1)), /comes with a later version/);
      const refusal = await sink.unreached?.();
      assert.equal(refusal?.name, "DeliveryError", "no other machine does it");
      assert.match(refusal.message, /comes with a later version/);
    });
  }

  test("files of another host are refused, not written here", async () => {
    for (const delivery of [...files, { to: "env-file", path: "/run/env" }] as Delivery[]) {
      const { sink, service } = await at(delivery);
      assertState(await sink.running("shop/x", 1), "unobservable", /not the service's host/);
      await assert.rejects(sink.write(bundle(service, 1)), /not the service's host/);
      const refusal = await sink.unreached?.();
      assert.equal(refusal?.name, "UnreachedError");
      assert.match(refusal.message, /not the service's host/);
    }
  });

  test("what fetches for itself is not given anything, and only not seen", async () => {
    for (const delivery of [
      { to: "vault-agent", folder },
      { to: "vault-secrets-operator", namespace: "shop", secret: "api" },
    ] as Delivery[]) {
      const { sink, service } = await at(delivery);
      assert.equal(await sink.write(bundle(service, 1)), false);
      assert.equal(await sink.unreached?.(), undefined);
      assertState(await sink.running("shop/x", 1), "unobservable");
    }
  });
});

describe("a service that `keyplane run` supervises", () => {
  const service = serviceOf("api", files, { reload: "restart" });

  async function instance(more: Partial<Instance> = {}): Promise<Instance> {
    const started = (await startOf(process.pid)) ?? "";
    const child = { pid: process.pid, started };
    return { service: "shop/api", pid: process.pid, started, child, versions: { "shop/x": 3 }, ...more };
  }

  test("is delivered no files, and says itself which versions it runs", async (t) => {
    await using host = await testHost();
    const platform = new Platform(t, "");
    const sink = sinkOf(host, service, platform);
    await describeInstance(host.runs, await instance());
    assert.equal(await sink.write(bundle(service, 4)), false);
    await assert.rejects(readFile(join(host.root, folder, "key")), { code: "ENOENT" });
    assertState(await sink.running("shop/x", 3), "runs");
    assertState(await sink.running("shop/x", 4), "behind", /has version 3/);
    assertState(await sink.running("shop/y", 1), "behind", /has none of it/);
    await sink.reload();
    assert.deepEqual(platform.commands, []);
  });

  test("is behind while its process is being started, and says why it does not go on", async (t) => {
    await using host = await testHost();
    const sink = sinkOf(host, service, new Platform(t, ""));
    await describeInstance(host.runs, await instance({ child: undefined }));
    assertState(await sink.running("shop/x", 3), "behind", /starting the service/);
    await describeInstance(host.runs, await instance({ problem: "Vault is away" }));
    assertState(await sink.running("shop/x", 4), "behind", /version 3: Vault is away/);
  });

  test("is another one when its supervisor is dead: a pid that was given out again is not taken for it", async (t) => {
    await using host = await testHost();
    const sink = sinkOf(host, service, new Platform(t, ""));
    await describeInstance(host.runs, await instance({ started: "another" }));
    assert.equal(await sink.write(bundle(service, 4)), true);
  });

  test("has every instance at the version, or the one that has not is named", async (t) => {
    await using host = await testHost();
    const sink = sinkOf(host, service, new Platform(t, ""));
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    t.after(() => other.kill("SIGKILL"));
    await once(other, "spawn");
    const pid = other.pid ?? 0;
    await describeInstance(host.runs, await instance());
    const started = (await startOf(pid)) ?? "";
    await describeInstance(host.runs, await instance({ pid, started, versions: { "shop/x": 2 } }));
    assertState(await sink.running("shop/x", 2), "runs");
    assertState(await sink.running("shop/x", 3), "behind", new RegExp(`process ${pid} has version 2`));
  });
});
