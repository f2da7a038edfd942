import type { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import type { LocalServices } from "../services/index.ts";
import type { AuditTrail } from "./trail.ts";

export interface TourContext {
  services: LocalServices;
  model: Model;
  /** A client without a token. */
  vault: Vault;
  trail: AuditTrail;
}

/** One thing that the tour showed. Holds no value. */
export interface TourLine {
  /** What should be so, as a sentence. */
  promise: string;
  holds: boolean;
  /** What was seen. */
  seen: string;
  /** The audit line of what was done. */
  audit: AuditEntry | undefined;
}
