import { closeSync, lstatSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { DeliveryError } from "./sink.ts";

/**
 * Holds a place of delivery for one write: services that share it are delivered to by several runners. The file lies beside the
 * place, so that runners meet there wherever they were started. The lock is SQLite's, which is the kernel's: it ends with its
 * holder, also with one that is killed.
 * @throws DeliveryError when it is still held after half a minute, or cannot be made
 */
export async function holdPlace(file: string): Promise<Disposable> {
  makeFile(file);
  for (const deadline = Date.now() + 30_000; ; await wait(20)) {
    const held = tryHold(file);
    if ("release" in held) return { [Symbol.dispose]: held.release };
    if (!held.isBusy) {
      const why = held.cause instanceof Error ? ` (${held.cause.message})` : "";
      throw new DeliveryError(
        `${file} cannot be held${why}, which keeps two runs from writing at once: run as who owns it, or remove it while nothing ` +
          "writes there",
        { cause: held.cause },
      );
    }
    if (Date.now() < deadline) continue;
    throw new DeliveryError(`another run writes where ${file} lies: wait for it to end, then try again`, {
      cause: held.cause,
    });
  }
}

function tryHold(file: string): { release: () => void } | { isBusy: boolean; cause: unknown } {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // A journal beside it would wake who watches the folder, and outlive a killed run.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const opened = database;
    return { release: () => opened.close() };
  } catch (cause) {
    database?.close();
    return { isBusy: cause instanceof Error && /locked/.test(cause.message), cause };
  }
}

/**
 * Makes the file, so that SQLite opens what is there and follows no link. One that is there is not opened: where this process
 * holds it already, to close it again would let go of that.
 * @throws DeliveryError
 */
function makeFile(file: string): void {
  try {
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found === undefined) closeSync(openSync(file, "wx", 0o600));
    else if (!found.isFile()) {
      const what = found.isSymbolicLink() ? "a symbolic link" : "no file";
      throw new DeliveryError(`${file} is ${what}: move away what stands there`);
    }
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    // Another runner has made it between the two.
    if (code === "EEXIST") return;
    if (code === undefined) throw cause;
    throw new DeliveryError(
      `${file} cannot be made (${code}), which keeps two runs from writing at once: run as somebody who may write to its folder`,
      { cause },
    );
  }
}
