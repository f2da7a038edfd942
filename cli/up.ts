import { styleText } from "node:util";
import { type Command, Option } from "commander";
import type { TourLine } from "../local/tour/index.ts";
import type { UpResult } from "../local/up.ts";
import { define } from "./command.ts";
import { exit, UsageError } from "./exit.ts";

export function command(): Command {
  return define({
    name: "up",
    summary: "bring up the local stack from the catalogue and show that it works",
    details:
      "Starts Vault, Postgres and an OIDC issuer on 127.0.0.1, runs the same program as staging and production " +
      "through Pulumi, makes first values, and ends with a tour. Running it again changes nothing.",
    examples: [
      ["keyplane up", "everything, with the tour"],
      ["keyplane up --dry-run", "what would change in Vault (services are started for it)"],
    ],
    configure: (up) =>
      up
        .option("--no-tour", "stop after the update")
        .addOption(
          new Option("--providers <which>", "serve Pulumi's resources in process, or by the official plugins")
            .choices(["local", "official"])
            .default("local"),
        ),
    async run({ catalogue, environment, home, dryRun, report, options }) {
      if (environment !== "local") {
        throw new UsageError(
          `keyplane up brings up the local environment only; for ${environment} run: pulumi up --stack ${environment}`,
        );
      }
      const [{ up }, { tour }, { Vault }] = await Promise.all([
        import("../local/up.ts"),
        import("../local/tour/index.ts"),
        import("../clients/vault.ts"),
      ]);
      const result = await up({
        home,
        catalogue,
        dryRun,
        report,
        providers: options.providers === "official" ? "official" : "local",
      });
      const lines: TourLine[] = [];
      if (!dryRun && options.tour !== false) {
        const vault = new Vault({ address: result.services.vault.address, ca: result.services.vault.ca });
        for await (const line of tour({ services: result.services, model: result.model, vault })) {
          lines.push(line);
          report({ subject: "tour", state: "progress", text: line.promise });
        }
        const holding = lines.filter(({ holds }) => holds).length;
        report({
          subject: "tour",
          state: holding === lines.length ? "done" : "failed",
          text: `${holding} of ${lines.length} promises hold`,
        });
        await vault.close();
      }
      return {
        json: {
          changed: result.changed,
          changes: result.changes,
          vault: result.services.vault.address,
          unset: result.unset,
          tour: lines,
        },
        text: summary(result, lines, dryRun),
        ...(lines.some(({ holds }) => !holds) && { code: exit.finding }),
      };
    },
  });
}

function summary(result: UpResult, lines: TourLine[], dryRun: boolean): string {
  const { services, changed, unset } = result;
  if (dryRun) return changed === 0 ? "Nothing to change." : `${changed} resource(s) would change.`;
  return [
    ...lines.flatMap(tourText),
    lines.length > 0 ? "" : undefined,
    changed === 0 ? "Nothing to change: no resource was touched." : `${changed} resource(s) changed.`,
    `Vault   ${services.vault.address}   (CA: ${services.vault.caFile})`,
    `Audit   ${services.vault.auditDirectories.join("   ")}`,
    "",
    "What to try next:",
    "  npx keyplane status                     what runs, and where",
    `  npx keyplane enrol ada                  hand a person their password and second factor, once`,
    ...(unset[0] === undefined
      ? []
      : [
          `  npx keyplane set ${unset[0].padEnd(22)}  one of ${unset.length} secret(s) whose value only you have`,
        ]),
    "  npx keyplane up --dry-run               after a change in catalogue/: what it would do",
    "  npm run down                            stop (-- --delete also removes the data)",
  ]
    .filter((line) => line !== undefined)
    .join("\n");
}

function tourText({ promise, holds, seen, audit }: TourLine): string[] {
  const mark = holds
    ? styleText("green", "✓", { stream: process.stdout })
    : styleText("red", "✗", { stream: process.stdout });
  return [
    `${mark} ${promise}`,
    `    ${seen}`,
    audit === undefined
      ? "    audit: not in both files. A file that was unusable when Vault started needs: npm run down, npm run up"
      : `    audit: ${audit.time}  ${audit.who}  ${audit.action}  ${audit.path}  ${audit.outcome}`,
  ];
}
