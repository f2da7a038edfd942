import * as z from "zod/mini";
import { type KnownAs, keptServiceId } from "../../model/kept-names.ts";
import type { Claims } from "./claims.ts";
import { LogMark } from "./log-mark.ts";
import type { Bundle } from "./sink.ts";

/**
 * What a target on a host holds, by service: names and versions, never a value. Services and secrets stand there under the ids
 * that a rename keeps.
 */
export interface Manifest {
  services: Record<string, Section>;
}

export interface Section {
  /** Secret id → what of it is there. */
  secrets: Record<string, Held>;
  /** File or variable → ids of the secrets in it. */
  entries: Record<string, string[]>;
  /** Whose the files are. */
  uid: number;
}

export interface Held {
  /** Of the service's own path. */
  version: number;
  /** When the service's path was written, by Vault's clock. */
  writtenAt: string;
  /** When this host first had it, by its own clock. */
  since: string;
  /** How far the service's log was then: what it says from there on, it says with it. Absent where that is not known. */
  log?: LogMark | undefined;
}

/** Of a file or a variable: whoever owns the folder may write the manifest too, and what it names is removed by root. */
const Entry = z.string().check(z.regex(/^(?!\.{1,2}$)[^/\\\0]+$/));

const Manifest = z.object({
  services: z.record(
    z.string(),
    z.object({
      secrets: z.record(
        z.string(),
        z.object({
          version: z.number(),
          writtenAt: z.string(),
          since: z.string(),
          log: z.optional(LogMark),
        }),
      ),
      entries: z.record(Entry, z.array(z.string())),
      uid: z.number(),
    }),
  ),
});

/**
 * An unreadable one tells nothing: the next write makes it anew.
 * @param known takes what an older version wrote to the ids that a rename keeps
 */
export function parseManifest(text: string | undefined, known: KnownAs): Manifest {
  try {
    return underKept(Manifest.parse(JSON.parse(text ?? "")), known);
  } catch {
    return { services: {} };
  }
}

/** Where a section is there under both names, what the kept one says is the later. */
function underKept({ services }: Manifest, known: KnownAs): Manifest {
  const kept: Manifest["services"] = {};
  const isKept = ([id]: [string, Section]) => known.service(id) === id;
  const all = Object.entries(services);
  for (const [id, section] of [...all.filter((one) => !isKept(one)), ...all.filter(isKept)]) {
    const before = kept[known.service(id)];
    const secrets = Object.entries(section.secrets).map(([secret, held]) => [known.secret(secret), held]);
    const entries = Object.entries(section.entries).map(([name, of]) => [name, of.map(known.secret).sort()]);
    kept[known.service(id)] = {
      secrets: { ...before?.secrets, ...Object.fromEntries(secrets) },
      entries: { ...before?.entries, ...Object.fromEntries(entries) },
      uid: section.uid,
    };
  }
  return { services: kept };
}

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** The section of a service after its bundle was written; `since` moves only with what it speaks of. */
export function sectionOf(
  bundle: Bundle,
  before: Section | undefined,
  { entries, uid }: Pick<Section, "entries" | "uid">,
  now: Date,
): Section {
  const secrets = Object.entries(bundle.writtenAt).map(([secret, writtenAt]): [string, Held] => {
    const version = bundle.versions[secret] ?? 0;
    const held = before?.secrets[secret];
    const since = held?.version === version ? held.since : now.toISOString();
    return [secret, { version, writtenAt, since }];
  });
  return { secrets: Object.fromEntries(secrets.sort()), entries: sorted(entries), uid };
}

/** The section with how far the service's log is, for every version that it did not hold before. */
export function markedSection(
  section: Section,
  before: Section | undefined,
  log: LogMark | undefined,
): Section {
  const secrets = Object.entries(section.secrets).map(([secret, held]): [string, Held] => {
    const was = before?.secrets[secret];
    const mark = was?.version === held.version ? was.log : log;
    return [secret, { ...held, ...(mark !== undefined && { log: mark }) }];
  });
  return { ...section, secrets: Object.fromEntries(secrets) };
}

/**
 * Whether another service that shares an entry has brought a later value of the same secret: that one stays. Each service
 * has a path of its own and the paths are written one after another; the later write is the newer value, also when a
 * rotation is rolled back.
 */
export function newerElsewhere(manifest: Manifest, bundle: Bundle, entry: string, secret: string): boolean {
  const own = Date.parse(bundle.writtenAt[secret] ?? "");
  return others(manifest, keptServiceId(bundle.service)).some(
    ({ entries, secrets }) =>
      entries[entry]?.includes(secret) === true && Date.parse(secrets[secret]?.writtenAt ?? "") > own,
  );
}

/**
 * The service that has an entry of the same name for something else: two systems in one folder, or a mistake. Only one
 * could be there. What the catalogue has changed meanwhile, for that service or for both, is neither: it is brought to one of
 * them first.
 */
export function foreignOwner(
  manifest: Manifest,
  claims: Claims,
  service: string,
  entry: string,
  secrets: string[],
): string | undefined {
  return Object.entries(manifest.services).find(([id, { entries }]) => {
    const there = entries[entry];
    if (id === service || there === undefined || there.join() === secrets.join()) return false;
    const claimed = claims.secrets(id, entry);
    if (claimed !== undefined) return claimed.join() !== secrets.join();
    return there.length === 0 || !there.every(claims.knows);
  })?.[0];
}

/** Names of the entries that other services have in the same place. */
export function entriesOfOthers(manifest: Manifest, service: string): Set<string> {
  return new Set(others(manifest, service).flatMap(({ entries }) => Object.keys(entries)));
}

function others({ services }: Manifest, service: string): Section[] {
  return Object.entries(services).flatMap(([id, section]) => (id === service ? [] : [section]));
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
