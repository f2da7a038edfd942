import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type SecretDescription,
  type SecretsManager,
  SecretsManagerError,
} from "../../clients/secrets-manager.ts";
import type { AwsSecret } from "../../model/aws.ts";

/** What became of a secret that Secrets Manager rotates by its own clock. */
export type Kept = { secret: string } & (
  | { state: "on time" }
  /** Its rotation is switched off. */
  | { state: "off" }
  /** Of a dry run; `asked`: not owed, and asked for. */
  | { state: "overdue"; since: Date }
  | { state: "asked" }
  | { state: "rotated"; since?: Date; version: string }
  /** What was started is not in force yet, and may never be. */
  | { state: "not in force"; since?: Date; version: string }
  /** Somebody stopped the run: what was started, if anything, may come into force by itself. */
  | { state: "stopped"; since?: Date; version?: string }
  | { state: "failed"; error: unknown }
);

/**
 * What is to be rotated: what Secrets Manager owes, or all; what has leaked twice, since two logins take turns, and the one
 * of before works until its next one.
 */
export type Asked = "overdue" | "all" | "leaked";

export interface Keeping {
  asked: Asked;
  client: Pick<SecretsManager, "describe" | "rotate">;
  now: Date;
  dryRun: boolean;
  /** Milliseconds for which what was started is waited for. */
  patience: number;
  signal: AbortSignal;
  /** Told of each rotation that is started. */
  started(secret: string, since: Date | undefined): void;
}

const day = 86_400_000;
/** Milliseconds between two looks at what was started. */
const pause = 1_000;

/**
 * Starts the rotations that Secrets Manager owes: it tries one that failed a few times, and then again at the next date alone.
 * What is in time is left as it is where nobody asks for all, and what is switched off always. Reads no value.
 * @param secrets those that are in use
 */
export async function rotateKept(
  secrets: readonly Pick<AwsSecret, "name" | "every">[],
  keeping: Keeping,
): Promise<Kept[]> {
  const started: Promise<Kept>[] = [];
  for (const { name, every } of secrets) {
    if (keeping.signal.aborted) {
      started.push(Promise.resolve({ secret: name, state: "stopped" }));
      continue;
    }
    const kept = await start(name, every, keeping).catch((error: unknown) => () => failed(name, error));
    started.push(kept());
  }
  return Promise.all(started);
}

/** @returns what waits for the end of it, if there is anything to wait for */
async function start(name: string, every: number, keeping: Keeping): Promise<() => Promise<Kept>> {
  const { client, now, dryRun, asked } = keeping;
  const found = await client.describe(name);
  if (!found.rotates) return async () => ({ secret: name, state: "off" });
  const since = overdueSince(found, every, now);
  const owed = since === undefined ? {} : { since };
  if (since === undefined && asked === "overdue") return async () => ({ secret: name, state: "on time" });
  if (dryRun) {
    return async () => ({ secret: name, ...(since ? { state: "overdue", since } : { state: "asked" }) });
  }
  keeping.started(name, since);
  const version = await ask(name, found, client);
  const follow = asked === "leaked" && hasValue(found) ? (version === openVersion(found) ? 2 : 1) : 0;
  return () =>
    toEnd(name, { version, follow }, keeping).then(
      (end) => ({ secret: name, ...end, ...owed }),
      (error: unknown) => failed(name, error),
    );
}

/** Starts one. @returns the version that it makes */
async function ask(name: string, found: SecretDescription, client: Keeping["client"]): Promise<string> {
  return client.rotate(name, randomUUID()).catch((error: unknown) => {
    // One that did not end is gone on with, and this refusal says so.
    const open = openVersion(found);
    const isRetried = error instanceof SecretsManagerError && error.code === "InvalidRequestException";
    if (isRetried && open !== undefined) return open;
    throw error;
  });
}

/** Waits until a version is in force, and then for those that follow it, one after the other. */
async function toEnd(
  name: string,
  { version, follow }: { version: string; follow: number },
  keeping: Keeping,
): Promise<{ state: "rotated" | "not in force" | "stopped"; version: string }> {
  const state = await awaited(name, version, keeping);
  if (state !== "rotated" || follow === 0) return { state, version };
  if (keeping.signal.aborted) return { state: "stopped", version };
  const next = await ask(name, await keeping.client.describe(name), keeping.client);
  return toEnd(name, { version: next, follow: follow - 1 }, keeping);
}

function hasValue({ versions }: Pick<SecretDescription, "versions">): boolean {
  return Object.values(versions).some((labels) => labels.includes("AWSCURRENT"));
}

async function failed(secret: string, error: unknown): Promise<Kept> {
  return { secret, state: "failed", error };
}

/**
 * Since when a rotation is owed; undefined where none is. The first one makes the value, so it is owed at once; any other one by
 * the date that Secrets Manager names, or, should somebody have put that off, by the end of the day after the catalogue's period.
 * @param every days
 */
export function overdueSince(found: SecretDescription, every: number, now: Date): Date | undefined {
  const { made, rotated, next } = found;
  const latest = new Date((rotated ?? made).getTime() + (every + 1) * day);
  const due = !hasValue(found) ? made : next !== undefined && next < latest ? next : latest;
  return due < now ? due : undefined;
}

/** The version of a rotation that has begun and not ended. */
function openVersion({ versions }: Pick<SecretDescription, "versions">): string | undefined {
  return Object.keys(versions).find(
    (version) => versions[version]?.includes("AWSPENDING") && !versions[version]?.includes("AWSCURRENT"),
  );
}

async function awaited(
  name: string,
  version: string,
  { client, patience, signal }: Keeping,
): Promise<"rotated" | "not in force" | "stopped"> {
  for (const end = performance.now() + patience; ; ) {
    const { versions } = await client.describe(name);
    if (versions[version]?.includes("AWSCURRENT")) return "rotated";
    if (signal.aborted) return "stopped";
    if (performance.now() > end) return "not in force";
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}
