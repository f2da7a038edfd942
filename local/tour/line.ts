import type { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import type { AuditTrail } from "../../operations/audit/trail.ts";
import type { TrailEvent } from "../aws/trail-event.ts";
import type { LocalServices } from "../services/index.ts";

export interface TourContext {
  services: LocalServices;
  model: Model;
  /** A client without a token. */
  vault: Vault;
  trail: AuditTrail;
}

/** One promise that the tour looked at. Holds no value. */
export interface TourLine {
  /** What should be so, as a sentence. */
  promise: string;
  /** `not shown`: the catalogue, or the emulator of AWS, has nothing to show it with, which is no failure. */
  outcome: "holds" | "fails" | "not shown";
  /** What was seen, or why nothing could be. */
  seen: string;
  /** What was done is written down by Vault, or by AWS. */
  kept?: "audit" | "trail";
  /** Vault's audit line of what was done. */
  audit?: AuditEntry;
  /** CloudTrail's event of what was done. */
  trail?: TrailEvent;
}

/** A promise that was put to the test. What leaves no line in every audit file does not hold. */
export function tried(
  promise: string,
  holds: boolean,
  seen: string,
  audit: AuditEntry | undefined,
): TourLine {
  return audit === undefined
    ? { promise, outcome: "fails", seen, kept: "audit" }
    : { promise, outcome: holds ? "holds" : "fails", seen, kept: "audit", audit };
}

/** The same of what AWS writes down. What leaves no event in CloudTrail does not hold. */
export function triedInAws(
  promise: string,
  holds: boolean,
  seen: string,
  trail: TrailEvent | undefined,
): TourLine {
  return trail === undefined
    ? { promise, outcome: "fails", seen, kept: "trail" }
    : { promise, outcome: holds ? "holds" : "fails", seen, kept: "trail", trail };
}

/** @param why what the catalogue, or the emulator, lacks for it */
export function notShown(promise: string, why: string): TourLine {
  return { promise, outcome: "not shown", seen: why };
}
