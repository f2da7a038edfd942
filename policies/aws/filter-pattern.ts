import { record } from "../value.ts";

/** Whether a pattern is for an event. */
export type FilterPattern = (event: unknown) => boolean;

/** A pattern that cannot be read here: what it is for is not known. */
export class FilterPatternError extends Error {
  override name = "FilterPatternError";
}

/**
 * CloudWatch Logs' filter patterns for JSON, as far as alarms on CloudTrail use them: `=` and `!=` of texts with `*`, `EXISTS`,
 * `NOT EXISTS`, `&&`, `||` and brackets. What is compared and is not there does not match.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 * @throws FilterPatternError for what is no such pattern
 */
export function filterPattern(pattern: string): FilterPattern {
  const tokens = pattern.match(/"[^"]*"|&&|\|\||!=|[={}()]|[^\s={}()!&|"]+|\S/g) ?? [];
  let at = 0;
  const take = (expected?: string): string => {
    const token = tokens[at++] ?? "";
    if (token === "" || (expected !== undefined && token !== expected))
      throw new FilterPatternError(
        `${expected ?? "more"} is missing at the pattern's token ${at}, "${token}"`,
      );
    return token;
  };
  const joined = (sign: string, one: () => FilterPattern): FilterPattern[] => {
    const all = [one()];
    while (tokens[at] === sign) {
      take(sign);
      all.push(one());
    }
    return all;
  };
  const either = (): FilterPattern => {
    const all = joined("||", both);
    return (event) => all.some((one) => one(event));
  };
  const both = (): FilterPattern => {
    const all = joined("&&", term);
    return (event) => all.every((one) => one(event));
  };
  const term = (): FilterPattern => {
    if (tokens[at] !== "(") return compared(take(), take(), take);
    take("(");
    const inner = either();
    take(")");
    return inner;
  };
  take("{");
  const all = either();
  take("}");
  if (at !== tokens.length)
    throw new FilterPatternError(`nothing is read after the pattern's token ${at}, "}"`);
  return all;
}

function compared(selector: string, operator: string, next: (expected?: string) => string): FilterPattern {
  if (!selector.startsWith("$.")) throw new FilterPatternError(`${selector} is no selector`);
  const steps = selector.slice(2).split(".");
  const find = (event: unknown) => steps.reduce((inner, step) => record(inner)[step], event);
  if (operator === "EXISTS") return (event) => find(event) !== undefined;
  if (operator === "NOT") {
    next("EXISTS");
    return (event) => find(event) === undefined;
  }
  if (operator !== "=" && operator !== "!=") throw new FilterPatternError(`${operator} compares nothing`);
  const text = next().replace(/^"|"$/g, "");
  const shape = text.includes("*")
    ? new RegExp(`^${text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`)
    : undefined;
  const isEqual = operator === "=";
  return (event) => {
    const found = find(event);
    if (found === undefined) return false;
    const said = String(found);
    return (shape === undefined ? said === text : shape.test(said)) === isEqual;
  };
}
