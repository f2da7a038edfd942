import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * When a process started, in a form that no other process of this machine has had under the same pid: a pid alone
 * is given out again. Undefined when there is no such process, or only its remains (a zombie).
 */
export async function startOf(pid: number): Promise<string | undefined> {
  return process.platform === "linux" ? startOnLinux(pid) : startElsewhere(pid);
}

/**
 * The pid of a running process whose arguments end in exactly these. It finds a server whose starter was killed
 * before it could write down the pid.
 */
export async function findProcess(argv: string[]): Promise<number | undefined> {
  return process.platform === "linux" ? findOnLinux(argv) : findElsewhere(argv);
}

/**
 * The time at which a process started, by this machine's clock: never later than it was, and on Linux usually at most a few
 * hundredths of a second earlier (a second elsewhere). Undefined when there is no such process.
 */
export async function startTimeOf(pid: number): Promise<Date | undefined> {
  if (process.platform === "linux") {
    const fields = await statOnLinux(pid);
    if (fields === undefined) return undefined;
    // The kernel tells both in hundredths of a second, whatever its own clock's rate.
    return new Date(bootTime() + Number(fields[19]) * 10 - 20);
  }
  if ((await startElsewhere(pid)) === undefined) return undefined;
  const { stdout } = await promisify(execFile)("ps", ["-o", "etime=", "-p", String(pid)]);
  return new Date(Date.now() - (secondsOf(stdout.trim()) + 1) * 1000);
}

/**
 * When this machine started, in milliseconds since 1970, by its clock of now: never later. A process that is kept waiting
 * between its two looks takes it for earlier by that, so it looks again.
 */
function bootTime(): number {
  let latest = Number.NEGATIVE_INFINITY;
  for (let looks = 0; looks < 10; looks++) {
    const now = Date.now();
    const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    latest = Math.max(latest, now - uptime * 1000);
    if (Date.now() - now <= 1) break;
  }
  return latest;
}

/** [[days-]hours:]minutes:seconds, as POSIX has `ps` say it. */
function secondsOf(elapsed: string): number {
  const [, days = "0", hours = "0", minutes = "0", seconds = "0"] =
    /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)$/.exec(elapsed) ?? [];
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

async function startOnLinux(pid: number): Promise<string | undefined> {
  const fields = await statOnLinux(pid);
  if (fields === undefined) return undefined;
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return `${boot}/${fields[19]}`;
}

/** proc(5): the fields after the second, which may hold spaces and parentheses: the state first, the start time the 20th. */
async function statOnLinux(pid: number): Promise<string[] | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
}

async function startElsewhere(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("ps", ["-o", "stat=,lstart=", "-p", String(pid)]);
    const [state = "", ...started] = stdout.trim().split(/\s+/);
    return state === "" || state.startsWith("Z") ? undefined : started.join(" ");
  } catch {
    return undefined;
  }
}

async function findOnLinux(argv: string[]): Promise<number | undefined> {
  const wanted = `${argv.join("\0")}\0`;
  const found = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = await readFile(`/proc/${name}/cmdline`, "utf8");
      if (line !== wanted && !line.endsWith(`\0${wanted}`)) continue;
      const stat = await readFile(`/proc/${name}/stat`, "utf8");
      found.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended while we looked, or it is not ours to see.
    }
  }
  return eldest(found);
}

async function findElsewhere(argv: string[]): Promise<number | undefined> {
  const { stdout } = await promisify(execFile)("ps", ["-axww", "-o", "pid=,ppid=,command="], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const wanted = argv.join(" ");
  const found = new Map<number, number>();
  for (const line of stdout.split("\n")) {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*?)\s*$/.exec(line) ?? [];
    if (command === wanted || command?.endsWith(` ${wanted}`)) found.set(Number(pid), Number(parent));
  }
  return eldest(found);
}

/** A server's children may carry its arguments for a moment: of pid → parent, the one whose parent is not among them. */
export async function eldest(found: Map<number, number>): Promise<number | undefined> {
  for (const [pid, parent] of found) {
    if (!found.has(parent) && (await startOf(pid)) !== undefined) return pid;
  }
  return undefined;
}
