/** The three gates of an update: before anything is made, on the state that it made, on the live system. */
export type GateName = "preview" | "state" | "live";

export const gateNames: readonly GateName[] = ["preview", "state", "live"];

/** What a gate has to say of one thing. Holds no value. */
export interface GateFinding {
  /** `pending` and `excepted` have not passed either: they are shown, and a later gate or a person answers for them. */
  verdict: "violated" | "pending" | "excepted";
  /** The rule's or probe's name. */
  rule: string;
  message: string;
  /** The resource, where it is about one. */
  urn?: string;
}

export interface Gate {
  gate: GateName;
  /** What it judged: resources, or probes that were tried. */
  judged: number;
  /** What there was to look at. Another number than `judged`, or none at all, is no pass. */
  of: number;
  /** Names of probes that could not be tried from here: what should make them hold was only read. Not passed either. */
  read?: string[];
  findings: GateFinding[];
}

export type Outcome = "passed" | "pending" | "read" | "failed";

/** A gate found something that must not be, or did not look at everything. Says what, where and what to do. */
export class GateError extends Error {
  override name = "GateError";
  readonly gate: Gate;
  constructor(message: string, gate: Gate) {
    super(message);
    this.gate = gate;
  }
}

export function outcomeOf({ judged, of, read = [], findings }: Gate): Outcome {
  if (judged === 0 || judged + read.length !== of) return "failed";
  if (findings.some(({ verdict }) => verdict === "violated")) return "failed";
  if (read.length > 0) return "read";
  return findings.some(({ verdict }) => verdict === "pending") ? "pending" : "passed";
}

/**
 * The one verdict. What is pending before an update may be; after it nothing may. A gate that was not run has not
 * passed: `incomplete`. Where something of the live system was only read, that is the verdict.
 */
export function verdictOf(gates: readonly Gate[]): "passed" | "read" | "failed" | "incomplete" {
  const outcomes = gateNames.map((name) => {
    const gate = gates.find((each) => each.gate === name);
    return gate === undefined ? undefined : outcomeOf(gate);
  });
  if (outcomes.includes("failed")) return "failed";
  const [, state, live] = outcomes;
  if (state === "pending" || live === "pending") return "failed";
  if (outcomes.includes(undefined)) return "incomplete";
  return outcomes.includes("read") ? "read" : "passed";
}

/** Several stacks' gates of one kind as one. */
export function joined(gate: GateName, parts: readonly Gate[]): Gate {
  return {
    gate,
    judged: parts.reduce((sum, { judged }) => sum + judged, 0),
    of: parts.reduce((sum, { of }) => sum + of, 0),
    findings: parts.flatMap(({ findings }) => findings),
  };
}

/** One line, e.g. "preview: 124 of 124 resources judged, 6 pending: pending". */
export function lineOf(gate: Gate): string {
  const { judged, of, read = [], findings } = gate;
  const count = (verdict: GateFinding["verdict"]) =>
    findings.filter((each) => each.verdict === verdict).length;
  const what = gate.gate === "live" ? "probes tried" : "resources judged";
  const found = (["violated", "pending", "excepted"] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `, ${count(verdict)} ${verdict}`);
  const only = read.length === 0 ? "" : `, only read and not tried: ${read.join(", ")}`;
  return `${gate.gate}: ${judged} of ${of} ${what}${only}${found.join("")}: ${outcomeOf(gate)}`;
}

/** Why a gate lets nothing pass, and what was made before it. */
export function stopped(stack: string, gate: Gate, made: readonly string[]): GateError {
  const of = (wanted: GateFinding["verdict"]) => gate.findings.filter(({ verdict }) => verdict === wanted);
  const violated = of("violated");
  // All was judged, and what is left open stands in the way.
  const open = gate.judged >= gate.of ? of("pending") : [];
  const before =
    gate.gate === "preview" || made.length === 0
      ? "nothing was changed"
      : `this run had made ${made.length} change(s): ${made.join(", ")}; correct the catalogue and run it again`;
  const what =
    violated.length + open.length > 0
      ? [...violated.map(findingLine), ...open.map((one) => `pending: ${findingLine(one)}`)].join("\n")
      : `the policy pack judged ${gate.judged} of ${gate.of} resources: what was not judged has not passed`;
  return new GateError(`the policies stop ${stack} (${before}):\n${what}`, gate);
}

/** A finding in a line: `rule Policy titan.titan-brain: message`. */
export function findingLine({ rule, urn, message }: GateFinding): string {
  return `${rule}${urn === undefined ? "" : ` ${called(urn)}`}: ${message}`;
}

/** A resource as people call it: its kind and name. */
export function called(urn: string): string {
  const [type = "", name = ""] = urn.split("::").slice(2);
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}
