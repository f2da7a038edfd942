import { fit, limits } from "../../names.ts";
import type { Place } from "./document.ts";

/** A name of an IAM role or a function: ours, of this environment, within 64 characters. */
export function named({ environment }: Pick<Place, "environment">, ...parts: string[]): string {
  return fit(["keyplane", environment, ...parts].join("-"), limits.iam);
}

/** The group that the environment's schedules are in. */
export const scheduleGroup = (place: Pick<Place, "environment">) => named(place, "schedules");

/** Roles that more than one document names. */
export const roleNames = (place: Pick<Place, "environment">) => ({
  deploy: named(place, "deploy"),
  drift: named(place, "drift"),
  rotate: named(place, "rotate"),
  vault: named(place, "vault"),
  administrator: named(place, "administrator"),
  auditor: named(place, "auditor"),
  scheduler: named(place, "scheduler"),
  trailLogs: named(place, "trail-logs"),
});
