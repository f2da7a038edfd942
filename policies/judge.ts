import { isStackRule, type Resource, type Rule } from "./rule.ts";
import { unknownProperty } from "./unknown.ts";

export interface Finding {
  rule: Rule;
  /** `pending`: a value is not known before the update; it has not passed. */
  verdict: "violated" | "pending";
  message: string;
  /** The resource; absent where it is about the stack. */
  urn?: string;
}

export interface Judgement {
  findings: Finding[];
  /** How many judgements were made, by rule: a rule that judged nothing says nothing. */
  judged: Map<string, number>;
}

/** A rule itself is wrong: it threw. Nothing counts as passed then. */
export class RuleError extends Error {
  override name = "RuleError";
}

/**
 * Judges resources by rules, in the order of the rules, then of the resources.
 * @throws RuleError when a rule throws
 */
export function judge(rules: readonly Rule[], resources: readonly Resource[]): Judgement {
  const byType = Map.groupBy(resources, ({ type }) => type);
  const findings: Finding[] = [];
  const judged = new Map<string, number>();
  for (const rule of rules) {
    if (isStackRule(rule)) {
      judged.set(rule.name, 1);
      collect(findings, rule, undefined, () => rule.judgeStack(resources));
      continue;
    }
    const ours = rule.types.length === 0 ? resources : rule.types.flatMap((type) => byType.get(type) ?? []);
    judged.set(rule.name, ours.length);
    for (const resource of ours) {
      collect(findings, rule, resource.urn, function* () {
        for (const message of rule.judge(resource)) yield { message };
      });
    }
  }
  return { findings, judged };
}

function collect(
  findings: Finding[],
  rule: Rule,
  urn: string | undefined,
  violations: () => Iterable<{ message: string; urn?: string }>,
): void {
  const place = (of: string | undefined) => (of === undefined ? {} : { urn: of });
  try {
    for (const { message, urn: about } of violations()) {
      findings.push({ rule, verdict: "violated", message, ...place(about ?? urn) });
    }
  } catch (error) {
    const property = unknownProperty(error);
    if (property === undefined) {
      throw new RuleError(
        `The rule ${rule.name} failed${urn === undefined ? "" : ` at ${urn}`}: nothing can be said, so nothing passes`,
        { cause: error },
      );
    }
    findings.push({
      rule,
      verdict: "pending",
      message: `${property} is known only after the update`,
      ...place(urn),
    });
  }
}
