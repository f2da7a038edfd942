import { join } from "node:path";
import type { Command } from "commander";
import type { Catalogue } from "../model/catalogue.ts";
import type { Check } from "../policies/check.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { writeReport } from "./report-file.ts";

export function command(): Command {
  return define({
    name: "review <revision>",
    summary: "judge another revision's catalogue by the rules of this one",
    details:
      "A pull request brings the rules that it is judged by. This reads the catalogue of the revision as data, from " +
      "Git's objects and regular files alone, and judges every real environment of it by the code that lies here: run it " +
      "from the base. With --base it also says which files of the rules themselves the revision changes.",
    examples: [
      ["keyplane review my-branch --base main", "what main's rules say of my-branch"],
      ["keyplane review $HEAD --repository head --base $BASE --markdown base.md", "in a workflow"],
    ],
    configure: (review) =>
      review
        .option("--repository <folder>", "the repository that has the revision", ".")
        .option("--base <revision>", "what the revision is compared with")
        .option("--markdown <file>", "also write it as a section of a pull request's comment"),
    run: reviewed,
  });
}

interface Review {
  checks: Check[];
  /** Files of the rules that change; undefined where nothing was compared. */
  rules: string[] | undefined;
  /** What lies in the catalogue's folder and is no regular file. */
  others: string[];
  /** Why the rules that lie here cannot judge it. */
  refused?: unknown;
}

async function reviewed(invocation: Invocation): Promise<Result> {
  const { catalogue: folder, options, dryRun, arguments: given } = invocation;
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(folder) || folder.split("/").includes("..")) {
    throw new UsageError("--catalogue is a folder of the revision here, from the repository's root");
  }
  const { catalogueAt, changedBetween, commitAt } = await import("../operations/revision.ts");
  const repository = String(options.repository);
  const head = await commitAt(repository, given[0] ?? "");
  const base = typeof options.base === "string" ? await commitAt(repository, options.base) : undefined;
  const { rulesAmong } = await import("../operations/gates/rule-files.ts");
  const { files, others } = await catalogueAt(repository, head, folder);
  const rules = base === undefined ? undefined : rulesAmong(await changedBetween(repository, base, head));
  const review: Review = { checks: [], rules, others };
  try {
    const { loadCatalogueFrom } = await import("../model/catalogue.ts");
    review.checks = await judged(loadCatalogueFrom(files, folder), invocation);
  } catch (error) {
    review.refused = error;
  }
  if (typeof options.markdown === "string" && !dryRun) {
    await writeReport(options.markdown, await markdownOf(review));
  }
  if (review.refused !== undefined) throw review.refused;
  return resultOf(review);
}

async function judged(catalogue: Catalogue, { home }: Invocation): Promise<Check[]> {
  const { checkProgram } = await import("./check-program.ts");
  const today = new Date().toISOString().slice(0, 10);
  const checks: Check[] = [];
  for (const environment of [...catalogue.systems.keys()].filter((name) => name !== "local").sort()) {
    checks.push(await checkProgram(catalogue, environment, { today, auditFolder: join(home, "audit") }));
  }
  return checks;
}

async function resultOf({ checks, rules, others }: Review): Promise<Result> {
  const { table } = await import("../policies/output/table.ts");
  const violated = checks.some(({ findings }) => findings.some(({ verdict }) => verdict === "violated"));
  return {
    json: {
      environments: checks.map(({ environment, resources, findings }) => ({
        environment,
        resources,
        findings: findings.map(({ rule, ...finding }) => ({ rule: rule.name, ...finding })),
      })),
      rules,
      others,
    },
    text: [
      ...checks.map(table),
      ...others.map((path) => `✗ ${path}: is not read: a catalogue is regular files`),
      ...(rules ?? []).map((path) => `! the rules themselves change: ${path}`),
    ].join("\n"),
    code: violated || others.length > 0 ? exit.finding : exit.clean,
  };
}

async function markdownOf({ checks, rules, others, refused }: Review): Promise<string> {
  const [{ code }, { markdown }, { failure }] = await Promise.all([
    import("../model/markdown.ts"),
    import("../policies/output/markdown.ts"),
    import("./failure.ts"),
  ]);
  const list = (paths: readonly string[]) =>
    [
      ...paths.slice(0, 30).map((path) => `- ${code(path)}`),
      ...(paths.length > 30 ? [`- … and ${paths.length - 30} more`] : []),
    ].join("\n");
  const parts = [
    ...(rules !== undefined && rules.length > 0
      ? [
          `**The rules themselves change: read them.** What follows is judged by the old ones.\n\n${list(rules)}`,
        ]
      : []),
    ...(others.length > 0 ? [`**violated**: no regular files, so not read:\n\n${list(others)}`] : []),
    ...(refused === undefined ? [] : [failure(refused).trim()]),
    ...checks.map((check) =>
      markdown(check)
        .replace(/^<!--.*-->\n+/, "")
        .trim(),
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}
