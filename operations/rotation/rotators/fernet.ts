import { setImmediate } from "node:timers/promises";
import type { StoredCiphertext } from "../../../model/model.ts";
import type { Fields } from "../../values/shape.ts";
import type { Migrated } from "../migration.ts";
import { type Census, CiphertextRemainsError, census, told } from "../re-encryption/census.ts";
import { nameOf } from "../re-encryption/column.ts";
import { eachColumn, migratePiece, type Surroundings } from "../re-encryption/columns.ts";
import { FernetKey, FernetKeyError } from "../re-encryption/fernet.ts";
import type { Judged, Recipher } from "../re-encryption/sweep.ts";
import { ProbeError, type Rotator, type RotatorContext, StillAcceptedError } from "../rotator.ts";
import { make, nothing, probe, refused } from "./two-values.ts";

/**
 * A key that services encrypt with in process. Its target is what they stored: that is put under the new key before the
 * old one goes (R23), and the old one stays while one row needs it, whatever the time (R22).
 */
export const fernet: Rotator = {
  create: make,
  stage: nothing,

  async probe(context, next, current) {
    await probe(context, next, current);
    const key = keyOf(next, "key");
    keyOf(next, "previous");
    const plaintext = Buffer.from("keyplane");
    if (key.open(key.seal({ plaintext, time: 0n }))?.plaintext.equals(plaintext) !== true) {
      throw new ProbeError(`${context.secret.id}: the new key does not open what it sealed`);
    }
  },

  migrate: reencrypt,

  /** What a straggler still wrote with the old key is re-encrypted at once; that it did is told, and looked at again. */
  async idle(context, old, kept) {
    if (context.secret.stored.length === 0) {
      return { state: "unknown", why: `the catalogue names no stored ciphertext of ${context.secret.id}` };
    }
    const { using, all } = await underOld(context, old, kept);
    const evidence = all.map(told).join("; ");
    if (using.length === 0) return { state: "idle", evidence };
    await reencrypt(context, kept, old);
    return { state: "in use", by: using.map(({ column }) => nameOf(column)), evidence };
  },

  /** Undone as well: what the new key wrote goes back under the old one before. */
  async revoke(context, old, kept) {
    let found = await underOld(context, old, kept);
    if (found.using.length > 0) {
      await reencrypt(context, kept, old);
      found = await underOld(context, old, kept);
    }
    if (found.using.length === 0) return undefined;
    throw new CiphertextRemainsError(
      `${context.secret.id}: the old key stays, because stored ciphertext needs it (${found.using.map(told).join("; ")}): ` +
        "a process still writes with it, or its re-encryption has not ended",
    );
  },

  async verify(context, old, kept) {
    await refused(context, old);
    const { using } = await underOld(context, old, kept);
    if (using.length > 0) {
      throw new StillAcceptedError(
        `${context.secret.id}: something wrote with the old key after it was dropped (${using.map(told).join("; ")})`,
      );
    }
  },
};

/** One piece of re-encryption from one version's key to another's. */
async function reencrypt(context: RotatorContext, next: Fields, old: Fields): Promise<Migrated> {
  const { secret, rotation } = context;
  if (secret.stored.length === 0 || next.key === old.key) return { left: 0 };
  return migratePiece(context, {
    subject: secret.id,
    journal: secret.journal,
    rotation,
    // Rolled back after the switch, what the new key wrote is put under the old one again.
    direction: old.previous === next.key ? "back" : "on",
    stored: secret.stored,
    recipher: recipher(keyOf(old, "key"), keyOf(next, "key")),
  });
}

/** How many rows of each column are under the new key, the old one or neither (R62). Changes nothing. */
export async function fernetCensus(
  context: Surroundings,
  stored: StoredCiphertext[],
  { key, previous }: { key: string; previous: string },
): Promise<Census[]> {
  const now = new FernetKey(key);
  const before = new FernetKey(previous);
  const judge = (token: string) => (now.made(token) ? "new" : before.made(token) ? "old" : "neither");
  const found: Census[] = [];
  await eachColumn(context, stored, async (column, place) => {
    found.push({ column: place, rows: await census(column, judge, { signal: context.signal }) });
  });
  return found;
}

async function underOld(
  context: RotatorContext,
  old: Fields,
  kept: Fields,
): Promise<{ using: Census[]; all: Census[] }> {
  const { stored } = context.secret;
  const [key, previous] = [kept.key ?? "", old.key ?? ""];
  // The same key on both sides: nothing is old.
  if (stored.length === 0 || key === previous) return { using: [], all: [] };
  const all = await fernetCensus(context, stored, { key, previous });
  return { using: all.filter(({ rows }) => (rows.old ?? 0) > 0), all };
}

/** Puts tokens of the old key under the new one. They keep their time: whoever gives them a time to live counts from it. */
export function recipher(old: FernetKey, next: FernetKey): Recipher {
  const judge = (token: string): Judged => {
    const opened = old.open(token);
    if (opened !== undefined) return { under: "old", anew: next.seal(opened) };
    return { under: next.made(token) ? "new" : "neither" };
  };
  return async (tokens) => {
    const judged: Judged[] = [];
    for (const [index, token] of tokens.entries()) {
      // What is on its way to Postgres meanwhile, and the lease's timer, come to their turn.
      if (index % 250 === 0) await setImmediate();
      judged.push(judge(token));
    }
    return judged;
  };
}

function keyOf(fields: Fields, field: "key" | "previous"): FernetKey {
  try {
    return new FernetKey(fields[field] ?? "");
  } catch (error) {
    if (!(error instanceof FernetKeyError)) throw error;
    throw new ProbeError(`the field ${field}: ${error.message}`);
  }
}
