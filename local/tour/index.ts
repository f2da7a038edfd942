import type { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import type { LocalServices } from "../services/index.ts";
import { ciJob } from "./ci.ts";
import { databaseCredentials } from "./database.ts";
import { personWithMfa } from "./person.ts";
import { AuditTrail } from "./trail.ts";

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

/** Shows on the running stack that the main promises hold, one line each as it is seen. Leaves nothing behind. */
export async function* tour(stack: Omit<TourContext, "trail">): AsyncGenerator<TourLine> {
  const context = { ...stack, trail: await AuditTrail.follow(stack.services) };
  yield* ciJob(context);
  yield* databaseCredentials(context);
  yield* personWithMfa(context);
}
