import { performance } from "node:perf_hooks";
import type { Column, Replacement, Row } from "./column.ts";

/** What one ciphertext is under; of one under the old key also the same plaintext under the new one. */
export type Judged = { under: "new" } | { under: "old"; anew: string } | { under: "neither" };

/** Judges ciphertexts in their order, and puts those of the old key under the new one. Writes nothing itself. */
export type Recipher = (ciphertexts: string[]) => Promise<Judged[]>;

/** Where a pass through a column stands. All of it may be lost: a new pass finds what is left to do. */
export interface Position {
  /** The last key that was looked at; none before the first row. */
  after?: string;
  /** Rows looked at in this pass, and rows there were when it began. */
  seen: number;
  rows: number;
  /** Of those: under the old key when they were looked at, left so because somebody else held them, under neither. */
  old: number;
  missed: number;
  neither: number;
  /** Rows put under the new key, in all passes. */
  replaced: number;
  /** Rows that the pass before this one met under the old key; none in the first. */
  before?: number;
  /** A pass from the first row to the last has met nothing under the old key. */
  clean: boolean;
}

export const start: Position = {
  seen: 0,
  rows: 0,
  old: 0,
  missed: 0,
  neither: 0,
  replaced: 0,
  clean: false,
};

/** Of a pass that has come to its end: rows that it met under the old key, and whether that got it anywhere. */
export interface Pass {
  old: number;
  /** It could replace none of them, or met no fewer than the pass before: somebody holds them, or goes on to write. */
  stalled: boolean;
}

export interface Pace {
  /** Milliseconds that a batch's statement should take; it takes at most about twice as long. */
  batch: number;
  /** Rows of a batch: the first one's, and bounds. */
  rows: { first: number; least: number; most: number };
}

/** Short enough that nobody waits for a row noticeably, long enough that a commit is not what takes the time. */
export const usualPace: Pace = { batch: 100, rows: { first: 200, least: 10, most: 5_000 } };

/**
 * Re-encrypts a column in batches from a position on, one at least, until `until` (of performance.now()) or the end of a pass that
 * found nothing under the old key, or nothing that it could replace. Rows that were locked or changed under our hands are met again in the next pass.
 * @param reached is told after every batch, which is one transaction
 * @returns where it stands, and the last pass that ended
 * @throws the signal's reason, between two batches
 */
export async function sweep(
  column: Column,
  recipher: Recipher,
  from: Position,
  {
    until,
    signal,
    pace = usualPace,
    reached,
  }: { until: number; signal: AbortSignal; pace?: Pace; reached: (position: Position) => Promise<void> },
): Promise<{ position: Position; pass?: Pass }> {
  let position = from;
  let pass: Pass | undefined;
  let size = pace.rows.first;
  let judging: Promise<Batch> | undefined;
  while (!position.clean) {
    signal.throwIfAborted();
    if (position.seen === 0) position = { ...position, rows: await column.size() };
    const batch = await (judging ?? judge(column, recipher, await read(column, position.after, size)));
    const following = batch.ended ? undefined : await read(column, batch.rows.at(-1)?.key, size);
    const began = performance.now();
    const replacing = column.replace(batch.replacements);
    // Postgres works on these while we work on the next ones.
    judging = following && judge(column, recipher, following);
    judging?.catch(() => {});
    const replaced = await replacing;
    size = nextSize(size, performance.now() - began, pace);
    position = passed(position, batch, replaced);
    const inVain = batch.ended && position.old > 0 && position.missed === position.old;
    if (batch.ended) {
      const { old, before = Number.POSITIVE_INFINITY } = position;
      pass = { old, stalled: inVain || (old > 0 && old >= before) };
      position = nextPass(position);
    }
    await reached(position);
    // What others hold for long is better met later than again and again.
    if (inVain || performance.now() >= until) break;
  }
  return { position, ...(pass !== undefined && { pass }) };
}

interface Read {
  rows: Row[];
  /** There is no row after these. */
  ended: boolean;
}

interface Batch extends Read {
  replacements: Replacement[];
  neither: number;
}

async function read(column: Column, after: string | undefined, limit: number): Promise<Read> {
  const rows = await column.after(after, limit);
  return { rows, ended: rows.length < limit };
}

async function judge(column: Column, recipher: Recipher, { rows, ended }: Read): Promise<Batch> {
  const judged = await recipher(rows.map(({ value }) => value));
  const replacements: Replacement[] = [];
  let neither = 0;
  for (const [index, row] of rows.entries()) {
    const one = judged[index];
    if (one === undefined) throw new Error(`${column.name}: a ciphertext was not judged`);
    if (one.under === "old") replacements.push({ ...row, anew: one.anew });
    if (one.under === "neither") neither++;
  }
  return { rows, ended, replacements, neither };
}

/** Where a pass stands after a batch. */
function passed(position: Position, { rows, replacements, neither }: Batch, replaced: number): Position {
  return {
    ...position,
    ...(rows.length > 0 && { after: rows.at(-1)?.key ?? "" }),
    seen: position.seen + rows.length,
    old: position.old + replacements.length,
    missed: position.missed + replacements.length - replaced,
    neither: position.neither + neither,
    replaced: position.replaced + replaced,
  };
}

/** At the end of a pass: clean, or from the first row on again. */
function nextPass(position: Position): Position {
  if (position.old === 0) return { ...position, clean: true };
  return { ...start, replaced: position.replaced, before: position.old };
}

function nextSize(size: number, took: number, { batch, rows }: Pace): number {
  const wanted = took < batch / 2 ? size * 2 : took > batch ? Math.floor((size * batch) / took) : size;
  return Math.min(rows.most, Math.max(rows.least, wanted));
}

/** Rows that are still to be looked at; at least 1 until a whole pass was clean. */
export function leftOf(position: Position): number {
  if (position.clean) return 0;
  return Math.max(1, position.rows - position.seen);
}
