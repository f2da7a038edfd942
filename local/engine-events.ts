import type { EngineEvent, OpMap, Stack } from "@pulumi/pulumi/automation/index.js";
import { findingLine, type Gate, GateError, type GateName, outcomeOf } from "../operations/gates/gate.ts";
import { PolicyLog } from "../operations/gates/policy-events.ts";
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
  const made: string[] = [];
  let looked = 0;
  const registered = new Set<string>();
  const policies = new PolicyLog();
  let summary: Changes = {};
  const diagnostics = new Set<string>();
  return {
    onEvent(event: EngineEvent) {
      if (event.policyEvent !== undefined) policies.add(event.policyEvent);
      if (event.resourcePreEvent !== undefined) {
        const { op, urn } = event.resourcePreEvent.metadata;
        if (!/^(delete|read|discard|refresh|remove)/.test(op)) registered.add(urn);
      }
      if (event.resOutputsEvent) {
        const { op, urn } = event.resOutputsEvent.metadata;
        if (op === "refresh") report({ subject, state: "progress", text: `looked at ${++looked}` });
        else if (op !== "same") {
          made.push(`${op} ${urn.split("::").slice(2).join(" ")}`);
          report({ subject, state: "progress", text: `${made.length} changed, last: ${made.at(-1)}` });
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
      if (gate === undefined) return { changes: summary, made };
      const judged = policies.gate(gate, registered.size);
      if (outcomeOf(judged) === "failed") throw stopped(subject, judged, made);
      return { changes: summary, made, gate: judged };
    },
    /** The engine's diagnostics say it all; only without them does the command's own output. */
    explain(cause: unknown): Error {
      if (gate !== undefined) {
        const judged = policies.gate(gate, registered.size);
        if (judged.findings.some(({ verdict }) => verdict === "violated"))
          return stopped(subject, judged, made);
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

/** Why a gate lets nothing pass, and what was made before it. */
export function stopped(stack: string, gate: Gate, made: readonly string[]): GateError {
  const violated = gate.findings.filter(({ verdict }) => verdict === "violated");
  const before =
    gate.gate === "preview" || made.length === 0
      ? "nothing was changed"
      : `this run had made ${made.length} change(s): ${made.join(", ")}; correct the catalogue and run it again`;
  const what =
    violated.length > 0
      ? violated.map(findingLine).join("\n")
      : `the policy pack judged ${gate.judged} of ${gate.of} resources: what was not judged has not passed`;
  return new GateError(`the policies stop ${stack} (${before}):\n${what}`, gate);
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
