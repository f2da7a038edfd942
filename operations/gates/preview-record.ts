import { z } from "zod";
import { GateEvidenceError } from "./evidence.ts";
import { type Gate, joined } from "./gate.ts";

/** What the engine's own preview of one stack counted. Holds no value. */
const PreviewRecord = z.strictObject({
  format: z.literal(1),
  environment: z.string(),
  stack: z.string(),
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  judged: z.int().min(0),
  of: z.int().min(0),
  findings: z.array(
    z.strictObject({
      verdict: z.enum(["pending", "excepted"]),
      rule: z.string(),
      message: z.string(),
      urn: z.string().optional(),
    }),
  ),
});
export type PreviewRecord = z.infer<typeof PreviewRecord>;

/** @param gate of a preview that stops nothing: what is violated is never recorded */
export function previewRecord(
  about: Pick<PreviewRecord, "environment" | "stack" | "commit">,
  gate: Gate,
): PreviewRecord {
  const { judged, of, findings } = gate;
  return PreviewRecord.parse({ format: 1, ...about, judged, of, findings });
}

export interface Previewed {
  environment: string;
  commit: string;
  /** Every stack of the environment. */
  stacks: readonly string[];
  /** How many resources the program declares for the whole environment: the engine registers no fewer. */
  declared: number;
}

/**
 * The first gate of an environment, of what the engine's previews of all its stacks counted.
 * @param read the text of a stack's record, undefined where there is none
 * @throws GateEvidenceError for a stack without a record, another environment's or commit's, or too few resources
 */
export async function recordedPreview(
  { environment, commit, stacks, declared }: Previewed,
  read: (stack: string) => Promise<string | undefined>,
): Promise<Gate> {
  const fix = `preview it by \`keyplane judge --environment ${environment} --record FOLDER -- pulumi preview …\``;
  const gates: Gate[] = [];
  for (const stack of stacks) {
    const refuse = (why: string) => new GateEvidenceError(`${why}: ${fix}`);
    const text = await read(stack);
    if (text === undefined) throw refuse(`no preview of the stack ${stack} was judged`);
    const found = parsed(text);
    if (found === undefined || found.stack !== stack)
      throw refuse(`what was recorded of ${stack} is no preview of it`);
    if (found.environment !== environment) throw refuse(`the preview of ${stack} is of ${found.environment}`);
    if (found.commit !== commit) {
      throw refuse(
        `the preview of ${stack} is of commit ${found.commit.slice(0, 12)}, and this is ${commit.slice(0, 12)}`,
      );
    }
    const findings = found.findings.map(({ urn, ...said }) => ({
      ...said,
      ...(urn !== undefined && { urn }),
    }));
    gates.push({ gate: "preview", judged: found.judged, of: found.of, findings });
  }
  const gate = joined("preview", gates);
  if (gate.of < declared) {
    throw new GateEvidenceError(
      `the previews registered ${gate.of} resources, and the program declares ${declared}: ${fix}`,
    );
  }
  return gate;
}

function parsed(text: string): PreviewRecord | undefined {
  try {
    return PreviewRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
