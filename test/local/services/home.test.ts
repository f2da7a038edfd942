import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import type { Step } from "../../../local/progress.ts";
import { HeldError, HomeError } from "../../../local/services/errors.ts";
import {
  deleteHome,
  holdServices,
  layout,
  prepareHome,
  removeLeftovers,
} from "../../../local/services/home.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const quiet = { report: () => {} };

test("makes the state folder for its owner only (R45)", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  assert.equal((await stat(home)).mode & 0o777, 0o700);
});

test("closes a state folder that others could look into (R45)", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  await chmod(home, 0o755);
  await prepareHome(home);
  assert.equal((await stat(home)).mode & 0o777, 0o700);
});

test("refuses a folder that holds somebody else's files, and leaves them alone", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "letters.txt"), "dear");
  await assert.rejects(prepareHome(folder), (error: Error) => {
    assert.ok(error instanceof HomeError);
    assert.match(error.message, /letters\.txt.*KEYPLANE_HOME/);
    return true;
  });
  assert.deepEqual(await readdir(folder), ["letters.txt"]);
});

test("takes a folder that holds nothing but another command's lock", async (t) => {
  const folder = await temporaryFolder(t);
  for (const name of ["up.lock", "up.lock.holder"]) await mkdir(join(folder, name));
  assert.equal(await prepareHome(folder), folder);
});

test("deletes a state folder with everything in it", async (t) => {
  const folder = await temporaryFolder(t);
  const home = await prepareHome(join(folder, "home"));
  await mkdir(join(home, "vault"));
  await deleteHome(home);
  assert.deepEqual(await readdir(folder), []);
});

test("refuses to delete a folder that is not marked as its own", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "letters.txt"), "dear");
  await assert.rejects(deleteHome(folder), /was not made by keyplane.*by hand/);
  assert.deepEqual(await readdir(folder), ["letters.txt"]);
});

test("follows no link out of the state folder when deleting", async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "elsewhere"));
  await writeFile(join(folder, "elsewhere", "letters.txt"), "dear");
  const home = await prepareHome(join(folder, "home"));
  await symlink(join(folder, "elsewhere"), join(home, "link"));
  await deleteHome(home);
  assert.deepEqual(await readdir(join(folder, "elsewhere")), ["letters.txt"]);
});

test("a deletion that was cut short can be repeated", async (t) => {
  const folder = await temporaryFolder(t);
  const home = await prepareHome(join(folder, "home"));
  await mkdir(join(home, "vault"));
  await rm(join(home, "vault"), { recursive: true });
  await deleteHome(home);
  assert.deepEqual(await readdir(folder), []);
});

test("removes files that a killed command left half-written, and nothing else", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  await mkdir(join(home, "vault"));
  await writeFile(join(home, "vault", "keys.json.0123456789ab.tmp"), "half");
  await writeFile(join(home, "vault", "keys.json"), "whole");
  await mkdir(join(home, "postgres", "unfinished-0123456789ab"), { recursive: true });
  await mkdir(join(home, "postgres", "data"));
  await removeLeftovers(home);
  assert.deepEqual(await readdir(join(home, "vault")), ["keys.json"]);
  assert.deepEqual(await readdir(join(home, "postgres")), ["data"]);
});

test("two commands never hold the services at once, and the second is told that it waits", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const steps: Step[] = [];
  const order: string[] = [];
  const first = await holdServices(home, quiet);
  const { since } = JSON.parse(await readFile(`${layout(home).lock}.holder`, "utf8"));
  const second = holdServices(home, { report: (step) => steps.push(step) }).then((held) => {
    order.push("second holds");
    held[Symbol.dispose]();
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  order.push("first lets go");
  first[Symbol.dispose]();
  await second;
  assert.deepEqual(order, ["first lets go", "second holds"]);
  assert.deepEqual(
    steps.map(({ text }) => text),
    [`waiting for another keyplane command to end (process ${process.pid}, since ${since})`],
  );
});

test("a command that is killed lets the services go at once, and not before", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const module = join(import.meta.dirname, "../../../local/services/home.ts");
  const script = `const { holdServices } = await import(process.argv[1]);
    globalThis.held = await holdServices(process.argv[2], { report() {} });
    console.log("holds"); setInterval(() => {}, 1e6);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script, module, home], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const before = new Date();
  await assert.rejects(holdServices(home, { ...quiet, patience: 300 }), (error: Error) => {
    assert.ok(error instanceof HeldError);
    const [, pid, since = ""] = /\(process (\d+), since (\S+Z)\)/.exec(error.message) ?? [];
    assert.equal(Number(pid), holder.pid);
    assert.ok(new Date(since) <= before && new Date(since).getTime() > before.getTime() - 60_000, since);
    return true;
  });
  holder.kill("SIGKILL");
  const started = performance.now();
  (await holdServices(home, quiet))[Symbol.dispose]();
  assert.ok(performance.now() - started < 2_000);
});

test("gives up on services that stay held, saying what to do", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  using _held = await holdServices(home, quiet);
  await assert.rejects(holdServices(home, { ...quiet, patience: 150 }), /Wait for it to end, then try again/);
});

test("a command that is interrupted while it waits ends at once with the signal's reason", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  using _held = await holdServices(home, quiet);
  const interrupted = new AbortController();
  const report = () => interrupted.abort(new DOMException("m", "AbortError"));
  await assert.rejects(holdServices(home, { report, signal: interrupted.signal }), { name: "AbortError" });
});

test("what a killed holder wrote of itself is not taken for the next one's", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  await writeFile(`${layout(home).lock}.holder`, JSON.stringify({ pid: 2 ** 22 + 1, since: "before" }));
  (await holdServices(home, quiet))[Symbol.dispose]();
  assert.deepEqual(
    (await readdir(home)).filter((name) => name.endsWith(".holder")),
    [],
  );
});

test("a command that waited for a folder that was deleted meanwhile is told so", async (t) => {
  const home = await prepareHome(join(await temporaryFolder(t), "home"));
  const first = await holdServices(home, quiet);
  const second = assert.rejects(
    holdServices(home, quiet),
    /was deleted by another keyplane command meanwhile/,
  );
  await deleteHome(home);
  first[Symbol.dispose]();
  await second;
});
