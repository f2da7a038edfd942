import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Model } from "../model/model.ts";
import type { Gate } from "../operations/gates/gate.ts";
import type { PlatformRole } from "../operations/login.ts";
import type { Check } from "../policies/check.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { writeReport } from "./report-file.ts";

export function command(): Command {
  return define({
    name: "check",
    summary: "judge what the program would declare, by every policy",
    details:
      "Runs the program in this process and judges each resource: no engine, no network, no credentials, so it is " +
      "for editors, hooks and pull requests from forks. What only an update makes known (ids, accessors) is pending, " +
      "never passed. --state judges what an update has made, by the engine, and --live tries on the live system what " +
      "only it can show; all three together are the verdict that production needs.",
    examples: [
      ["keyplane check --environment production", "what is wrong with production, by line of the catalogue"],
      ["keyplane check --environment staging --annotate --sarif check.sarif", "in a workflow"],
      ["keyplane check --state --live", "the other two gates as well, on the local stack"],
    ],
    configure: (command) =>
      command
        .option("--sarif <file>", "also write the findings as SARIF 2.1.0")
        .option("--markdown <file>", "also write them as the comment of a pull request")
        .option("--annotate", "print them as annotations of GitHub Actions as well", false)
        .option("--state", "also judge the state of every stack, by `pulumi policy analyze`", false)
        .option("--live", "also probe the live system: second factor, audit, widened tokens", false)
        .addOption(
          new Option("--as <role>", "the platform's role to probe with")
            .choices(["deploy", "drift"])
            .default("drift"),
        )
        .option("--previewed <folder>", "what `keyplane judge --record` counted of every stack's preview")
        .option("--audit-log <file...>", "audit files that can be read from here, for --live")
        .option(
          "--audit-command <command...>",
          "commands of the shell that print an audit device's lines from where they are collected, for --live",
        )
        .option(
          "--evidence <file>",
          "also write the verdict of the gates, for the environment that comes after",
        )
        .option(
          "--after <file>",
          "refuse without this evidence of the environment before, for the same commit",
        )
        .option(
          "--accept-read <probe...>",
          "with --after: probes that may be read and not tried (mfa, audit)",
        ),
    async run(invocation) {
      const { catalogue: folder, environment, home, dryRun, options } = invocation;
      const [{ loadCatalogue }, { derive }, { checkProgram }] = await Promise.all([
        import("../model/catalogue.ts"),
        import("../model/derive.ts"),
        import("./check-program.ts"),
      ]);
      const catalogue = await loadCatalogue(folder);
      const today = new Date().toISOString().slice(0, 10);
      const auditFolder = join(home, "audit");
      const checked = await checkProgram(catalogue, environment, { today, auditFolder });
      const model = derive(catalogue, environment);
      if (typeof options.after === "string") await requireEvidence(invocation, model, options.after);
      await writeOutputs(checked, options, dryRun);
      const gates = await otherGates(invocation, model, checked);
      return resultOf(invocation, checked, gates);
    },
  });
}

interface Gated {
  gates: Gate[];
  lines: string[];
}

/** The gates that were asked for beside the first, with what the probes saw. */
async function otherGates(invocation: Invocation, model: Model, checked: Check): Promise<Gated> {
  const { state, live, previewed, evidence, auditLog, auditCommand } = invocation.options;
  if (evidence !== undefined && typeof previewed !== "string") {
    throw new UsageError(
      "--evidence needs --previewed: the first gate is what the engine's own preview counted, by `keyplane judge --record`",
    );
  }
  if (evidence !== undefined && (state !== true || live !== true))
    throw new UsageError("--evidence is of all three gates: add --state --live");
  const reads = auditLog !== undefined || auditCommand !== undefined;
  if (reads && (live !== true || model.environment === "local")) {
    throw new UsageError(
      "--audit-log and --audit-command are for --live, of an environment whose devices this machine does not know: leave them out",
    );
  }
  if (state !== true && live !== true && previewed === undefined) return { gates: [], lines: [] };
  const { liveTest, previewGate, previewedGate, stateGate } = await import("./check-gates.ts");
  const { lineOf } = await import("../operations/gates/gate.ts");
  const gates = [
    typeof previewed === "string"
      ? await previewedGate(model, previewed, {
          commit: await commit(invocation),
          declared: checked.resources,
        })
      : previewGate(checked),
  ];
  const lines: string[] = [];
  if (state === true) gates.push(await stateGate(invocation, model));
  if (live === true) {
    const role = invocation.options.as as PlatformRole;
    const tried = await liveTest(invocation, role, {
      files: list(invocation.options.auditLog),
      commands: list(invocation.options.auditCommand),
    });
    gates.push(tried.gate);
    lines.push(...tried.lines);
  }
  for (const gate of gates) invocation.report({ subject: gate.gate, state: "done", text: lineOf(gate) });
  if (typeof evidence === "string" && !invocation.dryRun) {
    const { gateEvidence } = await import("../operations/gates/evidence.ts");
    const text = JSON.stringify(gateEvidence(model.environment, await commit(invocation), gates));
    await writeReport(evidence, `${text}\n`);
  }
  return { gates, lines };
}

/** Without the empty ones: a variable that a workflow does not have is none. */
function list(option: unknown): string[] {
  return Array.isArray(option) ? option.map(String).filter((each) => each !== "") : [];
}

async function requireEvidence(invocation: Invocation, model: Model, file: string): Promise<void> {
  if (model.after === undefined) {
    throw new UsageError(
      `--after is for an environment that comes after another; ${model.environment} does not`,
    );
  }
  const { requireGateEvidence } = await import("../operations/gates/evidence.ts");
  const expected = {
    environment: model.after,
    commit: await commit(invocation),
    acceptRead: list(invocation.options.acceptRead),
  };
  requireGateEvidence(await readFile(file, "utf8"), expected);
}

async function commit({ catalogue }: Invocation): Promise<string> {
  return (await import("./commit.ts")).requireCommit(catalogue);
}

async function writeOutputs(
  checked: Check,
  options: Record<string, unknown>,
  dryRun: boolean,
): Promise<void> {
  const write = async (file: unknown, text: () => Promise<string>) => {
    if (typeof file === "string" && !dryRun) await writeReport(file, await text());
  };
  await write(options.sarif, async () => {
    const { sarif } = await import("../policies/output/sarif.ts");
    return `${JSON.stringify(sarif(checked), undefined, 2)}\n`;
  });
  await write(options.markdown, async () =>
    (await import("../policies/output/markdown.ts")).markdown(checked),
  );
}

async function resultOf(
  { environment, options }: Invocation,
  checked: Check,
  { gates, lines }: Gated,
): Promise<Result> {
  const [{ annotations }, { table }, { findingLine, lineOf, outcomeOf, verdictOf }] = await Promise.all([
    import("../policies/output/annotations.ts"),
    import("../policies/output/table.ts"),
    import("../operations/gates/gate.ts"),
  ]);
  const verdict = verdictOf(gates);
  const violated = checked.findings.some((finding) => finding.verdict === "violated");
  const beyond = gates
    .filter(({ gate }) => gate !== "preview")
    .flatMap(({ findings }) => findings.map((finding) => `✗ ${findingLine(finding)}`));
  const asked = gates.length > 0;
  const text = [
    ...(options.annotate === true ? [annotations(checked)] : []),
    table(checked),
    ...beyond,
    ...lines,
    ...gates.map(lineOf),
    ...(asked ? [`Policies of ${environment}: ${verdict}.`] : []),
  ];
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
      ...(asked && { gates: gates.map((gate) => ({ ...gate, outcome: outcomeOf(gate) })), verdict }),
    },
    text: text.filter((line) => line !== "").join("\n"),
    code: violated || (asked && verdict === "failed") ? exit.finding : exit.clean,
  };
}
