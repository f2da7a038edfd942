/**
 * CloudWatch Logs' filter patterns for JSON, as far as alarms on CloudTrail use them: `=` and `!=` of texts with `*`, `EXISTS`,
 * `NOT EXISTS`, `&&`, `||` and brackets. What is compared and is not there does not match.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 */
export function matchesPattern(pattern: string, event: unknown): boolean {
  const tokens = pattern.match(/"[^"]*"|&&|\|\||!=|[={}()]|[^\s={}()!&|"]+/g) ?? [];
  let at = 0;
  const take = (expected?: string): string => {
    const token = tokens[at++] ?? "";
    if (token === "" || (expected !== undefined && token !== expected))
      throw new Error(`${pattern}: ${expected ?? "more"} is missing at its token ${at}, "${token}"`);
    return token;
  };
  const joined = (sign: string, one: () => boolean, join: (a: boolean, b: boolean) => boolean): boolean => {
    let value = one();
    while (tokens[at] === sign) {
      take(sign);
      value = join(value, one());
    }
    return value;
  };
  const either = (): boolean => joined("||", both, (a, b) => a || b);
  const both = (): boolean => joined("&&", term, (a, b) => a && b);
  const term = (): boolean => {
    if (tokens[at] !== "(") return compared(take(), take(), take, event);
    take("(");
    const inner = either();
    take(")");
    return inner;
  };
  take("{");
  const value = either();
  take("}");
  if (at !== tokens.length) throw new Error(`${pattern}: nothing is read after its token ${at}`);
  return value;
}

function compared(selector: string, operator: string, next: (expected?: string) => string, event: unknown) {
  const found = selector
    .replace(/^\$\./, "")
    .split(".")
    .reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], event);
  if (operator === "EXISTS") return found !== undefined;
  if (operator === "NOT") {
    next("EXISTS");
    return found === undefined;
  }
  if (operator !== "=" && operator !== "!=") throw new Error(`${operator} compares nothing`);
  const text = next().replace(/^"|"$/g, "");
  if (found === undefined) return false;
  const shape = text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${shape}$`).test(String(found)) === (operator === "=");
}
