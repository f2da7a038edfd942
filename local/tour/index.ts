import { AuditTrail } from "../../operations/audit/trail.ts";
import { auditFiles } from "../services/index.ts";
import { awsAccount } from "./aws.ts";
import { ciJob } from "./ci.ts";
import { databaseCredentials } from "./database.ts";
import type { TourContext, TourLine } from "./line.ts";
import { personWithMfa } from "./person.ts";

export type { TourLine };

/** Shows on the running stack that the main promises hold, one line each as it is seen. Leaves nothing behind. */
export async function* tour(stack: Omit<TourContext, "trail">): AsyncGenerator<TourLine> {
  const context = { ...stack, trail: await AuditTrail.follow(auditFiles(stack.services)) };
  yield* ciJob(context);
  yield* databaseCredentials(context);
  yield* personWithMfa(context);
  yield* awsAccount(context);
}
