import { dirname } from "node:path";
import { Command } from "commander";
import { define } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { problemLine } from "./output.ts";

export function command(): Command {
  return new Command("sops")
    .summary("make the files of the Git bootstrap")
    .description(
      "The Git bootstrap holds settings and vault: references, never a value; it is encrypted with sops to the age " +
        "keys of the catalogue's people. Private halves stay with them (SOPS_AGE_KEY_FILE).",
    )
    .addCommand(config())
    .addCommand(encrypt());
}

function config(): Command {
  return define({
    name: "config",
    summary: "write .sops.yaml from the catalogue's people",
    examples: [
      ["keyplane sops config", "write it beside the catalogue's folder"],
      ["keyplane sops config --check", "in CI: exit 1 when it is not what the catalogue makes of it"],
    ],
    configure: (own) => own.option("--check", "write nothing; exit 1 when the file differs", false),
    async run({ catalogue, dryRun, options }) {
      const [{ checkSopsConfig, writeSopsConfig }, models] = await Promise.all([
        import("../operations/sops/files.ts"),
        modelsIn(catalogue),
      ]);
      const root = dirname(catalogue);
      if (options.check === true || dryRun) {
        const problems = await checkSopsConfig(root, models);
        return {
          json: { problems },
          text: problems.length === 0 ? ".sops.yaml: as it should be." : problems.map(problemLine).join("\n"),
          ...(problems.length > 0 && options.check === true && { code: exit.finding }),
        };
      }
      const changed = await writeSopsConfig(root, models);
      return { json: { changed }, text: changed ? ".sops.yaml: written." : ".sops.yaml: nothing to change." };
    },
  });
}

function encrypt(): Command {
  return define({
    name: "encrypt",
    summary: "make the bootstrap file of an environment, or of all",
    details: "Writes bootstrap/<environment>.enc.yaml from the catalogue. Nothing in clear touches the disk.",
    examples: [
      ["keyplane sops encrypt --environment production", "one environment"],
      ["keyplane sops encrypt --all", "every environment of the catalogue"],
    ],
    configure: (own) => own.option("--all", "every environment", false),
    async run({ catalogue, environment, dryRun, report, options }) {
      const [{ writeBootstrap }, { bootstrapFile }, { findTool }, models] = await Promise.all([
        import("../operations/sops/files.ts"),
        import("../operations/sops/config.ts"),
        import("../local/toolchain/index.ts"),
        modelsIn(catalogue),
      ]);
      const chosen =
        options.all === true ? models : models.filter((model) => model.environment === environment);
      if (chosen.length === 0) {
        const known = models.map((model) => model.environment).join(", ");
        throw new UsageError(`the catalogue has no environment of that name; it has ${known}`);
      }
      const files = chosen.map((model) => bootstrapFile(model.environment));
      if (dryRun)
        return { json: { files, dryRun }, text: files.map((file) => `Would write ${file}.`).join("\n") };
      const sops = await findTool("sops", report);
      for (const model of chosen) await writeBootstrap(dirname(catalogue), models, model, sops);
      return { json: { files }, text: files.map((file) => `${file}: written.`).join("\n") };
    },
  });
}

async function modelsIn(catalogue: string) {
  const [{ loadCatalogue }, { modelsOf }] = await Promise.all([
    import("../model/catalogue.ts"),
    import("../operations/validate.ts"),
  ]);
  return modelsOf(await loadCatalogue(catalogue));
}
