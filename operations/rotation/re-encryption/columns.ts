import { performance } from "node:perf_hooks";
import type { Vault } from "../../../clients/vault.ts";
import type { Database, RotationModel, StoredCiphertext } from "../../../model/model.ts";
import type { Report } from "../../progress.ts";
import type { Migrated } from "../migration.ts";
import type { Connection } from "../rotator.ts";
import { Column, ColumnError } from "./column.ts";
import { ProgressRecord } from "./record.ts";
import { leftOf, type Pace, type Pass, type Position, type Recipher, sweep } from "./sweep.ts";

/** What work on stored ciphertext needs; a rotator's context has all of it. */
export interface Surroundings {
  vault: Vault;
  model: RotationModel;
  reach: { manage(database: Database): Promise<Connection> };
  report: Report;
  signal: AbortSignal;
}

/** What is re-encrypted, and for which rotation. */
export interface Migration {
  /** What is reported as its subject: the secret's or the key's id. */
  subject: string;
  journal: string;
  rotation: string;
  /** What it goes from and to, where one rotation may go both ways; no value. */
  direction: string;
  stored: StoredCiphertext[];
  recipher: Recipher;
  pace?: Pace;
}

/** Milliseconds of one piece of work, after which whoever runs it renews its lease. */
const piece = 10_000;
/** Milliseconds between two writes of the position and two lines of progress. */
const interval = 2_000;

/** Opens each column in turn, one connection per database, and closes what it opened. */
export async function eachColumn(
  { model, reach, signal }: Pick<Surroundings, "model" | "reach" | "signal">,
  stored: StoredCiphertext[],
  work: (column: Column, place: StoredCiphertext) => Promise<void>,
): Promise<void> {
  for (const id of new Set(stored.map(({ database }) => database))) {
    signal.throwIfAborted();
    const database = model.databases.find((one) => one.id === id);
    if (database === undefined) {
      throw new ColumnError(`${id} holds ciphertext and is not a database of ${model.environment}`);
    }
    const connection = await reach.manage(database);
    try {
      for (const place of stored.filter((one) => one.database === id)) {
        await work(await Column.find(connection, place), place);
      }
    } finally {
      await connection.end().catch(() => {});
    }
  }
}

/**
 * One piece of a re-encryption: some seconds of batches, from where the last piece ended.
 * @returns what is left; nothing when a whole pass through every column met nothing under the old key
 * @throws TargetUnavailableError when the database is away: what was replaced stays so
 */
export async function migratePiece(
  surroundings: Surroundings,
  migration: Migration,
  { length = piece, write = interval }: { length?: number; write?: number } = {},
): Promise<Migrated> {
  const { signal, report } = surroundings;
  const { subject, journal, rotation, direction, stored, recipher, pace } = migration;
  const record = await ProgressRecord.read(surroundings, journal, `${rotation} ${direction}`);
  const until = performance.now() + length;
  let left = 0;
  /** Of each column that is not done: the pass that ended in this piece. */
  const passes: (Pass | undefined)[] = [];
  await eachColumn(surroundings, stored, async (column) => {
    const from = record.at(column.name);
    if (from.clean) return;
    const meter = new Meter(from);
    let written = performance.now();
    const reached = async (position: Position) => {
      record.set(column.name, position);
      if (performance.now() - written < write) return;
      written = performance.now();
      await record.write();
      report({ subject, state: "progress", text: `${column.name}: ${meter.read(position)}` });
    };
    const { position: end, pass } = await sweep(column, recipher, from, {
      until,
      signal,
      reached,
      ...(pace !== undefined && { pace }),
    });
    record.set(column.name, end);
    await record.write();
    report({
      subject,
      state: end.clean ? "done" : "progress",
      text: `${column.name}: ${meter.read(end)}`,
    });
    left += leftOf(end);
    if (!end.clean) passes.push(pass);
  });
  // Asked again, it looks again: something may have written with the old key meanwhile.
  if (left === 0) await record.clear();
  return { left, ...together(passes) };
}

/** Nothing while one column is still in the midst of its pass: the work gets on. */
function together(passes: (Pass | undefined)[]): { pass?: Pass } {
  const ended = passes.filter((pass) => pass !== undefined);
  if (ended.length === 0 || ended.length < passes.length) return {};
  const old = ended.reduce((sum, pass) => sum + pass.old, 0);
  return { pass: { old, stalled: ended.every(({ stalled }) => stalled) } };
}

/** Rows per second since it was made. */
class Meter {
  readonly #began = performance.now();
  readonly #from: Position;

  constructor(from: Position) {
    this.#from = from;
  }

  read(position: Position): string {
    const seconds = Math.max(0.001, (performance.now() - this.#began) / 1000);
    const replaced = position.replaced - this.#from.replaced;
    const number = (value: number) => Math.round(value).toLocaleString("en");
    const odd = position.neither > 0 ? `; ${number(position.neither)} open under neither key` : "";
    if (position.clean) {
      return `${number(position.replaced)} rows re-encrypted; none is left under the old key${odd}`;
    }
    const share = position.rows === 0 ? 0 : Math.floor((100 * position.seen) / position.rows);
    return (
      `${number(position.replaced)} rows re-encrypted, ${number(replaced / seconds)} rows/s; ` +
      `${Math.min(99, share)} % of ${number(position.rows)} looked at in this pass${odd}`
    );
  }
}
