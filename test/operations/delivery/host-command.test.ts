import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { CommandError, runCommand } from "../../../operations/delivery/host-command.ts";
import { until } from "../../integration/services/until.ts";

const minute = 60_000;

/** A command that starts another one and never ends; each writes its process id first, a line per process. */
async function endless(t: { after(end: () => Promise<void>): void }, how: string) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-command-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "pids");
  const script = `${how} echo $$ >> ${file}; sh -c '${how} echo $$ >> ${file}; while :; do sleep 1; done' & wait; wait`;
  const pids = async () => {
    const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
    return lines.filter((line) => line !== "").map(Number);
  };
  return { argv: ["sh", "-c", script], pids, bothRun: () => until(async () => (await pids()).length === 2) };
}

/** A zombie acts no more. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat !== undefined && !/^\d+ \(.*\) Z/.test(stat);
}

async function alive(pids: number[]): Promise<number[]> {
  const lives = await Promise.all(pids.map(isAlive));
  return pids.filter((_, index) => lives[index]);
}

for (const [what, how] of [
  ["", ""],
  [" that heeds no SIGTERM", 'trap "" TERM;'],
] as const) {
  test(`a command${what} that may go on no longer has ended, with what it has started, when that is said`, async (t) => {
    const { argv, pids, bothRun } = await endless(t, how);
    const stop = new AbortController();
    const ended = runCommand(argv, { signal: stop.signal, limit: minute });
    ended.catch(() => {});
    await bothRun();
    stop.abort(new Error("another acts"));
    await assert.rejects(ended, /^Error: another acts$/);
    assert.deepEqual(await alive(await pids()), []);
  });
}

test("a command that takes longer than it may has ended as well", async (t) => {
  const { argv, pids } = await endless(t, "");
  const error: unknown = await runCommand(argv, { limit: 1500 }).catch((e: unknown) => e);
  assert.ok(error instanceof CommandError);
  assert.equal(error.message, "did not end within 1.5 s");
  assert.deepEqual(await alive(await pids()), []);
});

for (const [what, how] of [
  ["", ""],
  [" that heeds no SIGTERM", 'trap "" TERM;'],
] as const) {
  test(`a command${what} ends with its runner, also with one that kill -9 has ended, and so does what it has started`, async (t) => {
    const { argv, pids, bothRun } = await endless(t, how);
    const from = pathToFileURL("operations/delivery/host-command.ts").href;
    const code = `import { runCommand } from ${JSON.stringify(from)}; await runCommand(${JSON.stringify(argv)}, { limit: ${minute} });`;
    const runner = spawn(process.execPath, ["--input-type=module-typescript", "--eval", code], {
      stdio: "inherit",
    });
    const over = once(runner, "exit");
    await bothRun();
    assert.deepEqual(await alive(await pids()), await pids());
    runner.kill("SIGKILL");
    await over;
    await until(async () => (await alive(await pids())).length === 0);
  });
}

test("what has left a command's processes, and holds on to its output, holds up nobody once it has to end", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-command-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "pid");
  const left = `setsid sh -c 'echo $$ > ${file}; exec sleep 20' & sleep 600`;
  const began = Date.now();
  await assert.rejects(runCommand(["sh", "-c", left], { limit: 500 }), { name: "CommandError" });
  assert.ok(Date.now() - began < 15_000);
  process.kill(Number(await readFile(file, "utf8")));
});

test("what a command that has ended well leaves running goes on", async (t) => {
  const argv = ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"];
  const pid = Number(await runCommand(argv, { limit: minute }));
  t.after(() => process.kill(pid));
  // Its watcher has ended before the output was whole.
  assert.equal(await isAlive(pid), true);
});

test("a program that may not be run, or is not there, is said to be", async () => {
  for (const [program, code] of [
    ["/etc/passwd", "EACCES"],
    ["no-such-program", "ENOENT"],
  ] as const) {
    await assert.rejects(runCommand([program], { limit: minute }), {
      name: "CommandError",
      message: `could not be started (${code})`,
    });
  }
});

test("what must not begin does not", async () => {
  const signal = AbortSignal.abort(new Error("lost"));
  await assert.rejects(runCommand(["no-such-program"], { signal, limit: minute }), /^Error: lost$/);
});

test("the output of a command that ends well is told, and where it ran", async () => {
  assert.equal(await runCommand(["sh", "-c", "pwd"], { limit: minute, cwd: "/" }), "/\n");
});
