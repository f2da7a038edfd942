import type { Exception, Model } from "../model/model.ts";
import { causesOf } from "./cause.ts";
import { ended, isAbout } from "./exceptions.ts";
import type { Rule } from "./rule.ts";

/** The exception that excuses a rule at a resource, if one holds. */
export type Excuse = (rule: Rule, urn: string | undefined) => Exception | undefined;

/** The exceptions of an environment that hold on a day (YYYY-MM-DD). */
export function excuses(model: Model, today: string): Excuse {
  const causeOf = causesOf(model);
  const current = model.exceptions.filter((exception) => ended(exception, today) === undefined);
  return (rule, urn) => {
    const { entry } = causeOf(urn);
    return current.find((each) => each.appliesTo === entry && isAbout(each, rule, model.environment));
  };
}
