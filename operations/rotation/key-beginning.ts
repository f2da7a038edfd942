import type { EncryptionKey } from "../../model/model.ts";
import { hasten } from "./engine.ts";
import { type Journal, owed } from "./journal.ts";
import { dueOf, isOnlyKept } from "./key-status.ts";
import type { KeyVersions } from "./key-versions.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";

/** What a rotation of an encryption key begins with. */
export interface Beginning {
  /** What is asked for, or what an earlier rotation owes. */
  reason: Reason;
  /** The version that a new one is made after; where none is made, the oldest that is left behind. */
  from: number;
  /** Where none is made: the version that stays, which Vault has made by itself or an earlier rotation. */
  to?: number;
  /** An earlier rotation has replaced all that is left behind; nothing is new that evidence could be asked for. */
  isShown: boolean;
}

/**
 * What a rotation of a key would begin with that is not under way; undefined where nothing is to be done. Pure: the run,
 * its gates and its dry run go by it.
 * @param asked `anew`: a version is made even where none is due
 */
export function beginningOf(
  key: Pick<EncryptionKey, "autoRotate" | "stored">,
  { versions, journal }: { versions: KeyVersions; journal?: Journal | undefined },
  asked: { reason: Reason; anew?: boolean },
  now: Date,
): Beginning | undefined {
  const reason = owed(journal) ?? asked.reason;
  const due = dueOf(key, versions);
  const isLate = due !== undefined && now >= due;
  if (asked.anew === true || isShort(reason) || isLate) {
    return { reason, from: versions.latest, isShown: false };
  }
  const hasOld = versions.latest > versions.available && key.stored.length > 0;
  if (!hasOld) return undefined;
  const isShown = isOnlyKept({ versions, journal });
  return { reason, from: versions.available, to: versions.latest, isShown };
}

/** The version that is made once what is under way has ended, hastened by who asks; undefined where none follows. Pure. */
export function followingOf(
  { latest }: Pick<KeyVersions, "latest">,
  journal: Journal,
  asked: Reason,
): Beginning | undefined {
  const reason = hasten(asked, journal).followedBy ?? journal.followedBy;
  if (reason === undefined) return undefined;
  return { reason, from: Math.max(latest, journal.to ?? journal.from + 1), isShown: false };
}
