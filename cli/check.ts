import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { define } from "./command.ts";
import { exit } from "./exit.ts";

export function command(): Command {
  return define({
    name: "check",
    summary: "judge what the program would declare, by every policy",
    details:
      "Runs the program in this process and judges each resource: no engine, no network, no credentials, so it is " +
      "for editors, hooks and pull requests from forks. What only an update makes known (ids, accessors) is pending, " +
      "never passed; the same rules judge it in the engine.",
    examples: [
      ["keyplane check --environment production", "what is wrong with production, by line of the catalogue"],
      ["keyplane check --environment staging --annotate --sarif check.sarif", "in a workflow"],
    ],
    configure: (command) =>
      command
        .option("--sarif <file>", "also write the findings as SARIF 2.1.0")
        .option("--markdown <file>", "also write them as the comment of a pull request")
        .option("--annotate", "print them as annotations of GitHub Actions as well", false),
    async run({ catalogue: folder, environment, home, dryRun, options }) {
      const [{ loadCatalogue }, { checkProgram }, { table }] = await Promise.all([
        import("../model/catalogue.ts"),
        import("./check-program.ts"),
        import("../policies/output/table.ts"),
      ]);
      const catalogue = await loadCatalogue(folder);
      const today = new Date().toISOString().slice(0, 10);
      const auditFolder = join(home, "audit");
      const checked = await checkProgram(catalogue, environment, { today, auditFolder });
      const write = async (file: unknown, text: () => Promise<string>) => {
        if (typeof file === "string" && !dryRun) await writeFile(file, await text());
      };
      await write(options.sarif, async () => {
        const { sarif } = await import("../policies/output/sarif.ts");
        return `${JSON.stringify(sarif(checked), undefined, 2)}\n`;
      });
      await write(options.markdown, async () =>
        (await import("../policies/output/markdown.ts")).markdown(checked),
      );
      const { annotations } = await import("../policies/output/annotations.ts");
      const lines = options.annotate === true ? [annotations(checked), table(checked)] : [table(checked)];
      const violated = checked.findings.some(({ verdict }) => verdict === "violated");
      return {
        json: {
          environment,
          resources: checked.resources,
          findings: checked.findings.map(({ rule, ...finding }) => ({
            rule: rule.name,
            severity: rule.severity,
            sentence: rule.sentence,
            fix: rule.fix,
            controls: rule.controls,
            ...finding,
          })),
          exceptions: checked.exceptions,
        },
        text: lines.filter((text) => text !== "").join("\n"),
        code: violated ? exit.finding : exit.clean,
      };
    },
  });
}
