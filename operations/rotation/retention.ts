import type { Vault } from "../../clients/vault.ts";
import type { Model, Secret } from "../../model/model.ts";
import { ConflictError } from "../values/kv.ts";
import { isUnderWay, type Journal, owed } from "./journal.ts";
import { readJournal, writeJournal } from "./journal-store.ts";

/** Source versions that stay for now. */
export function keptAt({ kept = [] }: Pick<Journal, "kept">, now: Date): number[] {
  return kept.filter(({ until }) => Date.parse(until) > now.getTime()).map(({ version }) => version);
}

/** Whether a rotation that begins destroys old keys at once: asked now, or of the one that a journal still owes. */
export function destroysNext(
  journal: Journal | undefined,
  asked: boolean | undefined,
): Pick<Journal, "destroysOld"> {
  const isOwed = journal?.destroysOld === true && owed(journal) !== undefined;
  return asked === true || isOwed ? { destroysOld: true } : {};
}

/**
 * Destroys old encryption keys whose retention has ended (R24), where no rotation is under way that would. May run twice.
 * @returns how many
 */
export async function destroyExpired(
  { vault, model }: { vault: Vault; model: Pick<Model, "vault"> },
  secret: Pick<Secret, "source" | "journal">,
  now: Date,
): Promise<number> {
  const { journal, version } = await readJournal({ vault, model }, secret);
  if (journal?.kept === undefined || journal.kept.length === 0 || isUnderWay(journal)) return 0;
  const stays = new Set(keptAt(journal, now));
  const ended = journal.kept.filter((one) => !stays.has(one.version));
  if (ended.length === 0) return 0;
  const versions = ended.map((one) => one.version);
  const { kv } = model.vault.mounts;
  await vault.write(`${kv}/destroy/${secret.source}`, { versions });
  // Nothing is kept any more: as many versions as the mount says.
  if (stays.size === 0) await vault.write(`${kv}/metadata/${secret.source}`, { max_versions: 0 });
  const kept = journal.kept.filter((one) => stays.has(one.version));
  try {
    await writeJournal({ vault, model }, secret, { ...journal, kept }, version);
  } catch (error) {
    // A rotation has just begun: its end finds them destroyed.
    if (!(error instanceof ConflictError)) throw error;
  }
  return ended.length;
}
