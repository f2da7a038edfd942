import type { Vault } from "../../clients/vault.ts";
import type { RotationModel, StoredCiphertext } from "../../model/model.ts";
import { inWords } from "../errors.ts";
import type { Report } from "../progress.ts";
import { readFields } from "../values/kv.ts";
import { isUnderWay, type Journal } from "./journal.ts";
import type { KeyStatus } from "./key-status.ts";
import { type Census, type Counted, census } from "./re-encryption/census.ts";
import { nameOf } from "./re-encryption/column.ts";
import { eachColumn } from "./re-encryption/columns.ts";
import { FernetKey } from "./re-encryption/fernet.ts";
import { transitCensus } from "./re-encryption/transit-ciphertext.ts";
import type { Reach } from "./rotator.ts";
import { after } from "./schedule.ts";
import type { Status } from "./status.ts";

/** What a version of an encryption key is for: `kept` is given to nobody, and there for backups. */
export type Use = "encrypts" | "decrypts" | "refused" | "kept" | "gone";

/** One version of an encryption key before its ciphertext is counted. */
export interface Version {
  version: number;
  made?: Date;
  use: Use;
  /** Nothing deletes it before. */
  keptUntil?: Date;
}

/** A version, what is stored under it, and why it may not be retired. */
export interface CountedVersion extends Version {
  /** Rows of all columns; undefined where they could not be counted. */
  rows?: number;
  /** In words; empty where nothing forbids it. */
  forbids: string[];
}

/** How much is stored under which version of an encryption key (R62), newest version first. */
export interface KeyCensus {
  versions: CountedVersion[];
  /** By column, e.g. { v3: 120, v2: 3, none: 0 }; `none` is under no version that is known. Empty where not counted. */
  columns: Census[];
  /** Why rows could not be counted, as an error says it. */
  unknown?: { why: string; error: unknown };
  /** What is not as it should be: rows that nobody can decrypt, or that are not encrypted with this key. */
  findings: string[];
}

/** What counting needs: a role that rotates, since no other reads the columns. */
export interface Counting {
  vault: Vault;
  model: RotationModel;
  reach: Pick<Reach, "manage">;
  report: Report;
  signal: AbortSignal;
}

/** The census of a transit key, from its real columns. Changes nothing. @throws VaultError, VaultUnreachableError */
export async function censusOfKey(counting: Counting, status: KeyStatus, now: Date): Promise<KeyCensus> {
  const { key, journal } = status;
  const counted = await counts(counting, key, (seen) => transitCensus({ ...counting, seen }, key));
  return censusOf(transitVersions(status), counted, { ...key, journal }, now);
}

/**
 * The census of a key that services encrypt with in process: the signature of each token is tried with the keys that the
 * source still holds, in memory. Changes nothing. @throws VaultError, VaultUnreachableError
 */
export async function censusOfFernet(counting: Counting, status: Status, now: Date): Promise<KeyCensus> {
  const { secret, journal } = status;
  const { signal } = counting;
  const { versions, keys } = await fernetVersions(counting, status);
  const judge = (token: string) => {
    const found = keys.find(([, key]) => key.made(token));
    return found === undefined ? "none" : `v${found[0]}`;
  };
  const counted = await counts(counting, secret, async (seen) => {
    const found: Census[] = [];
    await eachColumn(counting, secret.stored, async (column, place) => {
      found.push({ column: place, rows: await census(column, judge, { signal, seen }) });
    });
    return found;
  });
  return censusOf(versions, counted, { stored: secret.stored, journal }, now);
}

type Rows = Pick<KeyCensus, "columns" | "unknown">;

/** Counts; what keeps it from counting is told and not thrown, since the rest of the status is known. */
async function counts(
  { report, signal }: Counting,
  { id, stored }: { id: string; stored: StoredCiphertext[] },
  count: (seen: (counted: Counted) => void) => Promise<Census[]>,
): Promise<Rows> {
  if (stored.length === 0) return { columns: [] };
  const seen = ({ column, rows }: Counted) =>
    report({ subject: id, state: "progress", text: `${column}: ${rows.toLocaleString("en")} rows counted` });
  try {
    return { columns: await count(seen) };
  } catch (error) {
    signal.throwIfAborted();
    return { columns: [], unknown: { why: inWords(error), error } };
  }
}

/** The versions of a transit key that are there, newest first. Pure. */
export function transitVersions({ key, versions, journal }: Omit<KeyStatus, "standing">): Version[] {
  if (versions === undefined) return [];
  const { latest, decrypts, available, made } = versions;
  const underWay = isUnderWay(journal) ? journal : undefined;
  // What a rotation under way leaves behind counts from its own version; the engine's keptUntil.
  const successor = (version: number) =>
    underWay?.to !== undefined && version < underWay.to ? underWay.to : latest;
  const found: Version[] = [];
  for (let version = latest; version >= available; version--) {
    const since = made.get(version);
    const superseded = version === latest ? undefined : made.get(successor(version));
    const isCut = underWay?.destroysOld === true;
    found.push({
      version,
      use: version === latest ? "encrypts" : version >= decrypts ? "decrypts" : "refused",
      ...(since !== undefined && { made: since }),
      ...(superseded !== undefined && !isCut && { keptUntil: after(superseded, key.retain) }),
    });
  }
  return found;
}

interface Metadata {
  versions: Record<string, { created_time: string; deletion_time: string; destroyed: boolean }>;
}

/** The keys that a source still holds, each by the newest version that has it. */
async function fernetVersions(
  { vault, model }: Counting,
  { secret, version: latest, journal }: Status,
): Promise<{ versions: Version[]; keys: [number, FernetKey][] }> {
  const { kv } = model.vault.mounts;
  const metadata = await vault.read<Metadata>(`${kv}/metadata/${secret.source}`);
  const live = Object.entries(metadata?.versions ?? {})
    .filter(([, { destroyed, deletion_time }]) => !destroyed && deletion_time === "")
    .map(([version, { created_time }]) => ({ version: Number(version), made: new Date(created_time) }))
    .toSorted((a, b) => b.version - a.version);
  const versions: Version[] = [];
  const keys: [number, FernetKey][] = [];
  const known = new Set<string>();
  for (const { version, made } of live) {
    const key = (await readFields(vault, kv, secret.source, version))?.key;
    if (key === undefined || known.has(key)) continue;
    known.add(key);
    keys.push([version, new FernetKey(key)]);
    versions.push({ version, made, ...fernetUse(version, latest, journal, secret.rotate.overlap) });
  }
  return { versions, keys };
}

/** What a source's version is for, by its rotation's journal. Pure. */
export function fernetUse(
  version: number,
  latest: number,
  journal: Journal | undefined,
  overlap: number,
): Pick<Version, "use" | "keptUntil"> {
  const underWay = isUnderWay(journal) ? journal : undefined;
  const kept = journal?.kept?.find((one) => one.version === version);
  // Until the signers have the new one, the one before encrypts.
  const encrypts = underWay !== undefined && underWay.switchedAt === undefined ? underWay.from : latest;
  if (version === encrypts) return { use: "encrypts" };
  if (kept !== undefined) return { use: "kept", keptUntil: new Date(kept.until) };
  const switched = underWay?.switchedAt;
  if (underWay?.from === version && switched !== undefined && underWay.destroysOld !== true) {
    return { use: "decrypts", keptUntil: after(new Date(switched), overlap) };
  }
  return { use: underWay === undefined && version !== latest ? "kept" : "decrypts" };
}

/** Versions with their rows, why each may not go, and what is not as it should be. Pure. */
export function censusOf(
  versions: readonly Version[],
  { columns, unknown }: Rows,
  { stored, journal }: { stored: StoredCiphertext[]; journal: Journal | undefined },
  now: Date,
): KeyCensus {
  const isCounted = stored.length > 0 && unknown === undefined;
  const of = (version: number) => sum(columns, `v${version}`);
  const there = new Set(versions.map(({ version }) => version));
  const gone = namesIn(columns)
    .filter((version) => !there.has(version))
    .map((version): Version => ({ version, use: "gone" }));
  const all = [...versions, ...gone].toSorted((a, b) => b.version - a.version);
  const counted = all.map((one): CountedVersion => {
    const rows = isCounted ? of(one.version) : undefined;
    return {
      ...one,
      ...(rows !== undefined && { rows }),
      forbids: forbidding(one, rows, stored, journal, now),
    };
  });
  return {
    versions: counted,
    columns,
    ...(unknown !== undefined && { unknown }),
    findings: findingsOf(counted, columns),
  };
}

function forbidding(
  { use, keptUntil }: Version,
  rows: number | undefined,
  stored: StoredCiphertext[],
  journal: Journal | undefined,
  now: Date,
): string[] {
  if (use === "gone") return [];
  if (use === "encrypts") return ["it encrypts"];
  const forbids: string[] = [];
  if (rows !== undefined && rows > 0) forbids.push(`${inRows(rows)} under it`);
  if (stored.length === 0)
    forbids.push("the catalogue names no stored ciphertext, so nothing shows that nobody needs it");
  else if (rows === undefined) forbids.push("whether a row needs it is not known");
  if (keptUntil !== undefined && keptUntil > now) forbids.push(`kept until ${keptUntil.toISOString()}`);
  if (
    journal !== undefined &&
    isUnderWay(journal) &&
    journal.state !== "revoke" &&
    journal.state !== "verify"
  )
    forbids.push(`its rotation is at ${journal.state}`);
  return forbids;
}

function findingsOf(versions: readonly CountedVersion[], columns: readonly Census[]): string[] {
  const unread = versions.flatMap(({ version, use, rows = 0 }) => {
    if (rows === 0 || use === "encrypts" || use === "decrypts") return [];
    const why = use === "gone" ? "is gone" : use === "kept" ? "nobody is given" : "Vault refuses";
    return [`${inRows(rows)} under version ${version}, which ${why}: no service can read them`];
  });
  const odd = columns.flatMap(({ column, rows }) =>
    (rows.none ?? 0) > 0
      ? [`${nameOf(column)}: ${inRows(rows.none ?? 0)} under no version of this key, or not encrypted`]
      : [],
  );
  return [...unread, ...odd];
}

function sum(columns: readonly Census[], name: string): number {
  return columns.reduce((total, { rows }) => total + (rows[name] ?? 0), 0);
}

/** Versions under which something is stored. */
function namesIn(columns: readonly Census[]): number[] {
  const names = columns.flatMap(({ rows }) => Object.keys(rows)).filter((name) => name !== "none");
  return [...new Set(names)].map((name) => Number(name.slice(1)));
}

function inRows(rows: number): string {
  return `${rows.toLocaleString("en")} ${rows === 1 ? "row is" : "rows are"}`;
}
