import type { EngineEvent, OpMap, Stack } from "@pulumi/pulumi/automation/index.js";
import { type Gate, type GateName, outcomeOf, stopped } from "../operations/gates/gate.ts";
import { RunLog } from "../operations/gates/run-log.ts";
import type { Report } from "./progress.ts";

/** The Pulumi update failed. Holds the engine's own diagnostics, one per line. */
export class UpdateError extends Error {
  override name = "UpdateError";
}

/** Resource counts of an update or a preview, by operation ("create", "same", …). */
export type Changes = OpMap;

/** What an update or a preview did. */
export interface Ran {
  changes: Changes;
  /** What the policy pack said, where there is one. */
  gate?: Gate;
  /** What was made, changed or deleted, as `operation type name`. */
  made: string[];
}

/** Number of resources that are not as they were. */
export function changed(changes: Changes): number {
  return Object.entries(changes).reduce((sum, [op, count]) => (op === "same" ? sum : sum + (count ?? 0)), 0);
}

/** Follows what the engine says of a run, and what the pack says in it. */
export function watchEvents({ name: subject, workspace }: Stack, gate: GateName | undefined, report: Report) {
  const engine = { home: workspace.pulumiHome ?? "", command: workspace.pulumiCommand.command };
  let looked = 0;
  const log = new RunLog();
  let summary: Changes = {};
  const diagnostics = new Set<string>();
  return {
    onEvent(event: EngineEvent) {
      log.add(event);
      if (event.resOutputsEvent) {
        const { op } = event.resOutputsEvent.metadata;
        if (op === "refresh") report({ subject, state: "progress", text: `looked at ${++looked}` });
        else if (op !== "same") {
          report({
            subject,
            state: "progress",
            text: `${log.made.length} changed, last: ${log.made.at(-1)}`,
          });
        }
      }
      if (event.diagnosticEvent?.severity === "error") {
        const { urn, message } = event.diagnosticEvent;
        const of = urn === undefined || urn === "" ? "" : `${urn.split("::").slice(2).join(" ")}: `;
        diagnostics.add(of + advice(message.replace(/<\{%.*?%\}>/g, "").trim(), engine));
      }
      if (event.summaryEvent) summary = event.summaryEvent.resourceChanges;
    },
    /** @throws GateError where the pack did not judge every resource */
    ran(): Ran {
      if (gate === undefined) return { changes: summary, made: log.made };
      const judged = log.gate(gate);
      if (outcomeOf(judged) === "failed") throw stopped(subject, judged, log.made);
      return { changes: summary, made: log.made, gate: judged };
    },
    /** The engine's diagnostics say it all; only without them does the command's own output. */
    explain(cause: unknown): Error {
      if (gate !== undefined) {
        const judged = log.gate(gate);
        if (judged.findings.some(({ verdict }) => verdict === "violated"))
          return stopped(subject, judged, log.made);
      }
      if (diagnostics.size > 0) return new UpdateError([...diagnostics].join("\n"));
      // What stops it before it begins (a policy pack that does not start) is no event, but stands in its output.
      const said =
        cause instanceof Error ? /^error: [\s\S]*?(?=\n\s*\n|$)/m.exec(cause.message)?.[0] : undefined;
      return new UpdateError(
        said === undefined
          ? "The update failed and the engine gave no reason."
          : advice(said.replace(/^error: /, ""), engine),
        { cause },
      );
    },
  };
}

/**
 * What the engine says, where its own advice would take a protection away, or install a plugin where this engine does
 * not look: ours is the way through the catalogue, and the same command with this engine's home.
 * @param engine Its PULUMI_HOME and its executable.
 */
export function advice(message: string, engine: { home: string; command: string }): string {
  if (/cannot be (deleted|replaced)[\s\S]*protected/.test(message)) {
    return (
      "it holds data and is no longer what the catalogue says, so the update is refused and nothing was changed. " +
      "Put the entry back; to give it up, mark it `retired: { since, reason }` first and delete it by a later change; " +
      "to rename it, say `renamed-from`."
    );
  }
  if (/failed to run policy: (error reading from server|rpc error|connection)/.test(message)) {
    return `the policy pack ended half-way: nothing was judged to the end, so nothing passes. Run it again (${message})`;
  }
  if (/^policy pack .* failed to start/.test(message)) {
    return `${message}: without its policies nothing is updated. Run that file by itself to see why it fails`;
  }
  const command = `PULUMI_HOME=${quoted(engine.home)} ${quoted(engine.command)}`;
  return message.replace(/`pulumi (plugin install [^`]+)`/g, `\`${command} $1\``);
}

/** As one word of a shell's command line. */
function quoted(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
