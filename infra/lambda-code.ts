import { join } from "node:path";
import type { LambdaName } from "../model/aws.ts";

/** Where a function's bundle lies below the folder of all of them. */
export function lambdaCode(folder: string): Record<LambdaName, string> {
  return { "rotate-due": join(folder, "rotate-due"), "rotate-postgres": join(folder, "rotate-postgres") };
}
