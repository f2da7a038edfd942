import type { Exception } from "../model/model.ts";
import type { Rule, StackRule } from "./rule.ts";

/** Judged over the exceptions themselves, where resources are judged: these only say what it is. */
export const exceptionCurrent: StackRule = {
  name: "exception-current",
  sentence: "An exception ends on its day, half a year ahead at most.",
  severity: "high",
  fix: "Set the secure default again, or have the exception reviewed and its day moved.",
  controls: ["NIST-800-53r5/CM-6"],
  *judgeStack() {},
};

export const exceptionUsed: StackRule = {
  name: "exception-used",
  sentence: "An exception stands for something that a rule would otherwise refuse.",
  severity: "medium",
  fix: "Take the exception out of the catalogue.",
  controls: ["NIST-800-53r5/CM-6"],
  *judgeStack() {},
};

/** Days ahead within which an exception ends: by then somebody looks at it again. */
export const longest = 180;

/**
 * Whether an exception is about a rule, by its name or by the requirement that the rule answers for. What no entry
 * caused is the environment's, where a requirement would excuse everything at once: there it takes the rule's name.
 */
export function isAbout(exception: Exception, rule: Rule, environment: string): boolean {
  const { rule: named, appliesTo } = exception;
  if (rule.isAbsolute) return false;
  if (named === rule.name) return true;
  return appliesTo !== environment && isRequirement(named) && rule.controls.some((each) => each === named);
}

export function isRequirement(named: string): boolean {
  return /^R\d+$/.test(named);
}

/** Why it does not hold on a day (YYYY-MM-DD), if it does not; its own last day counts. */
export function ended({ expires }: Exception, today: string): string | undefined {
  if (expires < today) return `ended on ${expires}`;
  const last = new Date(Date.parse(today) + longest * 86_400_000).toISOString().slice(0, 10);
  return expires > last ? `ends on ${expires}: nobody looks at it within ${longest} days` : undefined;
}
