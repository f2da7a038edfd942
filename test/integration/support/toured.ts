import { auditFiles } from "../../../local/services/index.ts";
import type { TourContext, TourLine } from "../../../local/tour/line.ts";
import { AuditTrail } from "../../../operations/audit/trail.ts";
import type { Running } from "./credentials.ts";

/** What a part of `up`'s tour shows on a stack. */
export async function toured(
  running: Running,
  part: (context: TourContext) => AsyncGenerator<TourLine>,
): Promise<TourLine[]> {
  const trail = await AuditTrail.follow(auditFiles(running.services));
  const lines: TourLine[] = [];
  for await (const line of part({ ...running, trail })) lines.push(line);
  return lines;
}
