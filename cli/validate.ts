import type { Command } from "commander";
import { define } from "./command.ts";
import { printText, problemsOf } from "./output.ts";
import { writeReport } from "./report-file.ts";

export function command(): Command {
  return define({
    name: "validate",
    summary: "check the catalogue and the Git bootstrap files",
    details:
      "Reads files only: no Vault, no network. Every environment is checked, and every problem of every file is " +
      "printed in one run. With an age key at hand (SOPS_AGE_KEY_FILE) the bootstrap files' values are checked " +
      "too, without one what shows from outside.",
    examples: [
      ["keyplane validate", "check the folder catalogue/ and what lies beside it"],
      ["keyplane validate --json --catalogue other/catalogue", "the same for a program, of another folder"],
    ],
    configure: (command) =>
      command
        .option("--markdown <file>", "also write the result as a section of a pull request's comment")
        .option("--annotate", "print problems as annotations of GitHub Actions as well", false),
    async run({ catalogue, report, options, dryRun, json }) {
      const [{ validate }, { hasAgeKey }] = await Promise.all([
        import("../operations/validate.ts"),
        import("../operations/sops/binary.ts"),
      ]);
      const sops = async () => (await import("../local/toolchain/index.ts")).findTool("sops", report);
      const valid = await validate(catalogue, hasAgeKey(process.env) ? sops : undefined).catch(
        async (error: unknown) => {
          if (options.annotate === true && !json) await annotate(error);
          throw error;
        },
      );
      const { environments, systems, services, secrets, bootstrap } = valid;
      const lines = [
        `${catalogue}: ${systems} systems, ${services} services, ${secrets} secrets in ${environments.join(", ")}: valid.`,
        ...bootstrap.map(({ file, checked, lacks }) => `${file}: ${what[checked]}: valid.${behind(lacks)}`),
      ];
      if (typeof options.markdown === "string" && !dryRun) {
        const { plain } = await import("../model/markdown.ts");
        const text = lines.map((line) => `- ${plain(line)}\n`).join("");
        await writeReport(options.markdown, `**passed**\n\n${text}`);
      }
      return { json: { catalogue, problems: [], ...valid }, text: lines.join("\n") };
    },
  });
}

async function annotate(error: unknown): Promise<void> {
  const { annotation } = await import("../policies/output/annotations.ts");
  const lines = problemsOf(error).map(({ message, ...place }) =>
    annotation("error", "keyplane validate", message, place),
  );
  await printText(lines.join("\n"));
}

function behind(lacks: string[]): string {
  return lacks.length === 0 ? "" : ` It lacks ${lacks.join(", ")}: run \`keyplane sops encrypt --all\`.`;
}

const what = {
  values: "values and structure",
  structure: "structure (no age key at hand to look at values)",
} as const;
