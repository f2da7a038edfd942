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
  /** Of a dry run. */
  | { state: "overdue"; since: Date }
  | { state: "rotated"; since: Date; version: string }
  /** What was started is not in force yet, and may never be. */
  | { state: "not in force"; since: Date; version: string }
  | { state: "failed"; error: unknown }
);

export interface Keeping {
  client: Pick<SecretsManager, "describe" | "rotate">;
  now: Date;
  dryRun: boolean;
  /** Milliseconds for which what was started is waited for. */
  patience: number;
  signal: AbortSignal;
  /** Told of each rotation that is started. */
  started(secret: string, since: Date): void;
}

const day = 86_400_000;
/** Milliseconds between two looks at what was started. */
const pause = 1_000;

/**
 * Starts the rotations that Secrets Manager owes: it tries one that failed a few times, and then again at the next date alone.
 * What is in time, or switched off, is left as it is. Reads no value.
 * @param secrets those that are in use
 */
export async function rotateOverdue(
  secrets: readonly Pick<AwsSecret, "name" | "every">[],
  keeping: Keeping,
): Promise<Kept[]> {
  const started: Promise<Kept>[] = [];
  for (const { name, every } of secrets) {
    if (keeping.signal.aborted) break;
    const kept = await start(name, every, keeping).catch((error: unknown) => () => failed(name, error));
    started.push(kept());
  }
  return Promise.all(started);
}

/** @returns what waits for the end of it, if there is anything to wait for */
async function start(name: string, every: number, keeping: Keeping): Promise<() => Promise<Kept>> {
  const { client, now, dryRun } = keeping;
  const found = await client.describe(name);
  if (!found.rotates) return async () => ({ secret: name, state: "off" });
  const since = overdueSince(found, every, now);
  if (since === undefined) return async () => ({ secret: name, state: "on time" });
  if (dryRun) return async () => ({ secret: name, state: "overdue", since });
  keeping.started(name, since);
  const version = await client.rotate(name, randomUUID()).catch((error: unknown) => {
    // One that did not end is gone on with, and this refusal says so.
    const open = openVersion(found);
    const isRetried = error instanceof SecretsManagerError && error.code === "InvalidRequestException";
    if (isRetried && open !== undefined) return open;
    throw error;
  });
  return () =>
    inForce(name, version, keeping).then(
      (is) => ({ secret: name, state: is ? "rotated" : "not in force", since, version }),
      (error: unknown) => failed(name, error),
    );
}

async function failed(secret: string, error: unknown): Promise<Kept> {
  return { secret, state: "failed", error };
}

/**
 * Since when a rotation is owed; undefined where none is. The first one makes the value, so it is owed at once; any other one by
 * the date that Secrets Manager names, or, should somebody have put that off, by the end of the day after the catalogue's period.
 * @param every days
 */
export function overdueSince(
  { versions, made, rotated, next }: SecretDescription,
  every: number,
  now: Date,
): Date | undefined {
  const hasValue = Object.values(versions).some((labels) => labels.includes("AWSCURRENT"));
  const latest = new Date((rotated ?? made).getTime() + (every + 1) * day);
  const due = !hasValue ? made : next !== undefined && next < latest ? next : latest;
  return due < now ? due : undefined;
}

/** The version of a rotation that has begun and not ended. */
function openVersion({ versions }: Pick<SecretDescription, "versions">): string | undefined {
  return Object.keys(versions).find(
    (version) => versions[version]?.includes("AWSPENDING") && !versions[version]?.includes("AWSCURRENT"),
  );
}

async function inForce(
  name: string,
  version: string,
  { client, patience, signal }: Keeping,
): Promise<boolean> {
  for (const end = performance.now() + patience; ; ) {
    const { versions } = await client.describe(name);
    if (versions[version]?.includes("AWSCURRENT")) return true;
    if (performance.now() > end || signal.aborted) return false;
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}
