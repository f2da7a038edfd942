import * as z from "zod/mini";
import type { Seconds } from "../../model/duration.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Journal } from "./journal.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";

/**
 * What an environment says of a rotation of its own, for the environment that comes after it (R25). Bound to the
 * catalogue's commit and the source's version; holds no value.
 */
export interface Evidence {
  /** Of this shape. */
  format: 2;
  environment: string;
  /** By the id that a rename keeps: the two environments may be at different commits. */
  secret: string;
  /** Id of the rotation. */
  rotation: string;
  /** Git commit of the catalogue by which it ran. */
  commit: string;
  /** Version of the source that it ended with. */
  version: number;
  outcome: "done" | "rolled-back";
  /** What counts errors of its consumers did not answer: that it went well was not seen. */
  notWatched?: boolean | undefined;
  /** Consumers of which a declared probe was not asked; `acknowledged` where that environment's catalogue says so (R46). */
  notProbed?: { consumer: string; acknowledged: boolean }[] | undefined;
  /** The target refuses the value that it ended with. */
  keptRefused?: boolean | undefined;
  /** Why it rotated in the end: a compromise and a leaver watch nothing. */
  reason: Reason;
  startedAt: string;
  /** Since when every consumer ran the new value, and when the rotation ended with all being well. */
  healthyFrom: string;
  healthyUntil: string;
  expires: string;
  /** The role that rotated. */
  by: string;
  /** Keyed hashes of the fields. */
  fingerprints: Record<string, string>;
}

const moment = z.iso.datetime();

/** What lies at an evidence path: the evidence and its seal. */
export const SealedEvidence = z.strictObject({
  evidence: z.strictObject({
    format: z.literal(2),
    environment: z.string(),
    secret: z.string(),
    rotation: z.string(),
    commit: z.string(),
    version: z.int(),
    outcome: z.enum(["done", "rolled-back"]),
    notWatched: z.optional(z.boolean()),
    notProbed: z.optional(z.array(z.strictObject({ consumer: z.string(), acknowledged: z.boolean() }))),
    keptRefused: z.optional(z.boolean()),
    reason: z.enum(["first", "scheduled", "compromise", "leaver"]),
    startedAt: moment,
    healthyFrom: moment,
    healthyUntil: moment,
    expires: moment,
    by: z.string(),
    fingerprints: z.record(z.string(), z.string()),
  }),
  seal: z.string(),
});

/** The evidence of a rotation that has ended; undefined for one that is under way, or that only made a first value. */
export function evidenceOf(
  journal: Journal,
  context: {
    environment: string;
    secret: Parameters<typeof keptId>[0];
    commit: string;
    lasts: Seconds;
    by: string;
  },
): Evidence | undefined {
  const { state, reason, since, switchedAt, startedAt, id, to, final, from, notWatched, notProbed } = journal;
  if (state !== "done" && state !== "rolled-back") return undefined;
  const isDone = state === "done";
  return {
    format: 2,
    environment: context.environment,
    secret: keptId(context.secret),
    rotation: id,
    commit: context.commit,
    version: final ?? to ?? from,
    outcome: state,
    ...(notWatched === true && { notWatched }),
    ...(notProbed !== undefined && notProbed.length > 0 && { notProbed }),
    ...(journal.keptRefused !== undefined && { keptRefused: true }),
    reason,
    startedAt,
    healthyFrom: isDone ? (switchedAt ?? since) : since,
    healthyUntil: since,
    expires: new Date(Date.parse(since) + context.lasts * 1000).toISOString(),
    by: context.by,
    fingerprints: journal.fingerprints ?? {},
  };
}

/** Why evidence does not let the next environment follow. */
export type RefusalCase =
  | "absent"
  | "another role"
  | "another secret"
  | "unhealthy"
  | "another version"
  | "expired"
  | "another commit"
  | "used";

export interface Refusal {
  case: RefusalCase;
  /** In words, with what to do. */
  why: string;
}

/** What evidence is held against. */
export interface Expected {
  /** Its name in the catalogue. */
  secret: string;
  /** The id that a rename keeps, where that is another one. */
  kept?: string;
  /** The environment that it has to come from. */
  environment: string;
  /** The commit that is about to rotate. */
  commit: string;
  /** Version of the earlier environment's source that is in force now; 0 where there is none. */
  version: number;
  /** When this environment's value was made, where it has one. */
  last?: Date;
  /** Seconds for which the new value has to have been in use there. */
  healthyFor: Seconds;
  now: Date;
}

/** The rotation role, which alone makes seals. */
const writer = "keyplane.rotate";
/** Milliseconds by which the clocks of two environments may differ. */
const clockError = 5 * 60_000;

/**
 * Whether evidence lets a rotation begin: undefined, or the first thing that is wrong with it. Pure.
 * @param evidence undefined where there is none
 * @param isSealed whether the seal is the rotation role's
 */
export function refusal(
  evidence: Evidence | undefined,
  isSealed: boolean,
  expected: Expected,
): Refusal | undefined {
  const { environment, secret, now } = expected;
  const again = `rotate it there: keyplane rotate ${secret} --environment ${environment}`;
  const refuse = (name: RefusalCase, why: string, fix = again): Refusal => ({
    case: name,
    why: `${why}; ${fix}`,
  });
  if (evidence === undefined) return refuse("absent", `${environment} has no evidence of a rotation`);
  if (!isSealed || evidence.by !== writer) {
    return refuse("another role", `the evidence was not written by ${environment}'s ${writer}`);
  }
  // Versions before 2026-11-29 wrote the catalogue's name, which at the same commit is the same.
  if (![expected.kept, secret].includes(evidence.secret) || evidence.environment !== environment) {
    return refuse("another secret", `the evidence is of ${evidence.secret} in ${evidence.environment}`);
  }
  if (evidence.outcome !== "done") {
    return refuse("unhealthy", `${environment} rolled its rotation ${evidence.rotation} back`);
  }
  if (evidence.keptRefused === true) {
    return refuse(
      "unhealthy",
      `${environment} ended its rotation ${evidence.rotation} with a value that its target refuses`,
      `\`keyplane rotations ${secret}\` says there what heals it; then ${again}`,
    );
  }
  if (evidence.notWatched === true) {
    return refuse(
      "unhealthy",
      `${environment} did not watch its rotation ${evidence.rotation}: nothing that counts errors answered before it`,
      `see that what observe: names answers there, or rotate where Vault's audit file can be read, then ${again}`,
    );
  }
  const unasked = (evidence.notProbed ?? []).filter(({ acknowledged }) => !acknowledged);
  if (unasked.length > 0) {
    const who = unasked.map(({ consumer }) => consumer).join(", ");
    return refuse(
      "unhealthy",
      `${environment} did not probe ${who} in its rotation ${evidence.rotation}, as the catalogue asks`,
      `${again} on the services' host (with --root /), or say observe: none of what nobody can look at`,
    );
  }
  if (isShort(evidence.reason)) {
    return refuse(
      "unhealthy",
      `${environment} rotated after a ${evidence.reason} and watched no error rates (${evidence.rotation})`,
    );
  }
  // The version is still the one in force (below): nobody has gone back since.
  const healthy = (now.getTime() - Date.parse(evidence.healthyFrom)) / 1000;
  if (healthy < expected.healthyFor) {
    return refuse(
      "unhealthy",
      `${environment} has run the new value for ${Math.floor(healthy)} s, and ${expected.healthyFor} s are asked for`,
      "ask again later",
    );
  }
  if (evidence.version !== expected.version) {
    return refuse(
      "another version",
      `the evidence is of version ${evidence.version}, and ${environment} has version ${expected.version} now`,
    );
  }
  if (Date.parse(evidence.expires) + clockError < now.getTime()) {
    return refuse("expired", `the evidence expired at ${evidence.expires}`);
  }
  if (evidence.commit !== expected.commit) {
    return refuse(
      "another commit",
      `the evidence is of commit ${shortened(evidence.commit)}, and this is ${shortened(expected.commit)}`,
      `check that one out here, or ${again}`,
    );
  }
  if (expected.last !== undefined && Date.parse(evidence.startedAt) <= expected.last.getTime()) {
    return refuse(
      "used",
      `the evidence is older than the last rotation here (${expected.last.toISOString()})`,
    );
  }
  return undefined;
}

/** Whether a rotation for a reason asks for evidence: what has leaked, or never had a value, cannot wait for any. */
export function asksForEvidence(reason: Reason): boolean {
  return reason === "scheduled";
}

function shortened(commit: string): string {
  return commit.slice(0, 12);
}
