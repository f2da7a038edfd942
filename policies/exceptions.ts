import type { Exception } from "../model/model.ts";
import type { Rule, StackRule } from "./rule.ts";

/** Judged over the exceptions themselves, where resources are judged: these only say what it is. */
export const exceptionCurrent: StackRule = {
  name: "exception-current",
  sentence: "An exception ends on its day.",
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

/** Whether an exception is about a rule, by its name or by the requirement that the rule answers for. */
export function isAbout({ rule: named }: Exception, { name, controls }: Rule): boolean {
  return named === name || (/^R\d+$/.test(named) && controls.some((control) => control === named));
}

/** Whether it still holds on a day (YYYY-MM-DD); its own last day counts. */
export function holds({ expires }: Exception, today: string): boolean {
  return today <= expires;
}
