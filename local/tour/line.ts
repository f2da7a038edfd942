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
  /** Who writes down what was done; nobody, where nothing was. */
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
  const outcome = holds && audit !== undefined ? "holds" : "fails";
  return { promise, outcome, seen, kept: "audit", ...(audit !== undefined && { audit }) };
}

/** The same of what AWS writes down. What leaves no event in CloudTrail does not hold. */
export function triedInAws(
  promise: string,
  holds: boolean,
  seen: string,
  trail: TrailEvent | undefined,
): TourLine {
  const outcome = holds && trail !== undefined ? "holds" : "fails";
  return { promise, outcome, seen, kept: "trail", ...(trail !== undefined && { trail }) };
}

/** A promise that failed before there was anything to write down. */
export function failed(promise: string, seen: string): TourLine {
  return { promise, outcome: "fails", seen };
}

/** @param why what the catalogue, or the emulator, lacks for it */
export function notShown(promise: string, why: string): TourLine {
  return { promise, outcome: "not shown", seen: why };
}
