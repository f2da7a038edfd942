import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { RunLog } from "../operations/gates/run-log.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { exit, ofPulumi, UsageError } from "./exit.ts";

export function command(): Command {
  return define({
    name: "judge [command...]",
    summary: "run pulumi preview or up, and count what the policy pack judged of it",
    details:
      "Pulumi ends well when its policy pack has judged nothing, or only a part. This runs the command as it is, counts " +
      "from the engine's own event log how many resources it registered and how many the pack judged, and refuses " +
      "(exit 1) where these differ, where none was judged, and where the engine did not come to its end. What only an " +
      "update makes known is pending. Where Pulumi itself fails, its own code stands in the last line, and the exit code is 2 " +
      "for a wrong invocation or stack, 3 where it could not log in, 4 where it stopped half-way: run it again. --record keeps what a preview counted, for `keyplane check --previewed`. Pulumi's " +
      "own log, in which secrets stand in clear, is not written.",
    examples: [
      [
        "keyplane judge --environment staging --record gates -- pulumi preview --stack staging --policy-pack policies/analyzer",
        "in a workflow, before anything is touched",
      ],
      [
        "keyplane judge --environment staging -- pulumi up --stack staging --policy-pack policies/analyzer --yes",
        "the update itself",
      ],
    ],
    configure: (command) =>
      command.option("--record <folder>", "keep what a preview counted, in a file named after its stack"),
    ownSignals: true,
    async run(invocation) {
      if (invocation.json)
        throw new UsageError("--json does not go with it: the output is the command's own");
      const [{ pulumiCommand }, { modelOf }, { partsOf }] = await Promise.all([
        import("../operations/gates/pulumi-command.ts"),
        import("./session.ts"),
        import("../model/parts.ts"),
      ]);
      const asked = pulumiCommand(invocation.arguments);
      if (typeof asked === "string") throw new UsageError(asked);
      const { record } = invocation.options;
      if (record !== undefined && asked.kind !== "preview") {
        throw new UsageError(
          "--record is of a preview: what an update has made, `keyplane check --state` judges",
        );
      }
      const stacks = partsOf(await modelOf(invocation)).flat();
      if (!stacks.some(({ stack }) => stack === asked.stack)) {
        throw new UsageError(
          `${invocation.environment} has no such stack: name one of ${stacks.map(({ stack }) => stack).join(", ")}`,
        );
      }
      // Before the engine runs: without a commit there is nothing to record.
      const commit = typeof record === "string" ? await commitOf(invocation) : "";
      if (invocation.dryRun) {
        return { json: undefined, text: `Would run the ${asked.kind} of ${asked.stack} and count.` };
      }
      const kept = typeof record === "string" ? join(record, `${asked.stack}.json`) : undefined;
      // What an earlier run recorded is no word on this one, however it ends.
      if (kept !== undefined) await rm(kept, { force: true });
      const { log, code } = await run(asked.words);
      const result = await resultOf(asked, log, code);
      if (kept !== undefined && result.code === exit.clean) {
        await keep(kept, { environment: invocation.environment, stack: asked.stack, commit }, log);
      }
      return result;
    },
  });
}

async function commitOf({ catalogue }: Invocation): Promise<string> {
  const { requireCommit } = await import("./commit.ts");
  return requireCommit(catalogue);
}

async function run(words: string[]): Promise<{ log: RunLog; code: number }> {
  const [{ foreground }, { homeWithoutLogs }, memory, { runLogOf }] = await Promise.all([
    import("./foreground.ts"),
    import("../operations/gates/pulumi.ts"),
    import("../operations/delivery/memory-folder.ts"),
    import("../operations/gates/run-log.ts"),
  ]);
  const home = await homeWithoutLogs(process.cwd(), process.env);
  const { path: folder } = await memory.makePrivateFolder(process.env);
  try {
    const file = join(folder, "events");
    // The flag is one of those for other programs; the SDK's Automation API reads the engine's events by it as well.
    const env = { ...process.env, PULUMI_HOME: home, PULUMI_DEBUG_COMMANDS: "true" };
    const code = await foreground([...words, "--event-log", file], env);
    return { code, log: runLogOf(await readFile(file, "utf8").catch(() => "")) };
  } finally {
    await rm(home, { recursive: true, force: true });
    await memory.removePrivateFolder(folder);
  }
}

/** @throws GateError for what the pack does not let pass, and where it did not judge everything */
async function resultOf(
  { kind, stack }: { kind: "preview" | "update"; stack: string },
  log: RunLog,
  code: number,
): Promise<Result> {
  const { GateError, lineOf, outcomeOf, stopped } = await import("../operations/gates/gate.ts");
  const gate = log.gate(kind === "preview" ? "preview" : "state");
  const isViolated = gate.findings.some(({ verdict }) => verdict === "violated");
  // Its own reason stands above: a stack that is not there, a provider that refuses, a pack that was killed.
  if (code !== exit.clean && !isViolated) {
    const text = `${lineOf(gate)}; pulumi ended with ${code}, and what was not judged to the end has not passed`;
    return { json: undefined, text, code: ofPulumi(code) };
  }
  const outcome = outcomeOf(gate);
  if (outcome === "failed" || (kind === "update" && outcome === "pending")) {
    throw stopped(stack, gate, log.made);
  }
  if (log.ended !== kind) {
    throw new GateError(`the engine did not come to the end of the ${kind} of ${stack}: run it again`, gate);
  }
  return { json: undefined, text: lineOf(gate), code: exit.clean };
}

async function keep(
  file: string,
  of: { environment: string; stack: string; commit: string },
  log: RunLog,
): Promise<void> {
  const [{ previewRecord }, { writeReport }] = await Promise.all([
    import("../operations/gates/preview-record.ts"),
    import("./report-file.ts"),
  ]);
  const text = JSON.stringify(previewRecord(of, log.gate("preview")));
  await writeReport(file, `${text}\n`);
}
