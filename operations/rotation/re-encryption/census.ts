import type { StoredCiphertext } from "../../../model/model.ts";
import { type Column, nameOf } from "./column.ts";

/** How many rows of a column are under which key (R62). */
export interface Census {
  column: StoredCiphertext;
  /** Key → rows, e.g. { new: 120, old: 3, neither: 0 }; of transit keys by version, e.g. { v3: 120 }. */
  rows: Record<string, number>;
}

/** How far a census has come. */
export interface Counted {
  /** As messages name it. */
  column: string;
  rows: number;
}

/**
 * Ciphertext is left under a key that is to go: the key stays, and the rotation waits for whoever writes with it. The target
 * has answered, so that this is a finding and nothing to be tried again at once. Names columns and counts, never a row's content.
 */
export class CiphertextRemainsError extends Error {
  override name = "CiphertextRemainsError";
}

/**
 * Looks at every row of a column without changing any.
 * @param length of the ciphertext that the judge needs to see; all of it by default
 * @param seen is told after every batch
 * @param judge names the key that each ciphertext is under
 */
export async function census(
  column: Column,
  judge: (ciphertext: string) => string,
  {
    signal,
    batch = 5_000,
    length,
    seen,
  }: { signal: AbortSignal; batch?: number; length?: number; seen?: (counted: Counted) => void },
): Promise<Record<string, number>> {
  const counted: Record<string, number> = {};
  let count = 0;
  for (let after: string | undefined, more = true; more; ) {
    signal.throwIfAborted();
    const rows = await column.after(after, batch, length);
    for (const { value } of rows) {
      const key = judge(value);
      counted[key] = (counted[key] ?? 0) + 1;
    }
    count += rows.length;
    seen?.({ column: column.name, rows: count });
    after = rows.at(-1)?.key;
    more = rows.length === batch;
  }
  return counted;
}

/** "soma/main public.api_keys.ciphertext: 3 old, 120 new", for messages. */
export function told({ column, rows }: Census): string {
  const counts = Object.entries(rows)
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = counts.map(([key, count]) => `${count.toLocaleString("en")} ${key}`).join(", ");
  return `${nameOf(column)}: ${text === "" ? "no ciphertext" : text}`;
}
