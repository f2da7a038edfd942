import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isOfItsSources, lambdaCode, sourcesFile, sourcesOf } from "../infra/lambda-code.ts";
import type { LambdaName } from "../model/aws.ts";
import type { Model } from "../model/model.ts";
import { shippings } from "../model/shipping.ts";

/** Bundles the functions of an environment in a folder. The same code gives the same bytes. */
export async function bundles(folder: string, model: Model): Promise<Record<LambdaName, string>> {
  const { bundleLambda, lambdaNames } = await import("../lambdas/bundle.ts");
  const shipped = shippings(model);
  await Promise.all(
    lambdaNames.map(async (name) => {
      const sources = sourcesFile(lambdaCode(folder)[name]);
      // Whoever is stopped half-way leaves nothing that looks made.
      await rm(sources, { force: true });
      const made = await bundleLambda(name, folder, shipped[name]);
      await writeFile(sources, JSON.stringify(sourcesOf(made.sources), undefined, 1));
    }),
  );
  return lambdaCode(folder);
}

/** The same, but code that was made of what lies there today is left as it is: only what it reads of the model is written. */
export async function freshBundles(folder: string, model: Model): Promise<Record<LambdaName, string>> {
  const code = lambdaCode(folder);
  const each = Object.entries(code) as [LambdaName, string][];
  if (!each.every(([, place]) => isOfItsSources(place))) return bundles(folder, model);
  const shipped = shippings(model);
  await Promise.all(
    each.map(([name, place]) => writeFile(join(place, "model.json"), JSON.stringify(shipped[name]))),
  );
  return code;
}
