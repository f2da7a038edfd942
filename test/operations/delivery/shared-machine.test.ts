import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { watch } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { runsOf } from "../../../cli/runs.ts";
import type { Delivery, Service } from "../../../model/model.ts";
import { Folder } from "../../../operations/delivery/folder.ts";
import { holdPlace } from "../../../operations/delivery/hold.ts";
import { describeInstance, type Instance, pokeInstance } from "../../../operations/delivery/instances.ts";
import { machineRuns, type Runs } from "../../../operations/delivery/runs.ts";
import { DeliveryError, type Sink } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { startOf } from "../../../operations/process-identity.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

function sinkOf(host: TestHost, service: Service, services: Service[], runs: Runs): Sink {
  const [sink] = sinksOf({ services, secrets: [] }, service, { root: host.root, ...runs });
  assert.ok(sink !== undefined);
  return sink;
}

const lock = ".keyplane.lock";

describe("two runners that were started in different folders", () => {
  for (const [deliver, path] of [
    [{ to: "env-file", path: "/app/.env" }, "app/.env"],
    [{ to: "files", folder: "/app" }, "app/.keyplane.json"],
  ] as [Delivery, string][]) {
    test(`lose nothing of what they bring to one ${deliver.to} at once (R42)`, async () => {
      await using host = await testHost();
      const services = ["a", "b"].map((name) => serviceOf(name, [deliver], { reload: "restart" }));
      const bring = (service: Service, version: number) =>
        sinkOf(host, service, services, { runs: `${host.runs}-${service.name}` }).write(
          bundleFor(service, {
            [`shop/${service.name}`]: {
              version,
              variables: { [service.name.toUpperCase()]: `v${version}` },
              files: { [service.name]: `v${version}` },
            },
          }),
        );
      // An env-file carries no files.
      if (deliver.to === "env-file")
        for (const service of services) service.deliver.push({ to: "files", folder: `/${service.name}` });
      for (const service of services) await bring(service, 1);
      for (let version = 2; version < 22; version++) {
        await Promise.all(services.map((service) => bring(service, version)));
        const text = await readFile(join(host.root, path), "utf8");
        const found =
          deliver.to === "env-file"
            ? /A='(v\d+)'[\s\S]*B='(v\d+)'/
            : /"version": (\d+)[\s\S]*"version": (\d+)/;
        assert.deepEqual(
          found
            .exec(text)
            ?.slice(1)
            .map((one) => one.replace("v", "")),
          [String(version), String(version)],
          text,
        );
      }
    });
  }

  test("what holds a place is no link that leads elsewhere, and nothing is made there", async () => {
    await using host = await testHost();
    await mkdir(host.root, { recursive: true });
    await symlink(join(host.root, "elsewhere"), join(host.root, lock));
    await using folder = await Folder.open(host.root);
    await assert.rejects(
      holdPlace(folder, lock),
      (error) => error instanceof DeliveryError && /symbolic link/.test(error.message),
    );
    assert.deepEqual(await readdir(host.root), [".keyplane.lock"]);
  });

  test("a hold makes and leaves nothing beside its lock, and wakes nobody who watches the folder", async (t) => {
    await using host = await testHost();
    await mkdir(host.root, { recursive: true });
    await using folder = await Folder.open(host.root);
    await (await holdPlace(folder, lock))[Symbol.asyncDispose]();
    const woken: string[] = [];
    const watcher = watch(host.root, (event, name) => woken.push(`${event} ${name}`));
    t.after(() => watcher.close());
    {
      await using _held = await holdPlace(folder, lock);
      assert.deepEqual(await readdir(host.root), [".keyplane.lock"]);
    }
    await wait(50);
    assert.deepEqual(woken, []);
    assert.deepEqual(await readdir(host.root), [".keyplane.lock"]);
  });

  test("a second one at a held place is told that it is held, and waits until it is let go", async () => {
    await using host = await testHost();
    await mkdir(host.root, { recursive: true });
    await using folder = await Folder.open(host.root);
    const first = await holdPlace(folder, lock);
    let isHeld = false;
    const second = holdPlace(folder, lock).then((held) => {
      isHeld = true;
      return held;
    });
    await wait(100);
    assert.equal(isHeld, false);
    await first[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
  });

  test("one that kill -9 has ended while it waited or held keeps nobody out", async () => {
    await using host = await testHost();
    await mkdir(host.root, { recursive: true });
    await using folder = await Folder.open(host.root);
    const code = `
      const [{ Folder }, { holdPlace }] = await Promise.all(${JSON.stringify(["folder", "hold"])}.map((name) =>
        import(${JSON.stringify(pathToFileURL("operations/delivery").href)} + "/" + name + ".ts")));
      const folder = await Folder.open(${JSON.stringify(host.root)});
      const held = await holdPlace(folder, ${JSON.stringify(lock)});
      console.log("holds");
      setInterval(() => held, 1000);
      await holdPlace(folder, ${JSON.stringify(lock)});`;
    const runner = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(runner.stdout, "data");
    await wait(100);
    runner.kill("SIGKILL");
    await using _held = await holdPlace(folder, lock);
  });

  test("what stands where a lock shall be and is no file is named", async () => {
    await using host = await testHost();
    await mkdir(join(host.root, lock), { recursive: true });
    await using folder = await Folder.open(host.root);
    await assert.rejects(holdPlace(folder, lock), {
      name: "DeliveryError",
      message: `${join(host.root, lock)} is no file: move away what stands there`,
    });
    await rm(join(host.root, lock), { recursive: true });
    execFileSync("mkfifo", [join(host.root, lock)]);
    await assert.rejects(holdPlace(folder, lock), { name: "DeliveryError", message: /lock is no file/ });
  });

  test("a place that cannot be held says why: nobody else has to end", async () => {
    await using host = await testHost();
    await mkdir(join(host.root, "nowhere"), { recursive: true });
    await using folder = await Folder.open(join(host.root, "nowhere"));
    await rm(folder.path, { recursive: true });
    await assert.rejects(holdPlace(folder, lock), (error: Error) => {
      assert.ok(error instanceof DeliveryError);
      assert.match(
        error.message,
        /nowhere\/\.keyplane\.lock cannot be made \(ENOENT\),.* run as somebody who may write/,
      );
      return true;
    });
  });
});

describe("what `keyplane run` says of a service on this machine", () => {
  const own = process.geteuid?.() ?? 0;

  async function instance(service: Service): Promise<Instance> {
    const started = (await startOf(process.pid)) ?? "";
    return {
      ...{ service: service.id, pid: process.pid, started, child: { pid: process.pid, started } },
      versions: { "shop/x": 3 },
    };
  }

  const platform = (environment: string, address = "https://vault.acme.example") => {
    const hash = createHash("sha256").update(address).digest("hex").slice(0, 12);
    return { environment, vault: { address }, name: `${environment}-${hash}` };
  };
  const staging = platform("staging");
  const places = (host: TestHost) => (uid: number, name: string) => [
    join(host.root, `closed-${uid}/keyplane`),
    join(host.root, `${uid}-${name}`),
  ];
  const state = async (host: TestHost, service: Service, home: string, of = staging) => {
    const sink = sinkOf(host, service, [service], await machineRuns(home, of, places(host)));
    return (await sink.running("shop/x", 3)).state;
  };

  async function machine(t: TestContext): Promise<TestHost> {
    const host = await testHost();
    t.after(() => host[Symbol.asyncDispose]());
    await mkdir(host.root, { recursive: true });
    return host;
  }

  test("is seen by a rotation that was started in another folder", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    const { runs } = await machineRuns(join(host.root, "one/.keyplane"), staging, places(host));
    assert.equal(runs, join(host.root, `${own}-${staging.name}`));
    assert.equal((await lstat(runs)).mode & 0o7777, 0o700);
    assert.equal(await state(host, service, join(host.root, "two/.keyplane")), "behind");
    await describeInstance(runs, await instance(service));
    assert.equal(await state(host, service, join(host.root, "two/.keyplane")), "runs");
    assert.equal(
      await state(host, service, join(host.root, "two/.keyplane"), platform("production")),
      "behind",
    );
  });

  test("is of the platform whose Vault it reads: another one may name an environment and a service alike", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    const { runs } = await machineRuns(join(host.root, "one"), staging, places(host));
    await describeInstance(runs, await instance(service));
    const fork = platform("staging", "https://vault.fork.example");
    assert.equal(await state(host, service, join(host.root, "two"), fork), "behind");
    assert.equal(await state(host, service, join(host.root, "two")), "runs");
  });

  test("by an older version, in the state folder, is still seen from there", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    await describeInstance(join(host.root, "one/.keyplane/run"), await instance(service));
    assert.equal(await state(host, service, join(host.root, "one/.keyplane")), "runs");
    assert.equal(await state(host, service, join(host.root, "two/.keyplane")), "behind");
  });

  test("is taken from its own user or from whoever rotates, and from nobody else", async (t) => {
    if (own !== 0) return t.skip("takes root, who sees what another user runs");
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: 12_001 });
    const folder = join(host.root, `12001-${staging.name}`);
    await describeInstance(folder, await instance(service));
    assert.equal(await state(host, service, host.root), "behind", "the folder is not the user's");
    await chown(folder, 12_001, 12_001);
    assert.equal(await state(host, service, host.root), "runs");
    assert.equal(await state(host, { ...service, user: 12_002 }, host.root), "behind", "another's service");
    await chmod(folder, 0o777);
    assert.equal(await state(host, service, host.root), "behind", "others may write there");
  });

  test("is a file of its user and no larger than one is: a pipe, a link or a flood holds up no rotation", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    const runs = join(host.root, `${own}-${staging.name}`);
    const described = await instance(service);
    const elsewhere = join(host.root, "elsewhere");
    await describeInstance(elsewhere, described);
    await mkdir(runs, { mode: 0o700 });
    await symlink(join(elsewhere, `shop.api.${process.pid}.json`), join(runs, "link.json"));
    await writeFile(join(runs, "flood.json"), JSON.stringify({ ...described, problem: "x".repeat(2 ** 20) }));
    assert.equal(await state(host, service, host.root), "behind");
    if (own === 0) {
      await writeFile(join(runs, "given.json"), JSON.stringify(described));
      await chown(join(runs, "given.json"), 12_001, 12_001);
      assert.equal(await state(host, service, host.root), "behind", "the file is another user's");
    }
    const pipe = join(runs, "pipe.json");
    execFileSync("mkfifo", [pipe]);
    const seen = await Promise.race([state(host, service, host.root), wait(5000, "hangs")]);
    // What waits for a writer ends with one.
    if (seen === "hangs") await writeFile(pipe, "");
    assert.equal(seen, "behind");
    await describeInstance(runs, described);
    assert.equal(await state(host, service, host.root), "runs");
  });

  test("a poke reaches it there, again and again, and follows no link that its user has put there", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    const runs = await machineRuns(join(host.root, "one"), staging, places(host));
    await describeInstance(runs.runs, await instance(service));
    const sink = sinkOf(host, service, [service], runs);
    const poke = join(runs.runs, `shop.api.${process.pid}.json.poke`);
    await sink.reload();
    const first = (await lstat(poke)).mtimeMs;
    await wait(20);
    await sink.reload();
    assert.ok((await lstat(poke)).mtimeMs > first);
    const victim = join(host.root, "victim");
    await writeFile(victim, "untouched");
    await rm(poke);
    await symlink(victim, poke);
    await sink.reload();
    assert.equal(await readFile(victim, "utf8"), "untouched");
  });

  test("a poke makes nothing where its folder, looked at a moment ago, has become a link to (R45)", async (t) => {
    const host = await machine(t);
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { user: own });
    const [runs, other] = [join(host.root, "runs"), join(host.root, "other")];
    await mkdir(other);
    await symlink(other, runs);
    await pokeInstance({ ...(await instance(service)), runs });
    assert.deepEqual(await readdir(other), []);
  });

  test("lies where KEYPLANE_HOME says, where it says something, and nowhere below the folder that a command is started in", async (t) => {
    const before = process.env.KEYPLANE_HOME;
    t.after(() => {
      if (before === undefined) delete process.env.KEYPLANE_HOME;
      else process.env.KEYPLANE_HOME = before;
    });
    const from = (folder: string, environment: string) =>
      runsOf({ home: join(folder, ".keyplane") }, platform(environment));
    delete process.env.KEYPLANE_HOME;
    const environment = `test-${process.pid}`;
    const [one, two] = [await from("/one", environment), await from("/two", environment)];
    t.after(() => rm(one.runs, { recursive: true, force: true }));
    assert.equal(one.runs, two.runs);
    // Two local stacks on one machine are two platforms.
    assert.deepEqual(await from("/one", "local"), { runs: "/one/.keyplane/run" });
    process.env.KEYPLANE_HOME = "/one/.keyplane";
    assert.deepEqual(await from("/one", "staging"), { runs: "/one/.keyplane/run" });
    assert.doesNotMatch(one.runs, /\.keyplane/);
  });
});
