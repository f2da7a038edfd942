import type { Consumer } from "../../model/model.ts";
import { callerIn } from "../audit/caller.ts";
import { type AuditLines, auditLinesSince } from "../audit/files.ts";
import { normalise } from "../audit/normalise.ts";
import { jobLasts } from "./overlap.ts";
import type { Idleness, RotatorContext } from "./rotator.ts";

/** Whoever reads a path for others: what they read, they deliver, and its sinks say who runs it. */
const deliverers = new Set(["keyplane.rotate", "root"]);

/** A consumer's path, and since when its latest version is there. */
interface Watched {
  consumer: Consumer;
  since: Date;
  /** Names of the roles by which the consumer logs in; of a CI job they are not asked for. */
  roles: string[];
  /** Milliseconds after which a token of the consumer that was not heard of is dead. */
  tokenLasts: number;
  readers: Map<string, Reader>;
}

/** One token that read a consumer's path. */
interface Reader {
  who: string;
  address: string;
  lastRead: Date;
  lastSeen: Date;
  isRevoked: boolean;
}

/**
 * Whether Vault's audit shows somebody who still holds the old value: each token that read a consumer's path has to have
 * read its latest version, or to be dead. A consumer that nobody has read the latest version for proves nothing: it may
 * read files that somebody else writes.
 */
export async function auditIdle(context: RotatorContext): Promise<Idleness> {
  const { model, signal } = context;
  // A retired secret's last rotation.
  if (context.secret.consumers.length === 0) return { state: "idle", evidence: "nobody is given it" };
  const watched = await watchedOf(context);
  const files = model.vault.audit.flatMap(({ type, options }) => {
    const path = options.file_path ?? options.path;
    return type === "file" && path !== undefined ? [path] : [];
  });
  let why =
    files.length === 0
      ? `Vault in ${model.environment} has no audit device of type file: name another idle source`
      : `${files.join(" and ")} cannot be read here: run the rotation where Vault's audit file is, or name another idle source`;
  for (const file of files) {
    signal.throwIfAborted();
    const others = files.filter((other) => other !== file);
    const lacks = await readInto(watched, file, { others, signal });
    if (lacks === undefined) return judged(context, [...watched.values()]);
    if (lacks !== "unreadable") why = lacks;
  }
  return { state: "unknown", why };
}

/** By Vault's path of each consumer that has a value. */
async function watchedOf(context: RotatorContext): Promise<Map<string, Watched>> {
  const { model, secret, signal } = context;
  const roles = [...model.appRoles, ...model.kubernetesRoles];
  const found = new Map<string, Watched>();
  for (const consumer of secret.consumers) {
    signal.throwIfAborted();
    const since = await writtenAt(context, consumer);
    if (since === undefined) continue;
    const own = roles.filter(({ service }) => service === consumer.id);
    found.set(`${model.vault.mounts.kv}/data/${consumer.path}`, {
      consumer,
      since,
      roles: own.map(({ name }) => name),
      tokenLasts: Math.max(jobLasts, ...own.map(({ ttl }) => ttl)) * 1000,
      readers: new Map(),
    });
  }
  return found;
}

async function writtenAt({ vault, model }: RotatorContext, { path }: Consumer): Promise<Date | undefined> {
  const metadata = await vault.read<{
    current_version: number;
    versions: Record<string, { created_time: string }>;
  }>(`${model.vault.mounts.kv}/metadata/${path}`);
  const time = metadata?.versions[String(metadata.current_version)]?.created_time;
  return time === undefined ? undefined : new Date(time);
}

/** A token of ours lives a day at most (R13): who has read the old version and lives has read it since then. */
const longestToken = 86_400_000;

/** Reads a file with what was rotated away from it. @returns what is lacking, in words; undefined where nothing is */
async function readInto(
  watched: Map<string, Watched>,
  file: string,
  { others, signal }: { others: string[]; signal: AbortSignal },
): Promise<string | undefined> {
  const first = new Date(Math.min(...[...watched.values()].map(({ since }) => since.getTime())));
  try {
    for (let tries = 1; ; tries++) {
      const since = new Date(first.getTime() - longestToken);
      const audited = await auditLinesSince(file, since, { others, signal });
      if (watched.size > 0 && (audited.from === undefined || audited.from >= first)) {
        return (
          `${file} and what was rotated away from it begin at ${audited.from?.toISOString() ?? "no time"}, after the new ` +
          `version was written (${first.toISOString()}): keep rotated audit files for longer than the overlap, or name another idle source`
        );
      }
      for (const { readers } of watched.values()) readers.clear();
      await noteReaders(watched, audited);
      if (!(await audited.hasMoved())) return undefined;
      if (tries === 3) return `${file} was rotated away while it was read: it is read again`;
    }
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EACCES" || code === "EISDIR" || code === "ENOTDIR")
      return "unreadable";
    throw error;
  }
}

async function noteReaders(watched: Map<string, Watched>, audited: AuditLines): Promise<void> {
  const known = new Map<string, Reader[]>();
  for await (const line of audited.lines()) {
    // Parsing is what costs; nearly every line is about something else.
    const token = /"client_token_accessor":"([^"]+)"/.exec(line)?.[1];
    const isAbout = [...watched.keys()].some((path) => line.includes(path));
    if (!isAbout && !(token === undefined ? known.size > 0 : known.has(token))) continue;
    const entry = normalise(line);
    const caller = entry && callerIn(line);
    if (entry === undefined || caller === undefined) continue;
    const time = new Date(entry.time);
    for (const reader of known.get(caller.key) ?? []) {
      reader.lastSeen = time;
      reader.isRevoked ||= entry.path === "auth/token/revoke-self" && entry.outcome === "allowed";
    }
    const place = watched.get(entry.path);
    if (place === undefined || entry.action !== "read" || entry.outcome !== "allowed") continue;
    if (deliverers.has(entry.who)) continue;
    const { who } = entry;
    const reader = place.readers.get(caller.key) ?? {
      who,
      address: caller.address,
      lastRead: time,
      lastSeen: time,
      isRevoked: false,
    };
    reader.lastRead = time;
    if (!place.readers.has(caller.key)) known.set(caller.key, [...(known.get(caller.key) ?? []), reader]);
    place.readers.set(caller.key, reader);
  }
}

function judged(context: RotatorContext, watched: Watched[]): Idleness {
  const by = new Set<string>();
  const unseen: string[] = [];
  const count = { current: 0, behind: 0, gone: 0 };
  for (const { consumer, since, roles, tokenLasts, readers } of watched) {
    const silent = new Date(context.now().getTime() - tokenLasts);
    let isSeen = consumer.kind === "ci";
    for (const { who, address, lastRead, lastSeen, isRevoked } of readers.values()) {
      if (lastRead >= since) {
        count.current++;
        isSeen ||= roles.includes(who);
      } else if (isRevoked || lastSeen <= silent) count.gone++;
      else {
        count.behind++;
        const from = address === "" ? "" : ` at ${address}`;
        by.add(`${consumer.id} (${who}${from} read it last at ${lastRead.toISOString()})`);
      }
    }
    if (!isSeen) unseen.push(`${consumer.id} (since ${since.toISOString()})`);
  }
  const { current, behind, gone } = count;
  const evidence =
    `Vault's audit: ${current} reader${current === 1 ? "" : "s"} of the latest versions, ${behind} of older ones alone` +
    (gone === 0 ? "" : `, ${gone} of older ones whose token is dead`);
  if (by.size > 0) return { state: "in use", by: [...by].sort(), evidence };
  if (unseen.length === 0) return { state: "idle", evidence };
  return {
    state: "unknown",
    why:
      `Vault's audit shows no read of the new version by ${unseen.join(", ")}: a service that reads Vault itself does so when it ` +
      "starts again (`keyplane run`, Vault Agent, the operator); for one that is fed by files name another idle source " +
      "(idle: sinks, a metric, or none)",
  };
}
