import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { EncryptionKey } from "../../model/model.ts";
import { vaultClock } from "./clock.ts";
import { isUnderWay, owed, type State } from "./journal.ts";
import { type KeyStatus, keyStatusOf } from "./key-status.ts";
import { nameOf } from "./re-encryption/column.ts";
import { type Runner, reachOf } from "./runner.ts";
import { after } from "./schedule.ts";
import type { Wanted } from "./status.ts";
import { type KeyOutcome, rotateEncryptionKey } from "./transit.ts";

/** What became of one encryption key in a run. */
export type KeyRow = { secret: string } & ({ key: KeyOutcome } | { error: unknown });

/** What a run would do with one encryption key. */
export type PlannedKey = { secret: string } & (
  | {
      does: "makes a version";
      reason: string;
      from: number;
      /** Columns that are rewrapped, as "system/database schema.table.column". */
      rewraps: string[];
      /** Until when versions before decrypt at least, and what a short path leaves out. */
      keptUntil?: string;
      skipped: string[];
    }
  | { does: "goes on"; at: State; waiting?: string }
  | { does: "nothing"; why: string }
);

/** Takes encryption keys as far as they go, one after another: where nothing is due, nothing is done. */
export async function rotateKeys(
  runner: Runner,
  keys: readonly EncryptionKey[],
  wanted: Wanted,
): Promise<KeyRow[]> {
  const { vault, model, by, report, signal } = runner;
  const reason = wanted.what === "these" ? wanted.reason : "scheduled";
  const anew = wanted.what === "these";
  const owner = `${by} on ${hostname()}, process ${process.pid}, ${randomUUID().slice(0, 8)}`;
  const reach = runner.reach ?? reachOf(runner);
  const rows: KeyRow[] = [];
  for (const key of await wantedOf(runner, keys, wanted)) {
    if (signal.aborted) break;
    try {
      const destroys = runner.destroysOld === true ? { destroysOld: true } : {};
      const given = { vault, model, key, reach, reason, anew, ...destroys, owner, report, signal };
      rows.push({ secret: key.id, key: await rotateEncryptionKey(given) });
    } catch (error) {
      rows.push({ secret: key.id, error });
    }
  }
  return rows;
}

/** The dry run of `rotateKeys`: nothing is done, no key is read. */
export async function planKeys(
  runner: Runner,
  keys: readonly EncryptionKey[],
  wanted: Wanted,
): Promise<PlannedKey[]> {
  const now = (await vaultClock(runner.vault)).now();
  const states = await keyStatusOf(runner, await wantedOf(runner, keys, wanted), now);
  return states.flatMap((status) => planned(runner, status, wanted, now) ?? []);
}

async function wantedOf(
  runner: Runner,
  keys: readonly EncryptionKey[],
  wanted: Wanted,
): Promise<readonly EncryptionKey[]> {
  if (wanted.what !== "under way") return keys;
  const states = await keyStatusOf(runner, keys, new Date());
  return states.flatMap(({ key, journal }) =>
    isUnderWay(journal) || owed(journal) !== undefined ? [key] : [],
  );
}

function planned(
  runner: Pick<Runner, "destroysOld">,
  { key, standing, versions, journal }: KeyStatus,
  wanted: Wanted,
  now: Date,
): PlannedKey | undefined {
  const asked = owed(journal) ?? (wanted.what === "these" ? wanted.reason : "scheduled");
  if (journal !== undefined && isUnderWay(journal) && asked === "scheduled") {
    const { state, waiting } = journal;
    return { secret: key.id, does: "goes on", at: state, ...(waiting !== undefined && { waiting }) };
  }
  if (versions === undefined) return { secret: key.id, does: "nothing", why: standing.why };
  if (wanted.what === "due" && standing.state === "on time") return undefined;
  const short = asked !== "scheduled";
  const stays = key.stored.length === 0;
  return {
    secret: key.id,
    does: "makes a version",
    reason: asked,
    from: versions.latest,
    rewraps: key.stored.map(nameOf),
    ...(!stays && runner.destroysOld !== true && { keptUntil: after(now, key.retain).toISOString() }),
    skipped:
      stays || !short
        ? []
        : [
            `the ${key.retain} s for which old versions ${runner.destroysOld === true ? "are kept: what backups hold under them is lost" : "decrypt"}`,
          ],
  };
}
