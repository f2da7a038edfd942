import type { Service } from "../../model/model.ts";
import type { Host, Process } from "./host.ts";
import type { Section } from "./manifest.ts";
import { wasRead } from "./owned-file.ts";
import { DeliveryError, type Running } from "./sink.ts";

/** What is known of a service on its host, for `runningOf`. */
export interface Observed {
  service: Service;
  host: Host;
  section: Section | undefined;
  /** Paths of the files that carry a secret, and whether another service reads the same ones. */
  filesOf(secret: string): { path: string; shared: boolean }[];
}

/** Milliseconds by which a process may seem to have started earlier than it did, on Linux; see `startTimeOf`. */
const tolerance = 40;

/**
 * Whether a service runs so new a version of a secret, by what its host shows: a process that restarts must have
 * started after the file was there; one that watches or is signalled must have read it, and run still.
 */
export async function runningOf(observed: Observed, secret: string, version: number): Promise<Running> {
  const { service, section } = observed;
  const held = section?.secrets[secret];
  const process = await processOf(observed);
  if (held === undefined || held.version < version) {
    const known = "unknown" in process ? {} : { isDown: "down" in process };
    return { state: "behind", version: held?.version, why: "its files do not hold it yet", ...known };
  }
  if ("down" in process) return { state: "behind", version: undefined, why: process.down, isDown: true };
  if (service.reload === "restart") return restarted(process, held.since, held.version);
  const seen = await readAgain(observed, secret, held.version);
  return seen.state === "behind" && "started" in process ? { ...seen, isDown: false } : seen;
}

type Unknown = { unknown: string };

async function processOf({ host, service }: Observed): Promise<Process | Unknown> {
  try {
    return await host.processOf(service);
  } catch (error) {
    if (error instanceof DeliveryError) return { unknown: error.message };
    throw error;
  }
}

function restarted(
  process: Exclude<Process, { down: string }> | Unknown,
  since: string,
  version: number,
): Running {
  if ("unknown" in process) return { state: "unobservable", why: process.unknown, mayBeSeen: true };
  const { started } = process;
  if (started.getTime() + tolerance >= Date.parse(since)) {
    return {
      state: "runs",
      version,
      how: `started at ${started.toISOString()}, after its files were written`,
    };
  }
  const why = `it has run since ${started.toISOString()}; its files were written at ${since}`;
  return { state: "behind", version: undefined, why, isDown: false };
}

async function readAgain(observed: Observed, secret: string, version: number): Promise<Running> {
  const files = observed.filesOf(secret);
  const own = files.filter(({ shared }) => !shared);
  if (own.length === 0) {
    return { state: "unobservable", why: "other services read the same files, so nobody sees who did" };
  }
  for (const { path } of own) {
    const read = await wasRead(path);
    if (read === undefined) {
      return { state: "unobservable", why: `the file system of ${path} keeps no access times (noatime)` };
    }
    if (!read)
      return { state: "behind", version: undefined, why: `it has not read ${path} since it was written` };
  }
  return { state: "runs", version, how: `has read ${own.map(({ path }) => path).join(", ")} since` };
}
