import { type Comparison, isPattern, matches } from "./document.ts";

/** What a request says of a key; undefined where it does not say. */
export type Said = string | undefined;

/**
 * Whether a comparison holds of what is said; undefined where it cannot be told here (an operator or a variable that is
 * not known). A negation holds where nothing is said, everything else only if it ends with `IfExists`.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
export function holds({ operator, of, ifExists, values }: Comparison, said: Said): boolean | undefined {
  if (operator === "null") return values.some((value) => (value === "true") === (said === undefined));
  const isNegation = operator.includes("not");
  if (said === undefined) return ifExists || of === "all" || (isNegation && of !== "any");
  if (values.some((value) => value.includes("${"))) return undefined;
  const compare = operators[operator.replace("not", "")];
  if (compare === undefined) return undefined;
  const answers = values.map((value) => compare(value, said));
  if (answers.includes(true)) return !isNegation;
  return answers.includes(undefined) ? undefined : isNegation;
}

const operators: Record<string, (value: string, said: string) => boolean | undefined> = {
  stringequals: (value, said) => value === said,
  stringequalsignorecase: (value, said) => value.toLowerCase() === said.toLowerCase(),
  stringlike: matches,
  arnequals: likeArn,
  arnlike: likeArn,
  bool: (value, said) => value.toLowerCase() === said.toLowerCase(),
  ...ordered("numeric", Number),
  ...ordered("date", (text) => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text))),
};

function ordered(kind: string, read: (text: string) => number): typeof operators {
  return {
    [`${kind}equals`]: (value, said) => read(said) === read(value),
    [`${kind}lessthan`]: (value, said) => read(said) < read(value),
    [`${kind}lessthanequals`]: (value, said) => read(said) <= read(value),
    [`${kind}greaterthan`]: (value, said) => read(said) > read(value),
    [`${kind}greaterthanequals`]: (value, said) => read(said) >= read(value),
  };
}

/**
 * Part by part: a pattern in one part of an ARN reaches into no other, but the last has colons of its own. What a pattern
 * of fewer parts is for cannot be told here.
 */
function likeArn(pattern: string, said: string): boolean | undefined {
  const [wanted, given] = [parts(pattern), parts(said)];
  if (wanted.length < 6) return isPattern(pattern) ? undefined : false;
  if (given.length < 6) return false;
  return wanted.every((part, index) => matches(part, given[index] ?? ""));
}

/** The six parts of an ARN; fewer of what is none. */
export function parts(arn: string): string[] {
  const all = arn.split(":");
  return all.length < 6 ? all : [...all.slice(0, 5), all.slice(5).join(":")];
}
