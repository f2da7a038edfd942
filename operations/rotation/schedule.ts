import { createHash } from "node:crypto";
import type { Seconds } from "../../model/duration.ts";
import { kinds } from "../../model/kinds.ts";
import type { RotationSettings, Secret } from "../../model/model.ts";
import { isUnderWay, type Journal, owed, type State } from "./journal.ts";
import { type Accepted, drainOf } from "./overlap.ts";
import { nameOwed, type OwedKey } from "./owed-keys.ts";

const minute: Seconds = 60;
const hour: Seconds = 3600;
const day: Seconds = 86_400;

/** What is known about a secret without reading a value: its source's metadata and its journal. */
export interface Facts {
  /** Latest version of the source; 0 where there is none. */
  version: number;
  /** When each kept version was written. */
  versions: Record<number, Date>;
  journal?: Journal;
}

/** How late a secret is: `due` may rotate, `overdue` is older than its provider or kind lets it be. */
export type Lateness = "on time" | "due" | "overdue";

export interface Standing {
  secret: string;
  /**
   * `by hand`: a person rotates it at `due`; `on compromise`: nothing but an event does; `due` also: what may have leaked is
   * in force again; `held back`: rolled back lately, tried again at `until`; `not here`: its target has no address in this
   * environment; `unreadable`: its journal is none that this version understands.
   */
  state:
    | "no value"
    | "on time"
    | "due"
    | "overdue"
    | "by hand"
    | "on compromise"
    | "under way"
    | "stuck"
    | "held back"
    | "not here"
    | "unreadable";
  lateness: Lateness;
  /** When the value in force was made. */
  last?: Date;
  due?: Date;
  /** When it is older than it may be (R15–R20). */
  bound?: Date;
  /** Its target refuses the value in force, as the last rotation has seen. */
  isRefused?: boolean;
  /** Keys that rotations could not revoke, and that may live. */
  unrevoked?: OwedKey[];
  /** What a person has to know, in words; "" where the state says it all. */
  why: string;
  /** When something can go on: of `held back`, `under way` and `stuck`. */
  until?: Date;
  step?: State;
  since?: Date;
}

/** The longest that a value may be in force: the shorter of its kind's bound and its provider's (R15–R20). */
export function boundOf({ kind, provider }: Pick<Secret, "kind" | "provider">): Seconds {
  return Math.min(kinds[kind].atMost.every, provider?.rotateWithin ?? Number.POSITIVE_INFINITY);
}

/** The part of 1 that a text falls on: the same for the same text, even over many texts. */
export function fraction(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}

/**
 * When a value made at `last` is to be replaced: after `every`, spread over `jitter` seconds (a quarter of `every` at
 * most) by a hash of the id. Where `every` leaves no room before the bound, the spread lies before it.
 */
export function dueOf(
  secret: Pick<Secret, "id" | "kind" | "provider">,
  every: Seconds,
  last: Date,
  jitter: Seconds,
): Date {
  const spread = Math.min(jitter, every / 4);
  const earliest = Math.min(every, boundOf(secret) - spread);
  return after(last, Math.max(earliest, 0) + spread * fraction(secret.id));
}

/** When the value in force was made; undefined where nobody knows or there is none. */
export function lastRotation({ version, versions, journal }: Facts): Date | undefined {
  if (version === 0) return undefined;
  if (journal === undefined || isSetSince({ version, journal })) return versions[version];
  if (journal.state === "done") return new Date(journal.startedAt);
  const before = journal.history.find(({ outcome }) => outcome === "done");
  return before !== undefined ? new Date(before.startedAt) : (versions[journal.from] ?? versions[version]);
}

/** Whether someone set a value after the last rotation. */
function isSetSince({ version, journal }: Pick<Facts, "version" | "journal">): boolean {
  return version > Math.max(journal?.from ?? 0, journal?.to ?? 0, journal?.final ?? 0);
}

/** What the last rotation said of the value in force where its target refuses that, in words. */
function refusedValue(facts: Facts): string | undefined {
  const { journal } = facts;
  return isUnderWay(journal) || isSetSince(facts) ? undefined : journal?.keptRefused;
}

/**
 * With which reason a rotation was to replace the value that is in force again: it was rolled back, nobody has asked for that,
 * and nobody has set another value since. undefined where nothing has leaked.
 */
export function leakedBack(facts: Pick<Facts, "version" | "journal">): Journal["followedBy"] {
  const { version, journal } = facts;
  if (journal?.state !== "rolled-back" || journal.abort !== undefined) return undefined;
  const { reason } = journal;
  return reason === "first" || reason === "scheduled" || isSetSince({ version, journal })
    ? undefined
    : reason;
}

/** What may live although it was to be revoked, in words; "" where nothing does. */
function owedKeys({ id, provider }: Pick<Secret, "id" | "provider">, unrevoked: OwedKey[] = []): string {
  const { here = [], elsewhere = [] } = Object.groupBy(unrevoked, (key) =>
    key.provider !== undefined && key.provider === provider?.name ? "here" : "elsewhere",
  );
  const told = (keys: OwedKey[], what: string) =>
    keys.length === 0 ? [] : [`${nameOwed(keys)} may still live: ${what}`];
  return [
    ...told(here, `\`keyplane rotate ${id}\` revokes what does`),
    ...told(elsewhere, "revoke what does there, where no rotation asks"),
  ].join("; ");
}

/**
 * Where a secret stands at a moment. Pure; a retired secret is asked about while its rotation has not ended.
 * @param settings jitter and watch, in seconds
 */
export function standingOf(
  secret: Pick<Secret, "id" | "nats" | "generator"> & Accepted,
  facts: Facts,
  settings: Pick<RotationSettings, "jitter" | "watch">,
  now: Date,
): Standing {
  const { journal } = facts;
  const last = lastRotation(facts);
  const { every, by } = secret.rotate;
  const due =
    every === undefined || last === undefined ? undefined : dueOf(secret, every, last, settings.jitter);
  const bound = due === undefined || last === undefined ? undefined : after(last, boundOf(secret));
  const lateness = latenessOf(due, bound, now);
  const refused = refusedValue(facts);
  const unrevoked = journal?.unrevoked;
  const times = { ...(last && { last }), ...(due && { due }), ...(bound && { bound }) };
  const standing = (state: Standing["state"], why: string, more: Partial<Standing> = {}): Standing => ({
    secret: secret.id,
    state,
    lateness,
    why: [why, refused ?? owedKeys(secret, unrevoked)].filter((text) => text !== "").join("; "),
    ...(refused !== undefined && { isRefused: true }),
    ...(unrevoked !== undefined && { unrevoked }),
    ...times,
    ...more,
  });

  if (journal !== undefined && isUnderWay(journal)) {
    const reason = stuckBecause(drainOf(secret), journal, settings.watch, now);
    const more = {
      step: journal.state,
      since: new Date(journal.since),
      ...(journal.notBefore !== undefined && { until: new Date(journal.notBefore) }),
    };
    const back = journal.state === "rolling-back" && journal.failure !== undefined;
    const why = [back ? `rolls back: ${journal.failure}` : "", reason ?? journal.waiting ?? ""];
    const told = why.filter((text) => text !== "").join("; ");
    return standing(reason === undefined ? "under way" : "stuck", told, more);
  }
  const follows = owed(journal);
  if (follows !== undefined) {
    return standing("due", `another rotation follows: ${follows} was told while the last one was under way`);
  }
  const until = heldBackUntil(journal, now);
  const failure = journal?.failure === undefined ? "" : `: ${journal.failure}`;
  const heldBack = until && standing("held back", `rolled back${failure}`, { until });
  if (facts.version === 0) {
    // One that only a person has is tried again by nobody else.
    const again = secret.generator.by === "machine" ? heldBack : undefined;
    return again ?? standing("no value", valueless(secret));
  }
  const leaked = leakedBack(facts);
  const inForce = `what may have leaked is in force: the rotation after a ${leaked} was rolled back${failure}`;
  if (by === "hand") {
    const undated = every === undefined ? "no due date: on compromise only" : "";
    return standing("by hand", leaked === undefined ? undated : inForce);
  }
  if (every === undefined && leaked === undefined) return standing("on compromise", "");
  const absent = absentTarget(secret);
  if (absent !== undefined) return standing("not here", absent);
  if (heldBack !== undefined && (leaked !== undefined || lateness !== "on time")) return heldBack;
  if (leaked === undefined) return standing(lateness, "");
  return standing(lateness === "on time" ? "due" : lateness, inForce);
}

function latenessOf(due: Date | undefined, bound: Date | undefined, now: Date): Lateness {
  if (due === undefined || now < due) return "on time";
  return bound !== undefined && now > bound ? "overdue" : "due";
}

function valueless({ generator }: Pick<Secret, "generator">): string {
  return generator.by !== "machine"
    ? "nobody has set it yet: keyplane set"
    : "its first value is not made yet";
}

/** Why a secret that a machine rotates cannot be rotated in this environment. */
function absentTarget({
  kind,
  provider,
  nats,
}: Pick<Secret, "kind" | "provider" | "nats">): string | undefined {
  if (provider?.api === true && provider.address === undefined) {
    return `${provider.name} has no address here: write providers.${provider.name}.address at the environment`;
  }
  return kind === "nats" && nats === undefined
    ? "it names no NATS server here: write nats at the secret"
    : undefined;
}

/**
 * After n rotations in a row that were rolled back, the next one waits an hour, two, four, … a day at most; undefined where
 * it does not or no longer.
 */
function heldBackUntil(journal: Journal | undefined, now: Date): Date | undefined {
  if (journal?.state !== "rolled-back") return undefined;
  const good = journal.history.findIndex(({ outcome }) => outcome === "done");
  const failures = 1 + (good === -1 ? journal.history.length : good);
  const until = after(new Date(journal.since), Math.min(hour * 2 ** (failures - 1), day));
  return until > now ? until : undefined;
}

/** Seconds that a state usually needs, with room for a slow target; longer is worth a look. */
function usual(state: State, drains: Seconds, watch: Seconds): Seconds {
  if (state === "observe-listeners" || state === "observe-signers") return hour;
  if (state === "watch") return watch + 15 * minute;
  if (state === "migrate") return day;
  if (state === "drain") return drains + hour;
  return 15 * minute;
}

/**
 * Why a rotation that is under way does not go on; undefined while all is well.
 * @param drains how long the old value is accepted after the switch
 */
export function stuckBecause(
  drains: Seconds,
  journal: Journal,
  watch: Seconds,
  now: Date,
): string | undefined {
  const limit = after(new Date(journal.since), usual(journal.state, drains, watch));
  const ready =
    journal.notBefore === undefined ? limit : later(limit, after(new Date(journal.notBefore), hour));
  if (now <= ready) return undefined;
  if (journal.waiting !== undefined) return journal.waiting;
  return new Date(journal.leaseUntil) < now
    ? `nobody works at it since ${journal.leaseUntil}`
    : `attempt ${journal.attempt} takes longer than usual`;
}

/** A window in which nothing begins. */
export interface Blackout {
  reason: string;
  until: Date;
}

/** The window that a moment lies in, with the end of it and of those that follow without a gap. */
export function blackoutAt(blackouts: RotationSettings["blackouts"], at: Date): Blackout | undefined {
  let found: Blackout | undefined;
  // Windows can meet: the end of one may lie in the next. A week of them never opens.
  for (let time = at, turn = 0; turn < 7 * Math.max(blackouts.length, 1) + 1; turn++) {
    const windows = blackouts.flatMap((blackout) => windowAt(blackout, time) ?? []);
    const longest = windows.toSorted((a, b) => b.until.getTime() - a.until.getTime())[0];
    if (longest === undefined) break;
    found = { reason: found?.reason ?? longest.reason, until: longest.until };
    time = longest.until;
  }
  return found;
}

function windowAt(
  { days, from, to, reason }: RotationSettings["blackouts"][number],
  at: Date,
): Blackout | undefined {
  for (const back of [0, 1]) {
    const midnight = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() - back);
    if (!days.includes(new Date(midnight).getUTCDay())) continue;
    const start = midnight + from * minute * 1000;
    const end = midnight + (to > from ? to : to + 24 * 60) * minute * 1000;
    if (at.getTime() >= start && at.getTime() < end) return { reason, until: new Date(end) };
  }
  return undefined;
}

/** A moment so many seconds after another. */
export function after(time: Date, seconds: Seconds): Date {
  return new Date(time.getTime() + Math.round(seconds * 1000));
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b;
}
