import { lambdaCode } from "../infra/lambda-code.ts";
import { bundleLambda } from "../lambdas/bundle.ts";
import { shipped } from "../lambdas/rotate-due/shipping.ts";
import type { LambdaName } from "../model/aws.ts";
import type { Model } from "../model/model.ts";

/** Bundles the functions of an environment in a folder. The same code gives the same bytes. */
export async function bundles(folder: string, model: Model): Promise<Record<LambdaName, string>> {
  await Promise.all([
    bundleLambda("rotate-due", folder, { model: shipped(model) }),
    bundleLambda("rotate-postgres", folder),
  ]);
  return lambdaCode(folder);
}
