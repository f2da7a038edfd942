import { record, records } from "../value.ts";

/** A key of a request, compared with values; https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */
export interface Comparison {
  /** In lower case, without what stands before and after it. */
  operator: string;
  /** `ForAnyValue` or `ForAllValues` stands before it. */
  of?: "any" | "all";
  /** `IfExists` stands after it. */
  ifExists: boolean;
  /** In lower case. */
  key: string;
  values: string[];
}

export interface Statement {
  allow: boolean;
  actions: string[];
  /** Those of the actions that stand for others: `kms:*`. */
  patterns: string[];
  /** `NotAction` stands in it: it is about everything but those. */
  notActions: boolean;
  resources: string[];
  notResources: boolean;
  /** "*" for everyone; otherwise kind and name, such as "AWS arn:…". */
  principals: string[];
  notPrincipals: boolean;
  /** Operator in lower case without ifexists → key in lower case → values. */
  conditions: ReadonlyMap<string, ReadonlyMap<string, string[]>>;
  /** A `Condition` stands in it, even an empty one. */
  hasCondition: boolean;
  /** A condition also holds where the request does not say: `…IfExists`, `ForAllValues:…`. */
  lenient: boolean;
  /** The same conditions, one by one, as they stand there. */
  comparisons: Comparison[];
  sid: string;
}

/** A document that cannot be read: what it allows is not known. */
export class DocumentError extends Error {
  override name = "DocumentError";
}

export interface PolicyDocument {
  /** The version of the grammar that it says it is in. */
  version: unknown;
  statements: Statement[];
}

/**
 * An IAM, key, bucket or trust policy, from text or data.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 * @throws DocumentError for what is no policy document
 */
export function policyDocument(document: unknown): PolicyDocument {
  const { Version, Statement: statements } = record(
    typeof document === "string" ? parse(document) : document,
  );
  const list = Array.isArray(statements) ? records(statements) : [record(statements)];
  if (statements === undefined || list.length === 0)
    throw new DocumentError("the policy document has no statement");
  return { version: Version, statements: list.map(read) };
}

function read(statement: { readonly [key: string]: unknown }): Statement {
  const { Effect } = statement;
  if (Effect !== "Allow" && Effect !== "Deny")
    throw new DocumentError("a statement neither allows nor denies");
  const all = operators(statement.Condition);
  const comparisons = all.flatMap((each) => each.comparisons);
  const actions = textsOf(statement.Action ?? statement.NotAction).map((action) => action.toLowerCase());
  return {
    allow: Effect === "Allow",
    actions,
    patterns: actions.filter(isPattern),
    notActions: statement.NotAction !== undefined,
    resources: textsOf(statement.Resource ?? statement.NotResource),
    notResources: statement.NotResource !== undefined,
    principals: principals(statement.Principal ?? statement.NotPrincipal),
    notPrincipals: statement.NotPrincipal !== undefined,
    conditions: byOperator(all),
    hasCondition: statement.Condition !== undefined,
    lenient: comparisons.some(({ ifExists, of }) => ifExists || of === "all"),
    comparisons,
    sid: typeof statement.Sid === "string" ? statement.Sid : "",
  };
}

function parse(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch {
    throw new DocumentError("the policy document is no JSON");
  }
}

function textsOf(value: unknown): string[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === "string" || typeof item === "boolean" || typeof item === "number")
      return String(item);
    throw new DocumentError("a statement has what is no text");
  });
}

function principals(value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value === "string") return [value];
  return Object.entries(record(value)).flatMap(([kind, names]) =>
    textsOf(names).map((name) => (kind === "AWS" && name === "*" ? "*" : `${kind} ${name}`)),
  );
}

/** Operator by operator, even one that compares nothing. */
function operators(value: unknown): { written: string; comparisons: Comparison[] }[] {
  return Object.entries(record(value)).map(([name, keys]) => {
    const [, set, operator = "", exists] =
      /^(?:for(any|all)values?:)?(.*?)(ifexists)?$/.exec(name.toLowerCase()) ?? [];
    const rest = {
      operator,
      ifExists: exists !== undefined,
      ...((set === "any" || set === "all") && { of: set as "any" | "all" }),
    };
    return {
      written: set === undefined ? operator : `for${set}values:${operator}`,
      comparisons: Object.entries(record(keys)).map(([key, values]) => ({
        ...rest,
        key: key.toLowerCase(),
        values: textsOf(values),
      })),
    };
  });
}

/** The same by what is compared. */
function byOperator(all: ReturnType<typeof operators>): Statement["conditions"] {
  const found = new Map<string, Map<string, string[]>>();
  for (const { written, comparisons } of all) {
    const compared = found.get(written) ?? new Map<string, string[]>();
    for (const { key, values } of comparisons) compared.set(key, [...(compared.get(key) ?? []), ...values]);
    found.set(written, compared);
  }
  return found;
}

/** Whether a statement's action, which may be a pattern, covers an action (service:Name). */
export function covers({ actions, patterns, notActions }: Statement, action: string): boolean {
  const asked = action.toLowerCase();
  const hit = actions.includes(asked) || patterns.some((pattern) => matches(pattern, asked));
  return hit !== notActions;
}

/** Whether text matches AWS' pattern: `*` is any letters, `?` is one. */
export function matches(pattern: string, text: string): boolean {
  let [at, place] = [0, 0];
  // Where the last `*` stands, and where what follows it is looked for.
  let [star, from] = [-1, 0];
  while (place < text.length) {
    const sign = pattern[at];
    if (sign === "*") {
      star = at++;
      from = place;
    } else if (sign === "?" || sign === text[place]) {
      at++;
      place++;
    } else if (star >= 0) {
      at = star + 1;
      place = ++from;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

/** Whether a text of AWS stands for more than itself. */
export function isPattern(text: string): boolean {
  return text.includes("*") || text.includes("?");
}

/** The values that a condition demands of a key, under one of some operators; undefined where it demands nothing. */
export function demanded(
  { conditions }: Statement,
  key: string,
  ...operators: string[]
): string[] | undefined {
  for (const operator of operators) {
    const values = conditions.get(operator.toLowerCase())?.get(key.toLowerCase());
    if (values !== undefined) return values;
  }
  return undefined;
}

/** Whether it is who asks, or a device of their name, in whichever account they are: IAM fills the name in. */
export function isOneself(resource: string): boolean {
  return /^arn:aws:iam::\*:(user|mfa)\/\$\{aws:username\}$/.test(resource);
}
