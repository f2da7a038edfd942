import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds for which whoever is asked may be away while it restarts. */
const patience = 60_000;

/**
 * Asks until there is an answer: a connection that breaks is none.
 * @param pause milliseconds between two
 * @param asksAgain whether a refusal is none either: of what has one value at a time, whoever is refused looks for the next
 */
export async function answered(
  ask: () => Promise<boolean>,
  { asksAgain, pause = 10 }: { asksAgain: boolean; pause?: number },
): Promise<boolean> {
  for (const end = performance.now() + patience; ; await sleep(pause)) {
    try {
      const isAccepted = await ask();
      if (isAccepted || !asksAgain || performance.now() > end) return isAccepted;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
