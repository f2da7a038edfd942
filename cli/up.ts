import { join } from "node:path";
import { type Command, Option } from "commander";
import type { TourLine } from "../local/tour/index.ts";
import type { UpResult } from "../local/up.ts";
import { lineOf, outcomeOf, verdictOf } from "../operations/gates/gate.ts";
import { define, type Result } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { nextStepLines, nextSteps } from "./next-steps.ts";
import { planLines } from "./plan.ts";
import { tourCode, tourCount, tourText } from "./tour.ts";

export function command(): Command {
  return define({
    name: "up",
    summary: "bring up the local stack from the catalogue and show that it works",
    details:
      "Starts Vault, Postgres, an OIDC issuer and an AWS emulator on 127.0.0.1, runs the same program as staging and production " +
      "through Pulumi, makes first values, and ends with a tour. Running it again changes nothing. Ctrl-C stops it between " +
      "two steps with its sessions ended (exit 4), a second one at once; run again, it goes on. What somebody changed by " +
      "hand in Vault or AWS is seen and put right with --refresh only, which looks at every resource.",
    examples: [
      ["keyplane up", "everything, with the tour"],
      ["keyplane up --dry-run", "what would change in Vault (services are started for it)"],
      ["keyplane up --refresh", "also put right what was changed by hand, and name it"],
    ],
    interruptible: true,
    configure: (up) =>
      up
        .option("--refresh", "first look at what is there, and put right what was changed by hand", false)
        .option("--no-tour", "stop after the update")
        .addOption(
          new Option("--providers <which>", "serve Pulumi's resources in process, or by the official plugins")
            .choices(["local", "official"])
            .default("local"),
        ),
    async run({ catalogue, environment, home, dryRun, report, signal, options }) {
      if (environment !== "local") {
        throw new UsageError(
          `keyplane up brings up the local environment only; for ${environment} run: pulumi up --stack ${environment}`,
        );
      }
      // What the policies refuse by the catalogue alone is refused before anything is started.
      const refused = await refusedByPolicies(catalogue, home);
      if (refused !== undefined) return refused;
      const [{ up }, { tour }, { Vault }] = await Promise.all([
        import("../local/up.ts"),
        import("../local/tour/index.ts"),
        import("../clients/vault.ts"),
      ]);
      const result = await up({
        home,
        catalogue,
        dryRun,
        refresh: options.refresh === true,
        report,
        signal,
        providers: options.providers === "official" ? "official" : "local",
      });
      const guided = !dryRun && options.tour !== false;
      const lines: TourLine[] = [];
      if (guided) {
        const vault = new Vault({ address: result.services.vault.address, ca: result.services.vault.ca });
        try {
          for await (const line of tour({ services: result.services, model: result.model, vault })) {
            lines.push(line);
            report({ subject: "tour", state: "progress", text: line.promise });
            // The tour ends what it has begun.
            signal.throwIfAborted();
          }
        } finally {
          await vault.close();
        }
        report({
          subject: "tour",
          state: tourCode(lines) === 0 ? "done" : "failed",
          text: tourCount(lines),
        });
      }
      return {
        json: {
          changed: result.changed,
          changes: result.changes,
          resources: result.touched,
          vault: result.services.vault.address,
          unset: result.unset,
          policies: {
            verdict: verdictOf(result.gates),
            gates: result.gates.map((gate) => ({ ...gate, outcome: outcomeOf(gate) })),
          },
          tour: lines,
        },
        text: summary(result, lines, dryRun),
        ...(guided && { code: tourCode(lines) }),
      };
    },
  });
}

/** What `keyplane check` finds wrong with the local environment, as a result; undefined where nothing is. */
async function refusedByPolicies(folder: string, home: string): Promise<Result | undefined> {
  const [{ loadCatalogue }, { checkProgram }, { table }] = await Promise.all([
    import("../model/catalogue.ts"),
    import("./check-program.ts"),
    import("../policies/output/table.ts"),
  ]);
  const checked = await checkProgram(await loadCatalogue(folder), "local", {
    today: new Date().toISOString().slice(0, 10),
    auditFolder: join(home, "audit"),
  });
  const violated = checked.findings.filter(({ verdict }) => verdict === "violated");
  if (violated.length === 0) return undefined;
  return {
    json: {
      changed: 0,
      policies: {
        verdict: "failed",
        violated: violated.map(({ rule, entry, message, urn }) => ({ rule: rule.name, entry, message, urn })),
      },
    },
    text: `${table(checked)}\nThe policies stop it: nothing was started or changed.`,
    code: exit.finding,
  };
}

function summary(result: UpResult, lines: TourLine[], dryRun: boolean): string {
  const { services, changed } = result;
  const policies = result.gates.map((gate) => `Policies, ${lineOf(gate)}`);
  if (dryRun) {
    const plan =
      changed === 0
        ? ["Nothing to change."]
        : [...planLines(result.touched), `${changed} resource(s) would change.`];
    return [...plan, ...policies].join("\n");
  }
  return [
    ...tourText(lines),
    lines.length > 0 ? "" : undefined,
    changed === 0 ? "Nothing to change: no resource was touched." : `${changed} resource(s) changed.`,
    ...few(result),
    `Vault   ${services.vault.address}   (CA: ${services.vault.caFile})`,
    `Audit   ${services.vault.auditDirectories.join("   ")}`,
    ...policies,
    `Policies: ${verdictOf(result.gates)}`,
    "",
    "What to try next:",
    ...nextStepLines(nextSteps(result)),
  ]
    .filter((line) => line !== undefined)
    .join("\n");
}

/** What was changed, where it is not too much to read. */
function few({ touched }: UpResult): string[] {
  return touched.length > 10 ? [] : planLines(touched);
}
