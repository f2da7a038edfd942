import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LambdaName } from "../model/aws.ts";

/** Where a function's bundle lies below the folder of all of them. */
export function lambdaCode(folder: string): Record<LambdaName, string> {
  return { "rotate-due": join(folder, "rotate-due"), "rotate-postgres": join(folder, "rotate-postgres") };
}

/** @throws where a bundle is not there, with the command that makes it */
export function requireBundles(code: Record<LambdaName, string>, environment: string): void {
  for (const folder of Object.values(code)) {
    if (existsSync(join(folder, "index.mjs"))) continue;
    throw new Error(
      `${folder} holds no code of a function: npx keyplane bundle --environment ${environment} makes it`,
    );
  }
}
