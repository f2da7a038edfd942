import { z } from "zod";
import { type Gate, gateNames, outcomeOf, verdictOf } from "./gate.ts";

/** The environment before this one has not shown that this commit passes there. Says what is missing and what to do. */
export class GateEvidenceError extends Error {
  override name = "GateEvidenceError";
}

/** What an environment's gates said of a commit, for the environment that comes after it (R25). Holds no value. */
const GateEvidence = z.strictObject({
  format: z.literal(1),
  environment: z.string(),
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  verdict: z.enum(["passed", "read", "failed", "incomplete"]),
  gates: z.array(
    z.strictObject({
      gate: z.enum(gateNames),
      outcome: z.enum(["passed", "pending", "read", "failed"]),
      judged: z.int().min(0),
      of: z.int().min(0),
      read: z.array(z.string()).optional(),
    }),
  ),
});
export type GateEvidence = z.infer<typeof GateEvidence>;

/** @param commit of the catalogue and the program, 40 hexadecimal digits */
export function gateEvidence(environment: string, commit: string, gates: readonly Gate[]): GateEvidence {
  return {
    format: 1,
    environment,
    commit,
    verdict: verdictOf(gates),
    gates: gates.map((gate) => ({
      gate: gate.gate,
      outcome: outcomeOf(gate),
      judged: gate.judged,
      of: gate.of,
      ...(gate.read !== undefined && { read: gate.read }),
    })),
  };
}

/**
 * Holds an earlier environment's evidence against what is about to be done.
 * @param text as `keyplane check --evidence` wrote it
 * @throws GateEvidenceError for another environment's, another commit's, what did not pass all three gates, and a probe that
 * was only read, unless that is accepted by its name
 */
export function requireGateEvidence(
  text: string,
  expected: { environment: string; commit: string; acceptRead?: readonly string[] },
): void {
  const { environment, commit, acceptRead = [] } = expected;
  const fix = `deploy this commit to ${environment} first; its last step writes the evidence`;
  const refuse = (why: string) => new GateEvidenceError(`${why}: ${fix}`);
  let found: GateEvidence;
  try {
    found = GateEvidence.parse(JSON.parse(text));
  } catch {
    throw refuse(`what was given is no evidence of ${environment}'s gates`);
  }
  if (found.environment !== environment) throw refuse(`the evidence is of ${found.environment}`);
  if (found.commit !== commit) {
    throw refuse(
      `the evidence is of commit ${found.commit.slice(0, 12)}, and this is ${commit.slice(0, 12)}`,
    );
  }
  const untried = found.gates.flatMap(({ read = [] }) => read).filter((name) => !acceptRead.includes(name));
  if (untried.length > 0) {
    throw refuse(
      `${environment} only read, and did not try: ${untried.join(", ")} (give its check its audit lines, --audit-log or --audit-command, ` +
        "or accept it by name with --accept-read)",
    );
  }
  const passed = new Set(
    found.gates
      .filter(
        ({ gate, outcome, judged, of, read = [] }) =>
          judged > 0 &&
          judged + read.length === of &&
          (outcome === "passed" ||
            (gate === "preview" && outcome === "pending") ||
            (gate === "live" && outcome === "read")),
      )
      .map(({ gate }) => gate),
  );
  const missing = gateNames.filter((name) => !passed.has(name));
  if (!["passed", "read"].includes(found.verdict) || missing.length > 0) {
    throw refuse(
      `${environment} did not pass (${found.verdict}; not passed: ${missing.join(", ") || "none"})`,
    );
  }
}
