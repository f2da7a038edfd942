import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Vault } from "../../clients/vault.ts";
import { layout } from "../../local/services/home.ts";
import { connectServices, servicesStatus, stopServices } from "../../local/services/index.ts";
import { type ServiceName, serviceNames } from "../../local/services/process-table.ts";
import { startInitialising } from "../../local/services/vault-keys.ts";
import { processesIn, testServices } from "./running-services.ts";
import { momentsOver, seeded } from "./support/seeded.ts";

const quiet = () => {};
/** What is not asked about is not started: each first start of a service is a second of processor time. */
const vaultAlone = { only: ["vault"] } as const;
const servers = { only: ["vault", "postgres"] } as const;

async function assertRuns(home: string, { only }: { only: readonly ServiceName[] } = { only: serviceNames }) {
  const status = (await servicesStatus(home)).filter(({ name }) => only.includes(name));
  assert.deepEqual(
    status.map(({ name, state }) => [name, state]),
    status.map(({ name }) => [name, "running"]),
  );
  assert.equal(status.length, only.length);
}

test("a service that was killed is found by status and started again by the next start, at its address", async (t) => {
  const services = await testServices(t);
  const first = await services.start();
  for (const name of serviceNames) {
    await t.test(name, async () => {
      const before = await services.pids();
      await services.kill(name);
      const status = (await servicesStatus(services.home)).find((service) => service.name === name);
      assert.equal(status?.state, "stopped");
      assert.match(status?.reason ?? "", new RegExp(`process ${before[name]} ended by itself or was killed`));

      const second = await services.start();
      assert.deepEqual(second, first);
      await assertRuns(services.home);
      const after = await services.pids();
      for (const other of serviceNames) assert.equal(after[other] === before[other], other !== name, other);
    });
  }
});

test("Postgres starts again although the pid of its killed server was given to another process", async (t) => {
  const services = await testServices(t, servers);
  await services.start();
  const { data } = layout(services.home).postgres;
  await services.kill("postgres");
  const left = await readFile(join(data, "postmaster.pid"), "utf8");
  // Not ours: Postgres knows that its own parent's pid in that file means nothing.
  const { vault } = await services.pids();
  await writeFile(join(data, "postmaster.pid"), left.replace(/^\d+/, String(vault)));
  await services.start();
  await assertRuns(services.home, servers);
});

test("killed between initialising Vault and storing its keys: the next start begins anew and says so", async (t) => {
  const services = await testServices(t, vaultAlone);
  const first = await services.start();
  // What a start leaves that is killed there: the mark, an initialised Vault, no keys.
  await startInitialising(services.home);
  await rename(first.vault.unsealKeysFile, `${first.vault.unsealKeysFile}.away`);

  const second = await services.start();
  assert.ok(
    services.steps.some(({ text }) => /killed while Vault was being initialised.*starts anew/.test(text)),
  );
  await assertRuns(services.home, vaultAlone);
  assert.notEqual(second.vault.rootToken, first.vault.rootToken);
  await assert.rejects(stat(layout(services.home).vault.initialising), { code: "ENOENT" });
});

test("killed after storing the keys but before taking the mark away: the keys and what is in Vault are kept", async (t) => {
  const services = await testServices(t, vaultAlone);
  const first = await services.start();
  await startInitialising(services.home);
  await stopServices(services.home, { deleteData: false, report: quiet });
  assert.deepEqual(await services.start(), first);
  await assert.rejects(stat(layout(services.home).vault.initialising), { code: "ENOENT" });
});

test("a Vault whose keys do not open it is refused with a way out, and never wiped", async (t) => {
  const services = await testServices(t, vaultAlone);
  const first = await services.start();
  const { unsealKeysFile } = first.vault;
  const kept = await readFile(unsealKeysFile);
  const root = new Vault({
    address: first.vault.address,
    ca: first.vault.ca,
    token: first.vault.rootToken ?? "",
  });
  t.after(() => root.close());
  await root.write("sys/mounts/kept", { type: "kv-v2" });
  const foreign = { unsealKeys: [Buffer.alloc(32, 7).toString("base64")] };
  for (const [what, prepare, refusal] of [
    [
      "keys that are missing without a mark",
      () => rename(unsealKeysFile, `${unsealKeysFile}.away`),
      /its keys are not in .*keys\.json.*Put keys\.json back.*`keyplane down --delete`/,
    ],
    [
      "keys of another storage",
      () => writeFile(unsealKeysFile, JSON.stringify(foreign)),
      /Vault refused the unseal key.*another storage/,
    ],
    [
      "damaged keys, even with a mark",
      async () => {
        await startInitialising(services.home);
        await writeFile(unsealKeysFile, "{ half");
      },
      /keys\.json is not what keyplane stored there.*Put it back from a copy/,
    ],
  ] as const) {
    await t.test(what, async () => {
      await stopServices(services.home, { deleteData: false, report: quiet });
      await prepare();
      await assert.rejects(services.start(), refusal);
      await writeFile(unsealKeysFile, kept);
      await services.start();
      assert.notEqual(await root.read("sys/mounts/kept"), undefined);
    });
  }
});

test("a storage that was removed while its keys stayed is refused with a way out", async (t) => {
  const services = await testServices(t, vaultAlone);
  await services.start();
  await stopServices(services.home, { deleteData: false, report: quiet });
  const { raft } = layout(services.home).vault;
  await rename(raft, `${raft}.away`);
  await assert.rejects(
    services.start(),
    /storage in .*raft is empty.*Put it back; or `keyplane down --delete`/,
  );
});

/** A start in a process of its own, to be killed. */
function startElsewhere(
  home: string,
  { only, errors = "inherit" }: { only?: readonly ServiceName[]; errors?: "inherit" | "ignore" } = {},
): ChildProcess {
  const module = join(import.meta.dirname, "../../local/services/index.ts");
  const script = `const { startServices } = await import(process.argv[1]);
    const only = process.argv[3]?.split(",");
    const report = ({ subject, state }) => console.log(subject, state);
    await startServices(process.argv[2], { report, ...(only && { only }) });`;
  const args = [module, home, ...(only === undefined ? [] : [only.join()])];
  return spawn(process.execPath, ["--input-type=module", "-e", script, ...args], {
    stdio: ["ignore", "pipe", errors],
  });
}

test("a start in another process outlives it: the servers stay when their starter is gone", async (t) => {
  const services = await testServices(t);
  const starter = startElsewhere(services.home);
  await once(starter, "exit");
  assert.equal(starter.exitCode, 0);
  await assertRuns(services.home);
  await connectServices(services.home);
});

test("a first start killed while Vault is being initialised is made good by the next one, also when its keys are lost", async (t) => {
  let losses = 0;
  // At once, so that keys are lost on any machine; later; and when they are there.
  for (const moment of [0, 10, 50, 200, "stored"] as const) {
    const name = moment === "stored" ? "as soon as its keys are stored" : `${moment} ms after it began`;
    await t.test(name, async (t) => {
      const services = await testServices(t, vaultAlone);
      const { keys, initialising } = layout(services.home).vault;
      const starter = startElsewhere(services.home, vaultAlone);
      t.after(() => starter.kill("SIGKILL"));
      while (!existsSync(initialising) && starter.exitCode === null) await sleep(1);
      assert.equal(starter.exitCode, null);
      if (moment === "stored") while (!existsSync(keys) && starter.exitCode === null) await sleep(1);
      else if (moment > 0) await sleep(moment);
      starter.kill("SIGKILL");
      if (starter.exitCode === null && starter.signalCode === null) await once(starter, "exit");
      const lost = existsSync(initialising) && !existsSync(keys);
      if (lost) losses++;
      t.diagnostic(lost ? "its keys were lost" : "it had stored its keys");

      await services.start();
      await assertRuns(services.home, vaultAlone);
      assert.equal(
        services.steps.some(({ text }) => /starts anew/.test(text)),
        lost,
      );
    });
  }
  assert.ok(losses >= 1, "no start was killed before its keys were stored");
});

const prove = process.env.KEYPLANE_SCALE === "prove";
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

for (const name of ["vault", "postgres"] as const) {
  for (const seed of upTo(prove ? 20 : 2)) {
    test(`${name} killed at a random moment of the first start (seed ${seed}) is made good by the next one`, async (t) => {
      const services = await testServices(t, servers);
      const starter = startElsewhere(services.home, { ...servers, errors: "ignore" });
      t.after(() => starter.kill("SIGKILL"));
      while ((await services.pids())[name] === undefined && starter.exitCode === null) await sleep(5);
      await sleep(Math.round(seeded(seed)() * 1_000));
      await services.kill(name);
      if (starter.exitCode === null) await once(starter, "exit");
      await services.start();
      await assertRuns(services.home, servers);
    });
  }
}

/** Reads lines of a start until there are `count`, or no more: the milliseconds at which each came. */
async function linesOf(starter: ChildProcess, count = Number.POSITIVE_INFINITY): Promise<number[]> {
  const times: number[] = [];
  assert.ok(starter.stdout);
  for await (const _line of createInterface({ input: starter.stdout })) {
    times.push(performance.now());
    if (times.length >= count) break;
  }
  return times;
}

const kills = prove ? 40 : 6;

test(`a first start killed at ${kills} seeded moments of its whole run is made good by the next one`, async (t) => {
  // Moments are told by what was reported before, so that neither a slow nor a fast machine misses the start.
  const whole = startElsewhere((await testServices(t)).home);
  const times = await linesOf(whole);
  const [began = 0] = times;
  let unfinished = 0;
  for (const moment of momentsOver((times.at(-1) ?? 0) - began, kills, 20_260_301)) {
    const line = times.findLastIndex((time) => time - began <= moment);
    const after = Math.round(moment - ((times[line] ?? 0) - began));
    await t.test(`${after} ms after line ${line + 1} of ${times.length}`, async (t) => {
      const services = await testServices(t);
      const starter = startElsewhere(services.home);
      const ended = once(starter, "exit");
      t.after(() => starter.kill("SIGKILL"));
      await linesOf(starter, line + 1);
      await sleep(after);
      starter.kill("SIGKILL");
      await ended;
      if (starter.signalCode === "SIGKILL") unfinished++;

      const result = await services.start();
      await assertRuns(services.home);
      const root = new Vault({
        address: result.vault.address,
        ca: result.vault.ca,
        token: result.vault.rootToken ?? "",
      });
      t.after(() => root.close());
      assert.deepEqual((await root.read<{ policies: string[] }>("auth/token/lookup-self"))?.policies, [
        "root",
      ]);
      const servers = await Promise.all(
        (await processesIn(services.home)).map((pid) =>
          readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
        ),
      );
      for (const mark of ["\0server\0-config=", "issuer/server.ts"]) {
        assert.equal(servers.filter((line) => line.includes(mark)).length, 1, `one server: ${mark}`);
      }
    });
  }
  assert.ok(unfinished >= kills / 2, `${unfinished} of ${kills} starts were unfinished`);
});
