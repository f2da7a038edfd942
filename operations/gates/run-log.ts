import type { Gate, GateName } from "./gate.ts";
import { type PolicyEvent, PolicyLog } from "./policy-events.ts";

/** What the engine says of a preview or an update as it goes; the part of its events that is used. */
export interface RunEvent {
  preludeEvent?: unknown;
  policyEvent?: PolicyEvent;
  policyAnalyzeSummaryEvent?: { resourceUrn: string };
  resourcePreEvent?: { metadata: { op: string; urn: string } };
  resOutputsEvent?: { metadata: { op: string; urn: string } };
  summaryEvent?: object;
}

/**
 * Counts, from the engine's own events, how many resources it registered and how many of them a pack judged: by the
 * engine's word on each, and by the pack's own on all. The fewer of them counts.
 */
export class RunLog {
  #policies = new PolicyLog();
  readonly #registered = new Set<string>();
  readonly #analyzed = new Set<string>();
  /** What was made, changed or deleted, as `operation type name`. */
  made: string[] = [];
  /** How the last run came to its end; undefined where it did not. */
  ended: "preview" | "update" | undefined;

  add(event: RunEvent): void {
    // `pulumi up` previews first: what it says then is of another run.
    if (event.preludeEvent !== undefined) this.#begin();
    if (event.policyEvent !== undefined) this.#policies.add(event.policyEvent);
    if (event.policyAnalyzeSummaryEvent !== undefined) {
      this.#analyzed.add(event.policyAnalyzeSummaryEvent.resourceUrn);
    }
    if (event.resourcePreEvent !== undefined) {
      const { op, urn } = event.resourcePreEvent.metadata;
      if (!/^(delete|read|discard|refresh|remove)/.test(op)) this.#registered.add(urn);
    }
    if (event.resOutputsEvent !== undefined) {
      const { op, urn } = event.resOutputsEvent.metadata;
      if (op !== "same" && op !== "refresh") this.made.push(`${op} ${urn.split("::").slice(2).join(" ")}`);
    }
    if (event.summaryEvent !== undefined) {
      // The SDK's type does not have it yet.
      const { isPreview } = event.summaryEvent as { isPreview?: boolean };
      this.ended = isPreview === true ? "preview" : "update";
    }
  }

  gate(name: GateName): Gate {
    const said = this.#policies.gate(name, this.#registered.size);
    return { ...said, judged: Math.min(said.judged, this.#analyzed.size) };
  }

  #begin(): void {
    this.#policies = new PolicyLog();
    this.#registered.clear();
    this.#analyzed.clear();
    this.made = [];
    this.ended = undefined;
  }
}

/** The events of a log that `pulumi … --event-log` wrote: one JSON object a line. A last line that was cut off is none. */
export function runLogOf(text: string): RunLog {
  const log = new RunLog();
  for (const line of text.split("\n")) {
    try {
      const event: unknown = JSON.parse(line);
      if (typeof event === "object" && event !== null) log.add(event as RunEvent);
    } catch {
      // The engine was killed while it wrote, or the line is the empty one at the end.
    }
  }
  return log;
}
