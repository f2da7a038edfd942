import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Consumer } from "../../model/model.ts";
import { type AuditEntry, normalise } from "../audit/normalise.ts";
import type { Idleness, RotatorContext } from "./rotator.ts";

/** Whoever reads a path for others: what they read, they deliver, and its sinks say who runs it. */
const deliverers = new Set(["keyplane.rotate", "root"]);

/** Milliseconds after which a CI job that read a value is over, and its token with it. */
const jobLasts = 3_600_000;

/**
 * Whether Vault's audit shows somebody who still holds the old value: who read a consumer's path before its latest version
 * was written, and has not read it since.
 */
export async function auditIdle(context: RotatorContext): Promise<Idleness> {
  const { model, secret, signal } = context;
  const written = new Map<string, Date>();
  for (const consumer of secret.consumers) {
    signal.throwIfAborted();
    const time = await writtenAt(context, consumer);
    if (time !== undefined) written.set(readPath(context, consumer), time);
  }
  const files = model.vault.audit.flatMap(({ type, options }) => {
    const path = options.file_path ?? options.path;
    return type === "file" && path !== undefined ? [path] : [];
  });
  for (const file of files) {
    const reads = await readsIn(file, written, signal);
    if (reads !== undefined) return judged(context, reads, written);
  }
  return {
    state: "unknown",
    why:
      files.length === 0
        ? `Vault in ${model.environment} has no audit device of type file: name another idle source`
        : `${files.join(" and ")} cannot be read here: run the rotation where Vault's audit file is, or name another idle source`,
  };
}

/** Who read which path last. */
type Reads = Map<string, Map<string, Date>>;

function judged(context: RotatorContext, reads: Reads, written: Map<string, Date>): Idleness {
  const by: string[] = [];
  let current = 0;
  for (const consumer of context.secret.consumers) {
    const path = readPath(context, consumer);
    const since = written.get(path);
    if (since === undefined) continue;
    for (const [who, last] of reads.get(path) ?? []) {
      if (last >= since) current++;
      else if (consumer.kind === "service" || last.getTime() > context.now().getTime() - jobLasts) {
        by.push(`${consumer.id} (${who} read it last at ${last.toISOString()})`);
      }
    }
  }
  const evidence = `Vault's audit: ${current} reader${current === 1 ? "" : "s"} of the latest versions, ${by.length} of older ones alone`;
  return by.length === 0 ? { state: "idle", evidence } : { state: "in use", by: by.sort(), evidence };
}

function readPath({ model }: RotatorContext, { path }: Consumer): string {
  return `${model.vault.mounts.kv}/data/${path}`;
}

async function writtenAt({ vault, model }: RotatorContext, { path }: Consumer): Promise<Date | undefined> {
  const metadata = await vault.read<{
    current_version: number;
    versions: Record<string, { created_time: string }>;
  }>(`${model.vault.mounts.kv}/metadata/${path}`);
  const time = metadata?.versions[String(metadata.current_version)]?.created_time;
  return time === undefined ? undefined : new Date(time);
}

/** The last allowed read of each path by each reader; undefined where the file cannot be read. */
async function readsIn(
  file: string,
  paths: ReadonlyMap<string, unknown>,
  signal: AbortSignal,
): Promise<Reads | undefined> {
  const reads: Reads = new Map();
  try {
    const lines = createInterface({ input: createReadStream(file, { signal }) });
    for await (const line of lines) {
      // Parsing is what costs; nearly every line is about something else.
      const entry = isAbout(line, paths) ? normalise(line) : undefined;
      if (entry !== undefined) note(reads, entry, paths);
    }
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EACCES" || code === "EISDIR") return undefined;
    throw error;
  }
  return reads;
}

function isAbout(line: string, paths: ReadonlyMap<string, unknown>): boolean {
  for (const path of paths.keys()) if (line.includes(path)) return true;
  return false;
}

function note(reads: Reads, entry: AuditEntry, paths: ReadonlyMap<string, unknown>): void {
  const { path, action, outcome, who, time } = entry;
  if (action !== "read" || outcome !== "allowed" || deliverers.has(who) || !paths.has(path)) return;
  const readers = reads.get(path) ?? new Map<string, Date>();
  readers.set(who, new Date(time));
  reads.set(path, readers);
}
