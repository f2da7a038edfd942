import { writeFile } from "node:fs/promises";
import { lambdaCode, sourcesFile, sourcesOf } from "../infra/lambda-code.ts";
import { bundleLambda, lambdaNames } from "../lambdas/bundle.ts";
import type { LambdaName } from "../model/aws.ts";
import type { Model } from "../model/model.ts";
import { shippings } from "../model/shipping.ts";

/** Bundles the functions of an environment in a folder. The same code gives the same bytes. */
export async function bundles(folder: string, model: Model): Promise<Record<LambdaName, string>> {
  const shipped = shippings(model);
  await Promise.all(
    lambdaNames.map(async (name) => {
      const made = await bundleLambda(name, folder, shipped[name]);
      await writeFile(sourcesFile(made.folder), JSON.stringify(sourcesOf(made.sources), undefined, 1));
    }),
  );
  return lambdaCode(folder);
}
