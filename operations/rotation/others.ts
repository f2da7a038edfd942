import type { Clock } from "./clock.ts";
import type { Place } from "./fleet.ts";
import { isUnderWay, type Journal } from "./journal.ts";
import { readJournal } from "./journal-store.ts";
import { isShort } from "./run.ts";
import type { Runner } from "./runner.ts";
import { eachOf } from "./status.ts";

/** Milliseconds for which what was seen of other runners is believed, and ten times as long as it took to look. */
const fresh = 1000;

/** What other runners have under way, of all secrets and encryption keys of the environment, looked at anew as a run goes on. */
export interface Others {
  /** @param own ids of secrets and keys that this run is at */
  places(own: ReadonlySet<string>): Promise<Place[]>;
  /** Somebody was met who was not known: the next choice looks again. */
  forget(): void;
}

export function othersOf({ vault, model }: Pick<Runner, "vault" | "model">, clock: Clock): Others {
  const all = [...model.secrets, ...model.encryptionKeys];
  let seen: { one: (typeof all)[number]; journal: Journal }[] = [];
  let until = Number.NEGATIVE_INFINITY;
  const look = async () => {
    const began = performance.now();
    const found = await eachOf(all, async (one) => {
      // One that cannot be read holds nobody up: it is told where its own secret is rotated.
      const { journal } = await readJournal({ vault, model }, one).catch(() => ({ journal: undefined }));
      return journal === undefined || !isUnderWay(journal) ? undefined : { one, journal };
    });
    seen = found.filter((each) => each !== undefined);
    const ended = performance.now();
    until = ended + Math.max(fresh, 10 * (ended - began));
  };
  return {
    async places(own) {
      if (performance.now() > until) await look();
      return seen
        .filter(({ one, journal }) => !own.has(one.id) && isAt(journal, clock.now()))
        .map(({ one: { id: secret, consumers }, journal: { reason } }) => ({
          secret,
          services: consumers.map(({ id }) => id),
          yields: !isShort(reason),
        }));
    },
    forget() {
      until = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Whoever holds the lease touches consumers; who waits for the overlap touches nobody. */
function isAt({ state, leaseUntil }: Journal, now: Date): boolean {
  return state !== "drain" && Date.parse(leaseUntil) > now.getTime();
}
