import type { Seconds } from "../../model/duration.ts";
import type { Consumer, Secret } from "../../model/model.ts";
import { pairNames } from "../values/shape.ts";

/** What says who accepts the old value, and for how long. */
export type Accepted = Pick<
  Secret,
  "kind" | "fields" | "templates" | "rotate" | "provider" | "databaseUser" | "consumers"
>;

/** After that a CI job that read a value is over, and its token with it (R13). */
export const jobLasts: Seconds = 3600;

/** Ids of the CI jobs that read it: one that began before the switch goes on with the old value. */
export function jobsOf({ consumers }: Pick<Secret, "consumers">): string[] {
  return consumers.filter(({ kind }) => kind === "ci").map(({ id }) => id);
}

/** Whether a password, or a store's root user, is checked by a server of ours that reads it at its start. */
export function isServers({ kind, provider }: Pick<Secret, "kind" | "provider">): boolean {
  return kind === "password" || (kind === "s3" && provider?.api !== true);
}

/** Whether something accepts the old value beside the new one until it is revoked; else it is refused at the change itself. */
export function acceptsBoth(secret: Accepted): boolean {
  const { rotate, databaseUser, consumers } = secret;
  if (rotate.by === "hand") return true;
  if (databaseUser !== undefined) return databaseUser.logins.length > 1;
  if (isServers(secret)) return false;
  if (pairNames(secret) === undefined) return true;
  // A job that is given no variables reads the whole path, and checks nothing by it.
  return consumers.some(
    (consumer) =>
      (consumer.kind === "service" || Object.keys(consumer.as).length > 0) &&
      holdsOneBefore(secret, consumer),
  );
}

/** Whether what a consumer reads changes when the value before is dropped. */
export function holdsOneBefore(
  secret: Pick<Secret, "kind" | "fields" | "templates">,
  consumer: Consumer,
): boolean {
  const pair = pairNames(secret);
  if (pair === undefined) return false;
  const named = Object.values(consumer.as);
  const read = named.length > 0 ? named : [...secret.fields, ...Object.keys(secret.templates)];
  const parts = read.flatMap((field) => secret.templates[field]?.match(/(?<=\{)[^{}]+(?=\})/g) ?? [field]);
  return parts.some((field) => field === pair.before || field === "jwks");
}

/** How long the old value drains after the switch: its overlap, and the end of every job that may have read it. */
export function drainOf(secret: Accepted): Seconds {
  const waitsForJobs = jobsOf(secret).length > 0 && acceptsBoth(secret);
  return Math.max(secret.rotate.overlap, waitsForJobs ? jobLasts : 0);
}
