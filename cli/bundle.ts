import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { define } from "./command.ts";
import { UsageError } from "./exit.ts";

export function command(): Command {
  return define({
    name: "bundle",
    summary: "make the code of the functions that AWS runs, for pulumi up",
    details:
      "One file per function, and beside it what it reads of the catalogue (no value). `pulumi up` of the " +
      "environment takes it from the folder that KEYPLANE_LAMBDAS names, else .keyplane/lambdas/<environment>. Reaches nothing.",
    examples: [["keyplane bundle --environment staging", "before pulumi preview or pulumi up of staging"]],
    async run({ catalogue, environment }) {
      const [{ bundles }, { loadCatalogue }, { derive }] = await Promise.all([
        import("../local/lambdas.ts"),
        import("../model/catalogue.ts"),
        import("../model/derive.ts"),
      ]);
      const model = derive(await loadCatalogue(catalogue), environment);
      if (model.aws === undefined) {
        throw new UsageError(
          `${environment} has no AWS account in the catalogue: nothing is bundled for it (keyplane up does so by itself)`,
        );
      }
      const folder = resolve(process.env.KEYPLANE_LAMBDAS ?? `.keyplane/lambdas/${environment}`);
      const functions = await bundles(folder, model);
      return {
        json: { environment, functions },
        text: Object.values(functions)
          .map((path) => relative(process.cwd(), path) || path)
          .join("\n"),
      };
    },
  });
}
