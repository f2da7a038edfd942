import * as z from "zod/mini";
import type { Vault } from "../../clients/vault.ts";
import type { Model, Secret } from "../../model/model.ts";
import { LogMark } from "../delivery/log-mark.ts";
import { stateOf, writeVersion } from "../values/kv.ts";
import { type Journal, steps } from "./journal.ts";
import type { Standing } from "./schedule.ts";

/** What lies at a journal's path is not a journal. Says where and what to do. */
export class JournalError extends Error {
  override name = "JournalError";
}

/** Where something stands whose journal nobody can read here: the others are not held up by it. */
export interface Unreadable {
  standing: Standing;
  error: JournalError;
}

/** @throws what was caught, where it is anything else */
export function unreadable({ id: secret }: { id: string }, error: unknown): Unreadable {
  if (!(error instanceof JournalError)) throw error;
  return { standing: { secret, state: "unreadable", lateness: "on time", why: error.message }, error };
}

/** A journal and the version of its path, which the next write must follow. */
export interface Kept {
  journal: Journal | undefined;
  version: number;
}

const texts = z.record(z.string(), z.string());
const past = z.looseObject({
  id: z.string(),
  reason: z.enum(["first", "scheduled", "compromise", "leaver"]),
  outcome: z.enum(["done", "rolled-back"]),
  from: z.number(),
  to: z.number(),
  startedAt: z.string(),
  endedAt: z.string(),
  failure: z.optional(z.string()),
  keptRefused: z.optional(z.string()),
  confirmedBy: z.optional(z.string()),
});

/** Until 2026-11-29 it was the id alone. */
const owedKey = z.union([
  z.pipe(
    z.string(),
    z.transform((id) => ({ id })),
  ),
  z.object({ id: z.string(), provider: z.optional(z.string()), account: z.optional(z.string()) }),
]);

/** What a journal must have for a runner to go on with it; a newer runner's additions are kept. */
const shape = z.looseObject({
  state: z.enum([...steps, "rolling-back", "rolled-back"]),
  id: z.string(),
  reason: z.enum(["first", "scheduled", "compromise", "leaver"]),
  owner: z.string(),
  leaseUntil: z.iso.datetime(),
  attempt: z.number(),
  from: z.number(),
  to: z.optional(z.number()),
  final: z.optional(z.number()),
  startedAt: z.iso.datetime(),
  commit: z.optional(z.string()),
  paths: z.optional(z.array(z.string())),
  madeAt: z.optional(
    z.object({
      kind: z.string(),
      provider: z.optional(z.string()),
      address: z.optional(z.string()),
      adapter: z.optional(z.string()),
    }),
  ),
  since: z.iso.datetime(),
  switchedAt: z.optional(z.iso.datetime()),
  backAt: z.optional(z.iso.datetime()),
  verifiedAt: z.optional(z.iso.datetime()),
  notBefore: z.optional(z.iso.datetime()),
  waiting: z.optional(z.string()),
  skipped: z.array(z.string()),
  notes: z.optional(z.array(z.string())),
  unseen: z.optional(z.record(z.string(), z.iso.datetime())),
  logMarks: z.optional(z.record(z.string(), z.extend(LogMark, { host: z.string() }))),
  seenOn: z.optional(z.record(z.string(), z.array(z.string()))),
  abort: z.optional(z.string()),
  followedBy: z.optional(z.enum(["compromise", "leaver"])),
  confirmedBy: z.optional(z.string()),
  destroysOld: z.optional(z.boolean()),
  kept: z.optional(z.array(z.object({ version: z.number(), until: z.iso.datetime() }))),
  overVersion: z.optional(z.number()),
  baseline: z.optional(z.record(z.string(), z.number())),
  notWatched: z.optional(z.boolean()),
  notProbed: z.optional(z.array(z.object({ consumer: z.string(), acknowledged: z.boolean() }))),
  keptRefused: z.optional(z.string()),
  unrevoked: z.optional(z.array(owedKey)),
  failure: z.optional(z.string()),
  fingerprints: z.optional(texts),
  history: z.array(past),
});

type At = { vault: Vault; model: Pick<Model, "vault"> };

/**
 * The journal of a secret's rotations.
 * @throws JournalError, VaultError, VaultUnreachableError
 */
export async function readJournal({ vault, model }: At, secret: Pick<Secret, "journal">): Promise<Kept> {
  const mount = model.vault.mounts.kv;
  const found = await vault.read<{ data: unknown; metadata: { version: number } }>(
    `${mount}/data/${secret.journal}`,
  );
  if (found === undefined || found.data === null) {
    // Nothing was ever written, or someone deleted it: what follows must come after that version.
    return { journal: undefined, version: (await stateOf(vault, mount, secret.journal)).version };
  }
  const parsed = shape.safeParse(found.data);
  if (!parsed.success) {
    const fields = [...new Set(parsed.error.issues.map(({ path }) => path.join(".")))].join(", ");
    throw new JournalError(
      `${mount}/${secret.journal} holds no journal that this version understands (${fields}): ` +
        "was it written by a newer one, or by hand? Restore an older version of the path",
    );
  }
  return { journal: parsed.data as Journal, version: found.metadata.version };
}

/**
 * Writes the journal after a version of it (check-and-set).
 * @returns the new version, and when it was written by Vault's clock
 * @throws ConflictError when somebody wrote it meanwhile
 */
export async function writeJournal(
  { vault, model }: At,
  secret: Pick<Secret, "journal">,
  journal: Journal,
  after: number,
): Promise<{ version: number; at: Date }> {
  return writeVersion(vault, model.vault.mounts.kv, secret.journal, { data: journal, after });
}
