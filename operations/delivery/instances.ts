import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { asWritten, type KnownAs } from "../../model/kept-names.ts";
import { startOf } from "../process-identity.ts";
import { Folder } from "./folder.ts";
import { LogMark } from "./log-mark.ts";
import { placeFiles, wasRead } from "./owned-file.ts";
import { ownUid } from "./owner.ts";
import type { Running } from "./sink.ts";

/** What one `keyplane run` says of its service: processes and versions, never a value. */
export interface Instance {
  /** The id that a rename keeps, of the service and of its secrets. */
  service: string;
  /** The supervisor, and when it started in the form of `startOf`: a pid alone is given out again. */
  pid: number;
  started: string;
  /** The service's own process; absent before it is started, and while it is started again. */
  child?: { pid: number; started: string } | undefined;
  /** Secret id → version of the service's own path that it was started with, or that its files hold since. */
  versions: Record<string, number>;
  /** Secret id → its files, of a service that reads them again while it runs; it has a version once it has read them. */
  files?: Record<string, string[]> | undefined;
  /** The one among them that holds variables: what runs cannot be given others. */
  envFile?: string | undefined;
  /** Secret id → how far its log was before it got that version, where the catalogue names a log. */
  logs?: Record<string, LogMark> | undefined;
  /** Folder of its files, removed at its end. */
  folder?: string | undefined;
  /** Why it is not up to date, where it knows; no value. */
  problem?: string | undefined;
}

/** One that was found, with the folder of its description. */
export interface SeenInstance extends Instance {
  runs: string;
}

const Process = z.object({ pid: z.number(), started: z.string() });
const Instance = z.extend(Process, {
  service: z.string(),
  child: z.optional(Process),
  versions: z.record(z.string(), z.number()),
  files: z.optional(z.record(z.string(), z.array(z.string()))),
  envFile: z.optional(z.string()),
  logs: z.optional(z.record(z.string(), LogMark)),
  folder: z.optional(z.string()),
  problem: z.optional(z.string()),
});

/** Name of the file in which an instance is described. */
function fileOf({ service, pid }: Pick<Instance, "service" | "pid">): string {
  return `${service.replace("/", ".")}.${pid}.json`;
}

/** Touched to make an instance look for new values now rather than at its next turn. */
export function pokeFile(instance: Pick<Instance, "service" | "pid">): string {
  return `${fileOf(instance)}.poke`;
}

/** Makes an instance look now. Its folder may be another user's, who may also have moved it: no link is followed. */
export async function pokeInstance(instance: SeenInstance): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    await using folder = await Folder.open(instance.runs);
    const file = await folder.open(pokeFile(instance), flags, 0o600);
    try {
      const now = new Date();
      await file.utimes(now, now);
    } finally {
      await file.close();
    }
  } catch {
    // It looks when its turn comes.
  }
}

/** Writes what an instance runs, readable by its owner alone. */
export async function describeInstance(runs: string, instance: Instance): Promise<void> {
  await mkdir(runs, { recursive: true, mode: 0o700 });
  const content = `${JSON.stringify(instance, undefined, 2)}\n`;
  await using folder = await Folder.open(runs);
  await placeFiles(folder, [{ name: fileOf(instance), content, owner: { uid: ownUid() } }]);
}

export async function forgetInstance(
  runs: string,
  instance: Pick<Instance, "service" | "pid">,
): Promise<void> {
  for (const name of [fileOf(instance), pokeFile(instance)]) await rm(join(runs, name), { force: true });
}

/** Every instance that was ever described here and not forgotten, dead ones included. */
export async function describedInstances(runs: string): Promise<Instance[]> {
  const owners = [(await lstat(runs).catch(() => undefined))?.uid, ownUid()];
  const names = await readdir(runs).catch(() => []);
  const found: Instance[] = [];
  for (const name of names.filter((each) => each.endsWith(".json"))) {
    try {
      const text = await readDescription(join(runs, name), owners);
      if (text !== undefined) found.push(Instance.parse(JSON.parse(text)));
    } catch {
      // It ended while we looked, or is no description.
    }
  }
  return found;
}

/** Bytes of a description, at most: a service has tens of secrets. */
const largest = 2 ** 20;

/** Its folder may be another user's, who holds up nobody: no link is followed, no pipe waited for, no more read than one has. */
async function readDescription(path: string, owners: (number | undefined)[]): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    const { uid, size } = stats;
    if (!stats.isFile() || !owners.includes(uid) || size > largest) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * The instances of a service whose supervisor is alive, with their secrets by the ids that a rename keeps. One of an older version
 * goes on under the name of its service that it began with.
 */
export async function instancesOf(
  folders: string | readonly string[],
  service: string,
  known = asWritten,
): Promise<SeenInstance[]> {
  const alive: SeenInstance[] = [];
  const described = [folders].flat().map(async (runs) => {
    return (await describedInstances(runs)).map((instance) => ({ ...instance, runs }));
  });
  for (const instance of (await Promise.all(described)).flat()) {
    if (known.service(instance.service) !== service) continue;
    if ((await startOf(instance.pid)) !== instance.started) continue;
    const { versions, files } = instance;
    alive.push({
      ...instance,
      versions: underKept(versions, known),
      ...(files !== undefined && { files: underKept(files, known) }),
    });
  }
  return alive;
}

function underKept<T>(bySecret: Record<string, T>, known: KnownAs): Record<string, T> {
  return Object.fromEntries(Object.entries(bySecret).map(([secret, one]) => [known.secret(secret), one]));
}

const unlessRead =
  "and the variables that it started with hold the value before: let it read the file that KEYPLANE_ENV_FILE names, " +
  "or give it `reload: restart`";

/** Whether every one of a service's instances runs so new a version; names the one that does not. */
export async function runningInstances(
  instances: Instance[],
  secret: string,
  version: number,
): Promise<Running> {
  let least = Number.POSITIVE_INFINITY;
  for (const { pid, child, versions, files, envFile, problem } of instances) {
    const has = versions[secret];
    const who = `keyplane run, process ${pid}`;
    if (has === undefined || has < version) {
      const why = `${who} has ${has === undefined ? "none of it" : `version ${has}`}`;
      return { state: "behind", version: has, why: problem === undefined ? why : `${why}: ${problem}` };
    }
    if (child === undefined) {
      return { state: "behind", version: undefined, why: `${who} is starting the service` };
    }
    for (const path of files?.[secret] ?? []) {
      const read = await wasRead(path);
      if (read === undefined) {
        return { state: "unobservable", why: `the file system of ${path} keeps no access times (noatime)` };
      }
      if (!read) {
        const unread = `the service of ${who} has not read ${path} since it was written`;
        return {
          state: "behind",
          version: undefined,
          why: path === envFile ? `${unread}, ${unlessRead}` : unread,
        };
      }
    }
    least = Math.min(least, has);
  }
  const pids = instances.map(({ pid }) => pid).join(", ");
  return { state: "runs", version: least, how: `keyplane run, process ${pids}` };
}

/** How far the log that instances share was before the last of them got what it has of a secret; undefined where one does not say. */
export function logMarkAmong(instances: Instance[], secret: string): LogMark | undefined {
  const [first, ...others] = instances.map(({ logs }) => logs?.[secret]);
  return others.reduce((last, mark) => {
    if (last === undefined || mark === undefined) return undefined;
    return mark.inode === last.inode && mark.position < last.position ? last : mark;
  }, first);
}
