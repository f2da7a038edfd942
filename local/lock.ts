import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "./progress.ts";
import { HomeError } from "./services/errors.ts";

export interface HoldOptions {
  report: Report;
  /** Milliseconds to wait for another holder; two minutes when absent. */
  patience?: number;
}

/**
 * Holds a lock file for one piece of work on the folder where it lies, so that two runs at once do not trample each other.
 * The lock is SQLite's, which is the kernel's: it ends with its holder, also with one that is killed.
 * @param subject what is held, for messages
 * @throws HomeError when it is still held after `patience`, or the folder was deleted meanwhile.
 */
export async function hold(
  file: string,
  subject: string,
  { report, patience = 120_000 }: HoldOptions,
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
    if (refusal === undefined && !deleted) return { [Symbol.dispose]: () => database.close() };
    if (deleted || !isBusy(refusal) || Date.now() > deadline) {
      database.close();
      throw new HomeError(
        deleted
          ? `${root} was deleted by another keyplane command meanwhile. Run this one again.`
          : `Another keyplane command works on the ${subject} in ${root}. Wait for it to end, then try again.`,
        { cause: refusal },
      );
    }
    if (!said) {
      report({ subject, state: "progress", text: "waiting for another keyplane command to end" });
    }
    said = true;
    await sleep(100);
  }
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
