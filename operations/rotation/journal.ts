import type { Secret } from "../../model/model.ts";
import type { LogMark } from "../delivery/log-mark.ts";
import type { OwedKey } from "./owed-keys.ts";
import type { Reason } from "./rotator.ts";

/** The steps of a rotation in their order, and how it can end (R26). */
export const steps = [
  "generate",
  "stage",
  "deliver-listeners",
  "observe-listeners",
  "deliver-signers",
  "observe-signers",
  "watch",
  "migrate",
  "drain",
  "revoke",
  "verify",
  "done",
] as const;
export type Step = (typeof steps)[number];
/** `rolling-back` returns every consumer to the version before; `rolled-back` is its end. */
export type State = Step | "rolling-back" | "rolled-back";

/** One rotation as any runner finds it. Never holds a value: versions, names and keyed hashes only. */
export interface Journal {
  state: State;
  /** Random; names the rotation. */
  id: string;
  reason: Reason;
  /** Who acts, until when (ISO 8601, Vault's clock). Another runner may take over after that. */
  owner: string;
  leaseUntil: string;
  /** How often the present state was begun. */
  attempt: number;
  /**
   * Source versions: before (0: none), the new one, and the one that ends it: without the old value, or after rolling
   * back with the content of the one before.
   */
  from: number;
  to?: number;
  final?: number;
  startedAt: string;
  /** What its values are and who issues them, by the catalogue with which it began. */
  madeAt?: MadeAt;
  /** Those of the consumers with which it began. */
  paths?: string[];
  /** Git commit of the catalogue by which it began, where one is known: evidence is bound to it (R25). */
  commit?: string;
  /** When the present state began. */
  since: string;
  /** When the signers all had the new value: the overlap counts from here. */
  switchedAt?: string;
  /** Rolled back: when nobody was given the new value any more. Who still uses it is waited for from here. */
  backAt?: string;
  /** When what had to be refused was seen to be; its versions are destroyed after that. */
  verifiedAt?: string;
  /** Not before this time there is something to do (ISO 8601). */
  notBefore?: string;
  /** Why it does not go on, in words; names consumers and targets, never a value. */
  waiting?: string;
  /** What a short path left out, in words. */
  skipped: string[];
  /** What was accepted although it could not be seen, in words: sinks that cannot be read back, idle source none. */
  notes?: string[];
  /**
   * Consumer, sink and version that were brought where nobody can see what runs → when it is taken to run it (ISO 8601).
   * A later run does not reload it again.
   */
  unseen?: Record<string, string>;
  /**
   * Consumer that reads Vault itself → how far its log was, on which host, before its path was written: what it says from
   * there on, it says with what lies there. Others have that beside their files.
   */
  logMarks?: Record<string, LogMark & { host: string }>;
  /**
   * Consumer and sink, of those that were seen to run since it began → on which hosts a runner saw it: one that is not seen
   * there any more does not count as unseen.
   */
  seenOn?: Record<string, string[]>;
  /** Someone wants it rolled back: why. Whoever holds the lease does it. */
  abort?: string;
  /**
   * The reason of another rotation that follows this one when it has ended, whoever is there then: a compromise was told
   * while this one was under way, and its new value may be the one that leaked.
   */
  followedBy?: Exclude<Reason, "first" | "scheduled">;
  /** Who says to have seen the old value unused and to have revoked it, where a person does that. */
  confirmedBy?: string;
  /** A version that somebody else wrote after `to`, and that a person lets the last one take the place of. */
  overVersion?: number;
  /** Old encryption keys are destroyed with the rotation, before their retention ends: a person has asked for it. */
  destroysOld?: boolean;
  /** Source versions with an old encryption key, until when (ISO 8601) nothing destroys them (R22). Nobody is given them. */
  kept?: { version: number; until: string }[];
  /** Rates before the rotation, by source, per second. */
  baseline?: Record<string, number>;
  /** Nothing that counts errors answered before it: whether errors rose is not known, and evidence says so (R48). */
  notWatched?: boolean;
  /** Consumers of which a declared probe was not asked; `acknowledged` where the catalogue says so (R46). */
  notProbed?: { consumer: string; acknowledged: boolean }[];
  /** The value that everybody has is refused at the target, as the other one is: in words, with what heals it. */
  keptRefused?: string;
  /** Keys at the target that were refused when they were to be revoked, and may live: owed until they are seen gone there. */
  unrevoked?: OwedKey[];
  /** Why it was rolled back. */
  failure?: string;
  /** Keyed hashes of the new version's fields. */
  fingerprints?: Record<string, string>;
  /** The last rotations before this one, newest first, at most 20. */
  history: Past[];
}

/** What a rotation began with: the kind of its values, and where they are made. A later run may find the catalogue changed. */
export interface MadeAt {
  kind: string;
  /** The provider's name in the catalogue, and how it is spoken to. */
  provider?: string | undefined;
  adapter?: string | undefined;
  /** Of the provider's API in this environment, of the nats-servers or the database. */
  address?: string | undefined;
}

export interface Past {
  id: string;
  reason: Reason;
  outcome: "done" | "rolled-back";
  from: number;
  to: number;
  startedAt: string;
  endedAt: string;
  failure?: string;
  keptRefused?: string;
  confirmedBy?: string;
}

/** Whether the old value may be refused already: nobody may ask for the way back then. */
export function isPastReturn({ state }: Pick<Journal, "state">): boolean {
  return state === "revoke" || state === "verify" || state === "done";
}

/** Whether consumers are being brought the new value: one of them that does not work with it lets the rotation go back. */
export function isSwitching({ state }: Pick<Journal, "state">): boolean {
  return state.startsWith("deliver-") || state.startsWith("observe-");
}

/** Whether a journal's rotation is under way. */
export function isUnderWay(journal: Pick<Journal, "state"> | undefined): boolean {
  return journal !== undefined && journal.state !== "done" && journal.state !== "rolled-back";
}

/** The reason of the rotation that is still to follow one that has ended; undefined where none is. */
export function owed(journal: Pick<Journal, "state" | "followedBy"> | undefined): Journal["followedBy"] {
  return isUnderWay(journal) ? undefined : journal?.followedBy;
}

/** Whether a rotation has begun and not ended, or is still to follow one that has. */
export function isOpen(journal: Pick<Journal, "state" | "followedBy"> | undefined): boolean {
  return isUnderWay(journal) || owed(journal) !== undefined;
}

/** What is retired, and has nothing left to be ended. */
export function isRetired({ retired }: Pick<Secret, "retired">, journal: Journal | undefined): boolean {
  return retired !== undefined && !isOpen(journal);
}

/** What somebody without the lease may write into a journal: its holder finds it. */
export type Wish = Pick<
  Journal,
  "reason" | "followedBy" | "abort" | "destroysOld" | "confirmedBy" | "overVersion"
>;

/** Whether somebody without the lease has asked for something else, or given their word, between two looks at a journal. */
export function wasAsked(before: Journal, now: Journal): boolean {
  const looked = ["reason", "abort", "confirmedBy", "overVersion"] as const;
  return looked.some((wish) => before[wish] !== now[wish]);
}

/** Whether no consumer is given the value any more that a person is to revoke: a word before that cannot be of it. */
export function takesWord(
  { state, switchedAt, backAt }: Journal,
  { retired }: Pick<Secret, "retired">,
): boolean {
  if (retired !== undefined) return true;
  return (state === "rolling-back" ? backAt : switchedAt) !== undefined;
}

/** A rotation that has ended, as the next one's history keeps it. */
export function pastOf(journal: Journal): Past {
  const { id, reason, state, from, to, startedAt, since, failure, keptRefused, confirmedBy } = journal;
  return {
    id,
    reason,
    outcome: state === "done" ? "done" : "rolled-back",
    from,
    to: to ?? from,
    startedAt,
    endedAt: since,
    ...(failure !== undefined && { failure }),
    ...(keptRefused !== undefined && { keptRefused }),
    ...(confirmedBy !== undefined && { confirmedBy }),
  };
}
