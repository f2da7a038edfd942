import type { Command } from "commander";
import type { ScanResult } from "../operations/scan/tally.ts";
import { define, type Invocation } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { writeReport } from "./report-file.ts";

export function command(): Command {
  return define({
    name: "scan [paths...]",
    summary: "look for secrets in files, Git history and logs",
    details:
      "Without paths: everything tracked, and what keeps secrets out of a repository: ignore rules, tracked secret " +
      "files, archives, Compose and CI files, Dockerfiles, examples of environment files. It prints what kind of value " +
      "stands where, never the value. A line with the comment `pragma: allowlist secret` is allowed; what was looked at " +
      "and is none stands in .keyplane-scan.json (--write-baseline), and detect-secrets' .secrets.baseline is honoured. " +
      "Compressed files are not opened. What is found: rotate it first; purging history is optional.",
    examples: [
      ["keyplane scan", "everything tracked, before a pull request"],
      ["keyplane scan --staged", "what the next commit changes, as a hook"],
      ["keyplane scan --history", "every content and message that any branch or tag reaches, once"],
      ["keyplane scan --history --since origin/main --at HEAD", "only what this branch adds"],
      ["docker compose logs | keyplane scan -", "a log, as it comes; Ctrl-C ends it with what was found"],
      [
        "keyplane scan --print-excludes | tar --exclude-from=- -czf app.tgz .",
        "an archive without secret files",
      ],
      ["keyplane scan --sarif scan.sarif --annotate", "in a workflow"],
    ],
    interruptible: true,
    configure: (command) =>
      command
        .option("--staged", "what the next commit changes", false)
        .option("--history", "all of the history that refs reach", false)
        .option("--since <revision>", "with --history: not what this revision reaches")
        .option("--at <revision>", "with --history: what this revision reaches, not every branch and tag")
        .option("--log <file>", "a log, in which no comment allows anything")
        .option(
          "--print-excludes",
          "print what archives must leave out, a pattern a line, and scan nothing",
          false,
        )
        .option("--write-baseline", "write what is found as looked at and known", false)
        .option("--sarif <file>", "also write the findings as SARIF 2.1.0")
        .option("--markdown <file>", "also write them as a section of a pull request's comment")
        .option("--annotate", "print them as annotations of GitHub Actions as well", false),
    async run(invocation) {
      const { dryRun, options } = invocation;
      refuse(invocation);
      if (options.printExcludes === true) {
        const { archiveExcludes } = await import("../operations/scan/checks/secret-files.ts");
        return { json: { excludes: archiveExcludes }, text: archiveExcludes.join("\n") };
      }
      const [{ table }, { json }] = await Promise.all([
        import("../operations/scan/output/table.ts"),
        import("../operations/scan/output/json.ts"),
      ]);
      const result = await scanned(invocation);
      if (options.writeBaseline === true) return await baseline(result, dryRun);
      if (typeof options.sarif === "string" && !dryRun) {
        const { sarif } = await import("../operations/scan/output/sarif.ts");
        await writeReport(options.sarif, `${JSON.stringify(sarif(result), undefined, 2)}\n`);
      }
      if (typeof options.markdown === "string" && !dryRun) {
        const { markdown } = await import("../operations/scan/output/markdown.ts");
        await writeReport(options.markdown, markdown(result));
      }
      return {
        json: json(result),
        text: [...(options.annotate === true ? await annotated(result) : []), table(result)].join("\n"),
        code: result.findings.length > 0 ? exit.finding : exit.clean,
      };
    },
  });
}

/** What cannot be asked for together. */
function refuse({ arguments: paths, options }: Invocation): void {
  const modes = [
    ...(options.staged === true ? ["--staged"] : []),
    ...(options.history === true ? ["--history"] : []),
    ...(options.log !== undefined ? ["--log"] : []),
    ...(paths.length > 0 ? ["paths"] : []),
  ];
  if (modes.length > 1) throw new UsageError(`keyplane scan takes ${modes.join(" or ")}, not both`);
  for (const option of ["since", "at"]) {
    if (options[option] !== undefined && options.history !== true)
      throw new UsageError(`--${option} is for --history`);
  }
  if (options.writeBaseline === true && modes.length > 0) {
    throw new UsageError(`--write-baseline is for everything tracked: leave ${modes.join()} out`);
  }
  if (paths.includes("-") && paths.length > 1)
    throw new UsageError("- is standard input, and nothing beside it");
}

async function scanned({ arguments: paths, options, report, signal }: Invocation): Promise<ScanResult> {
  const scan = await import("../operations/scan/scan.ts");
  const where = { cwd: process.cwd(), report, signal };
  if (options.staged === true) return scan.scanStaged(where);
  if (options.history === true) {
    const { since, at } = options;
    return scan.scanHistory(where, {
      since: typeof since === "string" ? [since] : [],
      ...(typeof at === "string" && { at }),
    });
  }
  if (paths[0] === "-") return scan.scanStream("standard input", process.stdin, where);
  if (typeof options.log === "string") return scan.scanLog(options.log, where);
  return paths.length > 0 ? scan.scanPaths(paths, where) : scan.scanTracked(where);
}

/** The baseline of everything found that is a value; what a file or rule lacks stays a finding. */
async function baseline({ findings }: ScanResult, dryRun: boolean) {
  const { baselineFile, writeBaseline } = await import("../operations/scan/baseline.ts");
  const values = findings.filter(({ print }) => print !== undefined);
  if (dryRun) {
    return {
      json: { file: baselineFile, entries: values.length, dryRun },
      text: `Would write ${entriesOf(values.length)}.`,
    };
  }
  const entries = await writeBaseline(process.cwd(), values);
  return {
    json: { file: baselineFile, entries },
    text: `${baselineFile}: ${entriesOf(entries)}. Each one is a value that nobody looks for any more: read the list.`,
  };
}

function entriesOf(count: number): string {
  return `${count} ${count === 1 ? "entry" : "entries"}`;
}

async function annotated({ findings }: ScanResult): Promise<string[]> {
  const { annotation } = await import("../policies/output/annotations.ts");
  return findings.map(({ kind, path, line, column, message, commit }) => {
    const text = `${message}${commit === undefined ? "" : `, in commit ${commit}`}. First ${kind.revoke}.`;
    // What history has is not on a line of the pull request.
    return annotation(
      "error",
      kind.id,
      text,
      commit === undefined ? { file: path, line, column } : undefined,
    );
  });
}
