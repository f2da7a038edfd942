import type { Vault } from "../../clients/vault.ts";
import type { EncryptionKey, RotationModel } from "../../model/model.ts";
import { isRetired, isUnderWay, type Journal } from "./journal.ts";
import { type JournalError, readJournal, unreadable } from "./journal-store.ts";
import { type KeyVersions, keyVersions } from "./key-versions.ts";
import { after, type Standing, stuckBecause } from "./schedule.ts";

/** An encryption key, where it stands, and its journal. */
export interface KeyStatus {
  key: EncryptionKey;
  standing: Standing;
  /** Undefined where Vault has no such key yet. */
  versions?: KeyVersions;
  journal?: Journal;
  /** Why its journal cannot be read: nothing is done with it then. */
  error?: JournalError;
}

/** Vault looks about once an hour whether a key is due; after a day neither it nor a runner does. */
const grace = 86_400;

interface Reading {
  vault: Vault;
  model: RotationModel;
}

/**
 * Where encryption keys stand, in their order; a retired one while its rotation has not ended. Reads names of versions
 * and journals, never a key.
 * @throws VaultError, VaultUnreachableError
 */
export async function keyStatusOf(
  reading: Reading,
  keys: readonly EncryptionKey[],
  now: Date,
): Promise<KeyStatus[]> {
  const found = await Promise.all(
    keys.map((key) =>
      oneKeyStatus(reading, key, now).catch((error): KeyStatus => ({ key, ...unreadable(key, error) })),
    ),
  );
  return found.filter(({ key, journal, error }) => !isRetired(key, journal) || error !== undefined);
}

/** Where one encryption key stands. @throws JournalError, VaultError, VaultUnreachableError */
export async function oneKeyStatus(reading: Reading, key: EncryptionKey, now: Date): Promise<KeyStatus> {
  const [versions, { journal }] = await Promise.all([keyVersions(reading, key), readJournal(reading, key)]);
  return {
    key,
    standing: keyStandingOf(key, { ...(versions && { versions }), ...(journal && { journal }) }, now),
    ...(versions !== undefined && { versions }),
    ...(journal !== undefined && { journal }),
  };
}

/** When the latest version falls due to be replaced; undefined where Vault does not say when it was made. */
export function dueOf(
  { autoRotate }: Pick<EncryptionKey, "autoRotate">,
  { made, latest }: KeyVersions,
): Date | undefined {
  const last = made.get(latest);
  return last && after(last, autoRotate);
}

/**
 * Whether all that is left of versions before the latest is that they are kept: what was stored under them is rewrapped,
 * and Vault refuses them, as after a compromise.
 */
export function isOnlyKept({
  versions,
  journal,
}: {
  versions: KeyVersions | undefined;
  journal: Journal | undefined;
}): boolean {
  if (versions === undefined || journal?.state !== "done") return false;
  return journal.to === versions.latest && versions.decrypts === versions.latest;
}

/** Where an encryption key stands at a moment. Pure. */
export function keyStandingOf(
  key: Pick<EncryptionKey, "id" | "autoRotate" | "retain" | "stored">,
  { versions, journal }: Pick<KeyStatus, "versions" | "journal">,
  now: Date,
): Standing {
  const last = versions?.made.get(versions.latest);
  const due = versions && dueOf(key, versions);
  const bound = due && after(due, grace);
  const isDue = due !== undefined && now >= due;
  const lateness = !isDue ? "on time" : bound !== undefined && now > bound ? "overdue" : "due";
  const times = { ...(last && { last }), ...(due && { due }), ...(bound && { bound }) };
  const standing = (state: Standing["state"], why: string, more: Partial<Standing> = {}): Standing => ({
    secret: key.id,
    state,
    lateness,
    why,
    ...times,
    ...more,
  });
  if (versions === undefined)
    return standing("no value", "Vault has no such key yet: build the environment (keyplane up)");
  if (journal !== undefined && isUnderWay(journal)) {
    const why = stuckBecause(key.retain, journal, 0, now);
    const more = {
      step: journal.state,
      since: new Date(journal.since),
      ...(journal.notBefore !== undefined && { until: new Date(journal.notBefore) }),
    };
    return standing(why === undefined ? "under way" : "stuck", why ?? journal.waiting ?? "", more);
  }
  if (versions.latest > versions.available && key.stored.length > 0) {
    if (last !== undefined && isOnlyKept({ versions, journal })) {
      const until = after(last, key.retain);
      if (now < until) {
        const why = `versions before ${versions.latest} are refused, and kept until ${until.toISOString()}`;
        return standing(lateness, why);
      }
      return standing("due", `versions before ${versions.latest} may go: nothing keeps them any more`);
    }
    return standing(
      "due",
      `Vault made version ${versions.latest}: what is stored under older ones is to be rewrapped`,
    );
  }
  return standing(lateness, lateness === "overdue" ? "neither Vault nor a runner made a version" : "");
}
