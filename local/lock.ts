import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "./progress.ts";
import { HeldError, HomeError } from "./services/errors.ts";

export interface HoldOptions {
  report: Report;
  /** Milliseconds to wait for another holder; two minutes when absent. */
  patience?: number;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/**
 * Holds a lock file for one piece of work on the folder where it lies, so that two runs at once do not trample each other.
 * The lock is SQLite's, which is the kernel's: it ends with its holder, also with one that is killed.
 * @param subject what is held, for messages
 * @throws HeldError when it is still held after `patience`, HomeError when the folder was deleted meanwhile, the signal's
 *   reason when it is aborted.
 */
export async function hold(
  file: string,
  subject: string,
  { report, patience = 120_000, signal }: HoldOptions,
): Promise<Disposable> {
  const root = dirname(file);
  const database = open(file);
  const deadline = Date.now() + patience;
  for (let said = false; ; ) {
    let refusal: unknown;
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      refusal = error;
    }
    // Whoever held the lock may have deleted the folder: then the lock is that of a folder that is no more.
    // It is not opened to see: closing it again would end the lock, as POSIX has it.
    const deleted = !existsSync(file);
    if (refusal === undefined && !deleted) return held(file, database);
    const holder = holderOf(file);
    if (deleted || signal?.aborted || !isBusy(refusal) || Date.now() > deadline) {
      database.close();
      signal?.throwIfAborted();
      throw deleted
        ? new HomeError(`${root} was deleted by another keyplane command meanwhile. Run this one again.`)
        : new HeldError(
            `Another keyplane command (${holder}) works on the ${subject} in ${root}. Wait for it to end, then try again.`,
            { cause: refusal },
          );
    }
    if (!said) {
      const text = `waiting for another keyplane command to end (${holder})`;
      report({ subject, state: "progress", text });
    }
    said = true;
    await sleep(100);
  }
}

/** Says beside the lock who has it: in the lock itself nobody else can read. */
function held(file: string, database: DatabaseSync): Disposable {
  const holder: Holder = { pid: process.pid, since: new Date().toISOString().replace(/\.\d+Z$/, "Z") };
  writeFileSync(holderFile(file), JSON.stringify(holder), { mode: 0o600 });
  return {
    [Symbol.dispose]() {
      rmSync(holderFile(file), { force: true });
      database.close();
    },
  };
}

interface Holder {
  pid: number;
  since: string;
}

/** Who holds a lock, for messages: one that was killed may have left its name, until the next one writes its own. */
function holderOf(file: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(holderFile(file), "utf8")) as Holder;
    process.kill(pid, 0);
    return `process ${pid}, since ${since}`;
  } catch {
    return "which has just begun";
  }
}

function holderFile(file: string): string {
  return `${file}.holder`;
}

function open(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: 0 });
  } catch (cause) {
    throw new HomeError(
      `${basename(file)} in ${dirname(file)} cannot be opened. Give the folder back to the user who runs keyplane.`,
      { cause },
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && /database is locked|database table is locked/.test(error.message);
}
