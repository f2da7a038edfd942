// Installs the packages of package-lock.json when node_modules is not exactly what it says, then runs the rest of
// the command line with the Node that came with them. Plain JavaScript: it runs before anything is installed, on
// whatever Node the machine has.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const bin = join(root, "node_modules", ".bin");
const stamp = join(root, "node_modules", ".keyplane-lock");
/** Names the processes of the one installation at a time: `npm ci` begins by deleting what is there. */
const lock = join(root, ".setup.lock");
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

if (!isInstalled()) {
  await takeLock();
  const failure = isInstalled() ? undefined : await install();
  rmSync(lock, { force: true });
  if (failure !== undefined) {
    console.error(failure);
    process.exit(3);
  }
}

const [, , ...command] = process.argv;
if (command.length > 0) {
  const { code, signal } = await run(join(bin, "node"), command, {
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
  });
  process.exit(code ?? 128 + constants.signals[signal]);
}

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

/** Returns why it failed, with what to do. */
async function install() {
  console.error("Installing the packages of package-lock.json …");
  const options = { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" };
  // Should this process be killed, npm goes on, and whoever comes next waits for it.
  const started = (pid) => writeFileSync(lock, `${process.pid} ${pid}`);
  try {
    const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    const { code, signal } = await run("npm", args, options, started);
    if (signal !== null) return `npm ci was ended by ${signal}. Run this again.`;
    if (code === 0) return writeFileSync(stamp, wanted);
    return "npm ci failed; its message is above. Check the connection to the npm registry, then run this again.";
  } catch (error) {
    return `npm could not be started (${error.message}). Put the npm that comes with Node on PATH, then run this again.`;
  }
}

/** Waits for another process that installs here; takes the place of one that has died. */
async function takeLock() {
  for (let said = false; ; await sleep(100)) {
    try {
      return writeFileSync(lock, String(process.pid), { flag: "wx" });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const holders = holdersOf(lock);
    if (holders.some(isAlive)) {
      if (!said) console.error(`Waiting for process ${holders[0]}, which installs here (${lock}) …`);
      said = true;
    } else if (holders.length > 0) leaveStale();
  }
}

/** Moves the lock of a dead process out of the way; back, where somebody else was quicker and it is theirs. */
function leaveStale() {
  const moved = `${lock}.${process.pid}`;
  try {
    renameSync(lock, moved);
  } catch {
    return;
  }
  if (holdersOf(moved).some(isAlive)) renameSync(moved, lock);
  else rmSync(moved);
}

/** Pids in a lock: none where it is gone, 0 (which is alive) while it is being written. */
function holdersOf(file) {
  try {
    return readFileSync(file, "utf8").split(" ").map(Number);
  } catch {
    return [];
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Runs a command to its end, and hands on the signals that only this process gets. Rejects where it cannot be started. */
function run(file, args, options, started = () => {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, options);
    const handOn = (signal) => {
      // A terminal's Ctrl-C reaches both.
      if (signal !== "SIGINT" || ![0, 1, 2].some(isatty)) child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, handOn);
    const end = (settle, how) => {
      for (const signal of signals) process.off(signal, handOn);
      settle(how);
    };
    child.once("spawn", () => started(child.pid));
    child.once("error", (error) => end(reject, error));
    child.once("exit", (code, signal) => end(resolve, { code, signal }));
  });
}
