import { byType } from "./resource.ts";
import { isStackRule, type Resource, type ResourceRule, type Rule, type StackRule } from "./rule.ts";
import { unknownProperty } from "./unknown.ts";

export interface Finding {
  rule: Rule;
  /** `pending`: a value is not known before the update; it has not passed. */
  verdict: "violated" | "pending";
  message: string;
  /** The resource; absent where it is about the stack. */
  urn?: string;
}

/** A rule itself is wrong: it threw. Nothing counts as passed then. */
export class RuleError extends Error {
  override name = "RuleError";
}

/** Rules, looked up by the type of a resource. */
interface Index {
  ofType: Map<string, readonly ResourceRule[]>;
  resource: ResourceRule[];
  stack: StackRule[];
}

const indexes = new WeakMap<readonly Rule[], Index>();

const isResourceRule = (rule: Rule): rule is ResourceRule => !isStackRule(rule);

function indexOf(rules: readonly Rule[]): Index {
  const before = indexes.get(rules);
  if (before !== undefined) return before;
  const index: Index = {
    ofType: new Map(),
    resource: rules.filter(isResourceRule),
    stack: rules.filter(isStackRule),
  };
  indexes.set(rules, index);
  return index;
}

/** Those that judge resources of a type one by one, in their order. */
function rulesOf(rules: readonly Rule[], type: string): readonly ResourceRule[] {
  const { ofType, resource } = indexOf(rules);
  const before = ofType.get(type);
  if (before !== undefined) return before;
  const found = resource.filter(({ types }) => types.length === 0 || types.includes(type));
  ofType.set(type, found);
  return found;
}

/**
 * What the rules of single resources say of one, in their order.
 * @throws RuleError when a rule throws
 */
export function judgeOne(rules: readonly Rule[], resource: Resource): Finding[] {
  const findings: Finding[] = [];
  for (const rule of rulesOf(rules, resource.type)) judgeBy(rule, resource, findings);
  return findings;
}

function judgeBy(rule: ResourceRule, resource: Resource, findings: Finding[]): void {
  try {
    for (const message of rule.judge(resource)) {
      findings.push({ rule, verdict: "violated", message, urn: resource.urn });
    }
  } catch (error) {
    findings.push(pending(rule, error, resource.urn));
  }
}

/**
 * What the rules of a whole stack say of it.
 * @throws RuleError when a rule throws
 */
export function judgeTogether(rules: readonly Rule[], resources: readonly Resource[]): Finding[] {
  const findings: Finding[] = [];
  for (const rule of indexOf(rules).stack) {
    try {
      for (const { message, urn } of rule.judgeStack(resources)) {
        findings.push({ rule, verdict: "violated", message, ...(urn !== undefined && { urn }) });
      }
    } catch (error) {
      findings.push(pending(rule, error));
    }
  }
  return findings;
}

/**
 * Judges resources one by one, then together; findings are in the order of the resources.
 * @throws RuleError when a rule throws
 */
export function judge(rules: readonly Rule[], resources: readonly Resource[]): Finding[] {
  const alone: Finding[] = [];
  // Type by type and rule by rule: the same code over and over runs twice as fast as all of it at each resource.
  for (const [type, same] of byType(resources)) {
    for (const rule of rulesOf(rules, type)) for (const resource of same) judgeBy(rule, resource, alone);
  }
  if (alone.length > 1) {
    const places = new Map(resources.map(({ urn }, place) => [urn, place]));
    const place = ({ urn = "" }: Finding) => places.get(urn) ?? 0;
    alone.sort((one, other) => place(one) - place(other));
  }
  return [...alone, ...judgeTogether(rules, resources)];
}

/** What a rule threw: a value that is not known yet is no verdict, anything else is the rule's own mistake. */
function pending(rule: Rule, error: unknown, urn?: string): Finding {
  const property = unknownProperty(error);
  if (property === undefined) {
    throw new RuleError(
      `The rule ${rule.name} failed${urn === undefined ? "" : ` at ${urn}`}: nothing can be said, so nothing passes`,
      { cause: error },
    );
  }
  const message = `${property} is known only after the update`;
  return { rule, verdict: "pending", message, ...(urn !== undefined && { urn }) };
}
