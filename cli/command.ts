import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { Report } from "../operations/progress.ts";
import { type ExitCode, exit, UsageError } from "./exit.ts";
import { interruption } from "./interruption.ts";
import { printJson, printText } from "./output.ts";
import { startProgress } from "./progress.ts";

/** What a command gets: the common options, and its own in `options`. */
export interface Invocation {
  /** Folder of the catalogue, as it was given: messages name its files so. */
  catalogue: string;
  environment: string;
  json: boolean;
  dryRun: boolean;
  /** Folder of the local stack's state, absolute. */
  home: string;
  report: Report;
  /** Aborted by the first Ctrl-C, when the command is `interruptible`. */
  signal: AbortSignal;
  /** Those of a variadic one are among them, each by itself. */
  arguments: string[];
  options: Record<string, unknown>;
}

/** What a command ends with: the same result for programs and for people. Neither holds a value. */
export interface Result {
  json: unknown;
  /** Printed on standard output; "" prints nothing. */
  text: string;
  /** `finding` where the answer is one, the exit code of what was run; clean when absent. */
  code?: ExitCode | number;
}

export interface CommandSpec {
  /** With its arguments, e.g. "set <name>". */
  name: string;
  summary: string;
  /** More for --help, below the summary. */
  details?: string;
  /** At least one: a command line and what it does. */
  examples: [line: string, purpose: string][];
  /** Adds the command's own options. */
  configure?: (command: Command) => void;
  /** The command watches `signal` and stops between two steps; otherwise Ctrl-C ends it at once. */
  interruptible?: boolean;
  /** The command deals with signals itself. */
  ownSignals?: boolean;
  run(invocation: Invocation): Promise<Result>;
}

/** One command of the program, with the options that all of them have. */
export function define(spec: CommandSpec): Command {
  const [name, ...wanted] = spec.name.split(" ");
  const command = new Command(name)
    .summary(spec.summary)
    .description(spec.details === undefined ? spec.summary : `${spec.summary}\n\n${spec.details}`)
    // Checked below: commander would print them, and one of them may be a value.
    .allowExcessArguments(true);
  if (wanted.length > 0) command.arguments(wanted.join(" "));
  spec.configure?.(command);
  command
    .addOption(new Option("--catalogue <folder>", "the catalogue's folder").default("catalogue"))
    .addOption(
      new Option("--environment <name>", "the environment of the catalogue to work on").default("local"),
    )
    .option("--json", "print one JSON document on standard output", false)
    .option("--dry-run", "say what would be done, and change nothing", false)
    .addHelpText("after", examples(spec.examples))
    .action(async () => {
      const takesMore = command.registeredArguments.at(-1)?.variadic === true;
      const excess = command.args.length - command.registeredArguments.length;
      if (excess > 0 && !takesMore) {
        throw new UsageError(
          `keyplane ${name} takes ${command.registeredArguments.length || "no"} argument(s), but got ${command.args.length}; see keyplane ${name} --help`,
        );
      }
      const options = command.opts();
      const progress = startProgress(process.stderr);
      const interrupted =
        spec.ownSignals === true ? unwatched : interruption(spec.interruptible === true, process.stderr);
      try {
        const result = await spec.run({
          catalogue: String(options.catalogue),
          environment: String(options.environment),
          json: options.json === true,
          dryRun: options.dryRun === true,
          home: resolve(process.env.KEYPLANE_HOME ?? ".keyplane"),
          report: progress.report,
          signal: interrupted.signal,
          arguments: command.processedArgs
            .flat()
            .filter((value) => value !== undefined)
            .map(String),
          options,
        });
        progress.end();
        await (options.json === true ? printJson(result.json) : printText(result.text));
        process.exitCode = result.code ?? exit.clean;
      } catch (error) {
        // What waits for the result, a comment, is told that there is none.
        if (typeof options.markdown === "string" && options.dryRun !== true) {
          const [{ failure }, { writeReport }] = await Promise.all([
            import("./failure.ts"),
            import("./report-file.ts"),
          ]);
          await writeReport(options.markdown, failure(error));
        }
        throw error;
      } finally {
        progress.end();
        interrupted.end();
      }
    });
  return command;
}

const unwatched = { signal: new AbortController().signal, end() {} };

function examples(list: [line: string, purpose: string][]): string {
  const lines = list.map(([line, purpose]) => `  $ ${line}\n      ${purpose}`);
  return `\n${list.length === 1 ? "Example" : "Examples"}:\n${lines.join("\n")}`;
}
