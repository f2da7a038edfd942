import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { layout, prepareHome } from "../../../local/services/home.ts";
import { isAlive, ProcessTable, stopProcess } from "../../../local/services/process-table.ts";
import { eldest, startOf, startTimeOf } from "../../../operations/process-identity.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Starts a process that does nothing (or what `script` says) and is killed after the test. */
async function sleeper(
  t: TestContext,
  script = "setInterval(() => {}, 1e6); console.log('up')",
  ...args: string[]
) {
  const child = spawn(process.execPath, ["-e", script, "--", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const pid = child.pid ?? 0;
  return { child, pid, started: (await startOf(pid)) ?? "", port: 0, command: [], log: "" };
}

test("the same process is recognised every time it is asked for", async () => {
  const first = await startOf(process.pid);
  assert.notEqual(first, undefined);
  assert.equal(await startOf(process.pid), first);
});

test("a process that ended is not running", async (t) => {
  const target = await sleeper(t);
  target.child.kill("SIGKILL");
  await once(target.child, "exit");
  assert.equal(await startOf(target.pid), undefined);
});

test("a zombie counts as ended", async (t) => {
  const parent = spawn("sh", ["-c", "sleep 1000 & echo $!; exec sleep 1000"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => parent.kill("SIGKILL"));
  const [output] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(output.toString().trim());
  assert.notEqual(await startOf(pid), undefined);
  process.kill(pid, "SIGKILL");
  for (let tries = 0; tries < 100 && (await startOf(pid)) !== undefined; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.doesNotThrow(() => process.kill(pid, 0), "the zombie is still in the process list");
  assert.equal(await startOf(pid), undefined);
});

test("a pid that was given to another process is not taken for the service, nor stopped", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const stranger = await sleeper(t);
  const table = await ProcessTable.read(home);
  const recycled = { ...stranger, started: "an earlier process" };
  await table.record("vault", recycled);
  assert.equal(await table.find("vault"), undefined);
  assert.equal(await stopProcess(recycled, "SIGTERM"), "not running");
  assert.equal(await isAlive(stranger), true);
});

test("a server that a killed start left behind is found by its arguments", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const server = await sleeper(t, undefined, `-config=${layout(home).vault.settings}`);
  const table = await ProcessTable.read(home);
  await table.rememberPort("vault", 23456);
  const found = await table.find("vault");
  assert.deepEqual([found?.pid, found?.started, found?.port], [server.pid, server.started, 23456]);
});

test("another folder's server is not taken for ours", async (t) => {
  const folder = await temporaryFolder(t);
  const home = await prepareHome(join(folder, "home"));
  await sleeper(t, undefined, `-config=${layout(`${home}-2`).vault.settings}`);
  assert.equal(await (await ProcessTable.read(home)).find("vault"), undefined);
});

test("of a server and its children with the same arguments the server is found", async () => {
  const [server, child] = [process.ppid, process.pid];
  const parents = new Map([
    [child, server],
    [server, 0],
  ]);
  assert.equal(await eldest(parents), server);
});

test("a process that ignores the request to end is killed", async (t) => {
  const stubborn = await sleeper(
    t,
    "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6); console.log('up')",
  );
  assert.equal(await stopProcess(stubborn, "SIGTERM", 200), "killed");
  assert.equal(await isAlive(stubborn), false);
});

test("a process that ends when asked is not killed", async (t) => {
  assert.equal(await stopProcess(await sleeper(t), "SIGTERM"), "stopped");
});

test("what one command writes down the next one reads", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const { child: _, ...running } = await sleeper(t);
  const table = await ProcessTable.read(home);
  await table.rememberPort("postgres", 25432);
  await table.record("postgres", { ...running, port: 25432 });
  const again = await ProcessTable.read(home);
  assert.equal(again.port("postgres"), 25432);
  assert.deepEqual(await again.find("postgres"), { ...running, port: 25432 });
});

test("a table that was cut short or made up counts as empty", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  for (const text of ["{", "[]", '{"ports":{"vault":70000}}', '{"processes":{"vault":{"pid":-1}}}']) {
    await writeFile(layout(home).processes, text);
    const table = await ProcessTable.read(home);
    assert.deepEqual([table.port("vault"), table.recorded("vault")], [undefined, undefined], text);
  }
});

test("a server gets no variable of ours that could hold a secret", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const log = join(home, "vault.log");
  process.env.VAULT_TOKEN = "hvs.canary";
  t.after(() => delete process.env.VAULT_TOKEN);
  const table = await ProcessTable.read(home);
  const launched = await table.launch({ name: "vault", command: ["env"], port: 1, log });
  for (let tries = 0; tries < 200 && (await isAlive(launched)); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const names = (await readFile(log, "utf8")).split("\n").map((line) => line.split("=")[0]);
  assert.deepEqual(
    names.filter((name) => !["PATH", "HOME", "TMPDIR", "TZ", ""].includes(name ?? "")),
    [],
  );
  assert.ok(names.includes("PATH"));
});

test("a missing executable is named, with what to look at", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const table = await ProcessTable.read(home);
  const launch = {
    name: "vault" as const,
    command: ["/nowhere/vault"],
    port: 1,
    log: join(home, "vault.log"),
  };
  await assert.rejects(
    table.launch(launch),
    /vault could not be started: .*ENOENT.*Is \/nowhere\/vault there/,
  );
});

test("the time at which a process started is known to a few hundredths of a second, and never too late", async (t) => {
  const before = Date.now();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  t.after(() => child.kill("SIGKILL"));
  await once(child, "spawn");
  const after = Date.now();
  let best = 0;
  for (let look = 0; look < 20; look++) {
    const started = (await startTimeOf(child.pid ?? 0))?.getTime() ?? 0;
    assert.ok(started <= after, `${started - after} ms too late`);
    best = Math.max(best, started);
    await sleep(7);
  }
  assert.ok(best >= before - (process.platform === "linux" ? 40 : 2000), `${before - best} ms early`);
  assert.equal(await startTimeOf(2 ** 30), undefined);
});
