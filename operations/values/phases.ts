import type { Consumer, Secret } from "../../model/model.ts";
import { type Fields, inOrder, pairNames, withoutBefore } from "./shape.ts";

/**
 * What a consumer holds on the way from one version to the next:
 * `both`: signs with the current value and accepts the next one (readers of kinds that keep one before);
 * `next`: the next version as it is, the current value in the field of the one before;
 * `dropped`: the next value alone; `back`: the version before, after rolling back.
 */
export type Phase = "both" | "next" | "dropped" | "back";

/** What a consumer is to hold: a source version in one of its phases. */
export interface Wanted {
  source: number;
  phase: Phase;
}

/** The two moments of a rotation at which consumers get something, and the two of its way back. */
export type Moment = "listeners" | "signers" | "signers-back" | "all-back";

/** The two versions of a source that a rotation is about; `current` is undefined for a first value. */
export interface Versions {
  current: Fields | undefined;
  next: Fields;
}

/**
 * What a consumer is to hold after a moment; undefined where it keeps what it has. Whoever accepts gets the next value
 * before anyone signs with it (R29), and on the way back keeps it until nobody signs with it any more.
 */
export function phaseAt(
  secret: Pick<Secret, "kind">,
  { role }: Pick<Consumer, "role">,
  moment: Moment,
  isFirst: boolean,
): Phase | undefined {
  const accepts = role === "reader" && pairNames(secret) !== undefined && !isFirst;
  switch (moment) {
    case "listeners":
      return role === "listener" ? "next" : accepts ? "both" : undefined;
    case "signers":
      return "next";
    case "signers-back":
      return role === "listener" ? undefined : accepts ? "both" : "back";
    case "all-back":
      return "back";
  }
}

/** Consumers in the order in which a moment reaches them. */
export function orderAt(consumers: Consumer[], moment: Moment): Consumer[] {
  const ordered = inOrder(consumers);
  return moment === "signers-back" || moment === "all-back" ? ordered.reverse() : ordered;
}

/** The source fields that a phase is made of. */
export function fieldsAt(
  secret: Pick<Secret, "kind" | "fields">,
  phase: Phase,
  { current, next }: Versions,
): Fields {
  switch (phase) {
    case "next":
      return next;
    case "dropped":
      return withoutBefore(secret, next) ?? next;
    case "back":
      if (current === undefined) throw new Error("a first value has none before it to go back to");
      return { ...addedFields(secret, { current, next }), ...current };
    case "both":
      return acceptingNext(secret, { current, next });
  }
}

/**
 * Fields of the next version that the one before had not yet. Whoever reads them now could not be given the old value without:
 * they stay as they are. Not where a version keeps two values: its other fields name and publish these.
 */
function addedFields(secret: Pick<Secret, "kind" | "fields">, { current, next }: Versions): Fields {
  if (pairNames(secret) !== undefined) return {};
  const added = secret.fields.filter((field) => current?.[field] === undefined);
  return Object.fromEntries(
    added.flatMap((field) => (next[field] === undefined ? [] : [[field, next[field]]])),
  );
}

/** The next version with the two values exchanged: it signs with the current one, by the current one's key id. */
function acceptingNext(secret: Pick<Secret, "kind">, { current, next }: Versions): Fields {
  const pair = pairNames(secret);
  const now = pair && current?.[pair.now];
  const following = pair && next[pair.now];
  if (pair === undefined || now === undefined || following === undefined) return next;
  const id = current?.["key-id"];
  return {
    ...next,
    [pair.now]: now,
    [pair.before]: following,
    ...(id !== undefined && { "key-id": id }),
  };
}
