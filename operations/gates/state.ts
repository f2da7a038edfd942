import { type Gate, GateError } from "./gate.ts";
import { type PolicyEvent, PolicyLog } from "./policy-events.ts";
import type { RunPulumi } from "./pulumi.ts";

export interface StateOptions {
  run: RunPulumi;
  stack: string;
  /** The policy pack, absolute. */
  pack: string;
  /** How many resources the state holds: a pack that saw fewer has not judged the state. */
  resources: number;
}

/**
 * The second gate: judges the state of a stack by the engine's own `policy analyze`, where nothing is unknown any more.
 * That command ends well on a stack without resources, and on one that the pack never saw: what counts is the pack's own
 * number.
 * @throws GateError when the analysis did not come to its end
 */
export async function judgeState({ run, stack, pack, resources }: StateOptions): Promise<Gate> {
  const { code, stdout, stderr } = await run([
    "policy",
    "analyze",
    "--stack",
    stack,
    "--policy-pack",
    pack,
    "--json",
  ]);
  const log = new PolicyLog();
  let isEnded = false;
  for (const line of stdout.split("\n")) {
    const event = eventOf(line);
    if (event?.policyEvent !== undefined) log.add(event.policyEvent);
    if (event?.summaryEvent !== undefined) isEnded = true;
  }
  const gate = log.gate("state", resources);
  // It fails by itself where something is violated; any other failure has judged nothing.
  const isJudged = code === 0 || log.findings.some(({ verdict }) => verdict === "violated");
  if (!isEnded || !isJudged) {
    const why = stderr.trim().split("\n").filter(Boolean).at(-1) ?? `pulumi ended with ${code ?? "a signal"}`;
    throw new GateError(
      `the state of ${stack} was not judged (${why}): nothing passes until \`keyplane check --state\` has judged it`,
      gate,
    );
  }
  return gate;
}

interface AnalyzeEvent {
  policyEvent?: PolicyEvent;
  summaryEvent?: unknown;
}

function eventOf(line: string): AnalyzeEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as AnalyzeEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** How many resources of an exported state count: what is about to be deleted is judged no more. */
export function resourcesOf(deployment: { resources?: { delete?: boolean }[] | null }): number {
  return (deployment.resources ?? []).filter((resource) => resource.delete !== true).length;
}

/**
 * The same, asked of the backend that `pulumi` is logged in to.
 * @throws GateError where there is no such stack or it cannot be read
 */
export async function resourcesOfExport(run: RunPulumi, stack: string): Promise<number> {
  const { code, stdout, stderr } = await run(["stack", "export", "--stack", stack]);
  try {
    if (code !== 0) throw new Error(stderr);
    const { deployment } = JSON.parse(stdout) as { deployment: Parameters<typeof resourcesOf>[0] };
    return resourcesOf(deployment);
  } catch {
    const why = stderr.trim().split("\n").at(-1) ?? "";
    throw new GateError(
      `the state of ${stack} could not be read (${why}): run it where \`pulumi\` is logged in`,
      { gate: "state", judged: 0, of: 0, findings: [] },
    );
  }
}
