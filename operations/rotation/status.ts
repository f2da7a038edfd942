import type { Vault } from "../../clients/vault.ts";
import type { RotationModel, Secret } from "../../model/model.ts";
import type { Candidate } from "./fleet.ts";
import { isOpen, isRetired, isUnderWay, type Journal, owed, type Past, pastOf } from "./journal.ts";
import { type JournalError, readJournal, unreadable } from "./journal-store.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { type Facts, leakedBack, type Standing, standingOf } from "./schedule.ts";

/** A secret, where it stands, and its journal. */
export interface Status {
  secret: Secret;
  standing: Standing;
  /** Latest version of the source; 0 where there is none. */
  version: number;
  journal?: Journal;
  /** Why its journal cannot be read: nothing is done with it then. */
  error?: JournalError;
}

interface Reading {
  /** Logged in as a role that reads journals and the metadata of sources; it sees no value. */
  vault: Vault;
  model: RotationModel;
}

/** Reads that are under way at once. */
const atOnce = 16;

/**
 * Where secrets stand, in their order; a retired one while its rotation has not ended, as both of its values live until
 * then. Reads metadata and journals, never a value.
 * @throws VaultError, VaultUnreachableError
 */
export async function statusOf(reading: Reading, secrets: readonly Secret[], now: Date): Promise<Status[]> {
  const found = await eachOf(secrets, (secret) =>
    oneStatus(reading, secret, now).catch((error) => ({ secret, version: 0, ...unreadable(secret, error) })),
  );
  return found.filter(
    ({ secret, journal, error }: Status) => !isRetired(secret, journal) || error !== undefined,
  );
}

/** Reads something of each of them, in their order, some at once. */
export async function eachOf<Item, T>(
  items: readonly Item[],
  read: (item: Item) => Promise<T>,
): Promise<T[]> {
  const found: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) found[index] = await read(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return found;
}

/** Where one secret stands. @throws JournalError, VaultError, VaultUnreachableError */
export async function oneStatus(reading: Reading, secret: Secret, now: Date): Promise<Status> {
  const { model } = reading;
  const [source, { journal }] = await Promise.all([
    versionsOf(reading, secret.source),
    readJournal(reading, secret),
  ]);
  const facts: Facts = { ...source, ...(journal !== undefined && { journal }) };
  const standing = standingOf(secret, facts, model.rotation, now);
  return { secret, standing, version: facts.version, ...(journal !== undefined && { journal }) };
}

async function versionsOf(
  { vault, model }: Reading,
  path: string,
): Promise<Pick<Facts, "version" | "versions">> {
  const metadata = await vault.read<{
    current_version: number;
    versions: Record<string, { created_time: string; deletion_time: string; destroyed: boolean }>;
  }>(`${model.vault.mounts.kv}/metadata/${path}`);
  if (metadata === undefined) return { version: 0, versions: {} };
  const latest = metadata.versions[String(metadata.current_version)];
  const gone = latest !== undefined && (latest.destroyed || latest.deletion_time !== "");
  const versions = Object.entries(metadata.versions).map(([version, { created_time }]) => [
    version,
    new Date(created_time),
  ]);
  return { version: gone ? 0 : metadata.current_version, versions: Object.fromEntries(versions) };
}

/** The rotations of a secret that have ended, newest first. */
export function historyOf(journal: Journal | undefined): Past[] {
  if (journal === undefined) return [];
  return isUnderWay(journal) ? journal.history : [pastOf(journal), ...journal.history];
}

/** What is to be rotated. */
export type Wanted =
  | { what: "due" }
  /** By name or all of them, whether due or not. */
  | { what: "these"; reason: Exclude<Reason, "first"> }
  /** What is under way, and nothing else; by name also what waits for a time that has not come. */
  | { what: "under way"; isNamed?: boolean };

/** Whether something was asked for by its name, and is looked at whatever it waits for. */
export function isByName(wanted: Wanted): boolean {
  return wanted.what === "these" || (wanted.what === "under way" && wanted.isNamed === true);
}

/**
 * The reason with which something begins that owes no other rotation: what may have leaked stays urgent when it came back, also
 * for whoever names it and gives no reason.
 */
export function reasonOf(
  status: Pick<Status, "version" | "journal">,
  wanted: Wanted,
): Exclude<Reason, "first"> {
  const asked = wanted.what === "these" ? wanted.reason : "scheduled";
  return asked === "scheduled" ? (leakedBack(status) ?? asked) : asked;
}

/** A secret that a machine does not rotate now, and what a person can do. */
export interface Left {
  secret: string;
  why: string;
}

/**
 * What can begin or go on now. Pure.
 * @param states where the secrets stand
 * @returns candidates for the fleet; under `left` whatever was asked for and cannot
 */
export function candidatesOf(
  states: readonly Status[],
  wanted: Wanted,
  jitter: number,
  now: Date,
): { candidates: Candidate[]; left: Left[] } {
  const candidates: Candidate[] = [];
  const left: Left[] = [];
  for (const status of states) {
    const { secret, standing, journal, error } = status;
    if (error !== undefined || isRetired(secret, journal)) continue;
    const follows = owed(journal);
    const underWay = journal !== undefined && isOpen(journal);
    const why = underWay ? undefined : notNow(status, wanted);
    if (why === "not asked for") continue;
    if (why !== undefined) {
      left.push({ secret: secret.id, why });
      continue;
    }
    // Time has to pass, and a run now would only say so again; a compromise waits for nothing.
    const urgent = follows !== undefined || isShort(reasonOf(status, wanted));
    const until = standing.until;
    if (underWay && !isByName(wanted) && until !== undefined && until > now) continue;
    if (wanted.what === "under way" && !underWay) continue;
    const since = underWay ? (until ?? new Date(journal.since)) : (standing.due ?? now);
    candidates.push({
      secret: secret.id,
      services: secret.consumers.filter(({ kind }) => kind === "service").map(({ id }) => id),
      ...(secret.provider?.api === true && { provider: secret.provider.name }),
      since: since < now ? since : now,
      ...latest(standing, jitter),
      urgent,
      underWay,
    });
  }
  return { candidates, left };
}

/** What is due at once is spread over the jitter once more, but begins before its bound. */
function latest({ due, bound }: Standing, jitter: number): { latest?: Date } {
  if (due === undefined) return {};
  const spread = new Date(due.getTime() + jitter * 1000);
  return { latest: bound !== undefined && bound < spread ? bound : spread };
}

/** Why a secret that is not under way does not begin; undefined when it does. */
function notNow(status: Status, wanted: Wanted): string | undefined {
  const { secret, standing, version } = status;
  // Where there is a value, plain `set` would replace it unprobed and ask nobody to revoke it.
  const why = reasonOf(status, wanted);
  const reason = isShort(why) ? ` --reason ${why}` : "";
  const byHand = `${secret.owner} makes it: keyplane set ${secret.id}${version === 0 ? "" : ` --rotate${reason}`}`;
  const isFirst = standing.state === "no value" && secret.generator.by === "machine";
  if (wanted.what === "under way") return "not asked for";
  if (wanted.what === "due") {
    if (isFirst || standing.state === "due" || standing.state === "overdue") return undefined;
    if (standing.state === "by hand" && standing.lateness !== "on time")
      return `${standing.lateness}; ${byHand}`;
    if (
      standing.state === "held back" ||
      (standing.state === "not here" && standing.lateness !== "on time")
    ) {
      return standing.why;
    }
    return "not asked for";
  }
  if (secret.rotate.by === "hand") return byHand;
  if (standing.state === "no value" && !isFirst) return standing.why;
  return standing.state === "not here" ? standing.why : undefined;
}
