import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { DeliveryError } from "./sink.ts";

/**
 * Holds a place of delivery for one write: services that share it are delivered to by several runners. The lock is
 * SQLite's, which is the kernel's: it ends with its holder, also with one that is killed.
 * @throws DeliveryError when it is still held after half a minute
 */
export async function holdPlace(file: string): Promise<Disposable> {
  const database = new DatabaseSync(file, { timeout: 0 });
  for (const deadline = Date.now() + 30_000; ; await wait(20)) {
    try {
      database.exec("BEGIN EXCLUSIVE");
      return { [Symbol.dispose]: () => database.close() };
    } catch (cause) {
      const busy = cause instanceof Error && /locked/.test(cause.message);
      if (busy && Date.now() < deadline) continue;
      database.close();
      throw new DeliveryError(`another run writes where ${file} lies: wait for it to end, then try again`, {
        cause,
      });
    }
  }
}
