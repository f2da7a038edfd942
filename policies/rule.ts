import type { Control } from "./controls.ts";

/**
 * What a rule sees of a resource: the same plain data whether the engine's analyzer, a recorded program or a state
 * shows it. Reading a property whose value only the update makes known throws UnknownValue, or the engine's own like.
 */
export interface Resource {
  urn: string;
  /** Pulumi's type token, such as vault:index/mount:Mount. */
  type: string;
  name: string;
  props: Props;
  protect: boolean;
  /** Arguments of which an update leaves alone whatever is there. */
  ignoreChanges?: readonly string[] | undefined;
  /** It stays when the program no longer declares it; the engine tells its analyzers nothing of that. */
  retainOnDelete?: boolean | undefined;
}

export type Props = { readonly [key: string]: unknown };

export type Severity = "critical" | "high" | "medium" | "low";

interface Statement {
  /** kebab-case; what an exception and an output call it. */
  name: string;
  /** What must hold, a full sentence. */
  sentence: string;
  severity: Severity;
  /** How to make it hold. */
  fix: string;
  controls: Control[];
  /** No exception excuses it: without it nothing else could be judged, or a value would be out already. */
  isAbsolute?: true;
}

/** Judges one resource by itself. */
export interface ResourceRule extends Statement {
  /** Type tokens that it judges; none is every type. */
  types: readonly string[];
  /** It looks at what a provider answered as well (outputs), where the engine shows that. */
  judgesOutputs?: true;
  /** What is wrong, one text for each; never with a secret's value. */
  judge(resource: Resource): Iterable<string>;
}

/** Judges what only all resources of a stack show together. */
export interface StackRule extends Statement {
  /** Type tokens that it looks at one by one. */
  types?: readonly string[];
  judgeStack(resources: readonly Resource[]): Iterable<StackViolation>;
}

export interface StackViolation {
  message: string;
  /** What it is about; the stack as a whole where absent. */
  urn?: string;
}

export type Rule = ResourceRule | StackRule;

export function isStackRule(rule: Rule): rule is StackRule {
  return "judgeStack" in rule;
}
