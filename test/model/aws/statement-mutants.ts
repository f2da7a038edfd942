import type { PolicyDocument, PolicyStatement } from "../../../model/aws.ts";

/** What a document is about, for mutations that need a word of it. */
export interface Subject {
  account: string;
  /** Another account. */
  stranger: string;
  /** kms, s3, … */
  service: string;
  /** An action of it that changes nothing. */
  seeing: string;
  /** Another thing of the same kind. */
  elsewhere: string;
  /** Every thing of the kind. */
  everywhere: string;
}

export interface StatementMutant {
  /** e.g. "TrailEncrypts: Condition StringEquals aws:SourceArn dropped" */
  what: string;
  policy: PolicyDocument;
  /** The statements that are not those of the document. */
  changed: PolicyStatement[];
}

/** Every mutant of a document: each element of each statement in each way, and statements that are added. */
export function statementMutants(policy: PolicyDocument, subject: Subject): StatementMutant[] {
  const replaced = policy.Statement.flatMap((statement, index) =>
    [...mutants(statement, subject)].map(([what, changed]) => ({
      what: `${statement.Sid}: ${what}`,
      policy: { ...policy, Statement: policy.Statement.toSpliced(index, 1, ...changed) },
      changed,
    })),
  );
  const added = [...additions(subject)].map(([what, statement]) => ({
    what: `added: ${what}`,
    policy: { ...policy, Statement: [...policy.Statement, statement] },
    changed: [statement],
  }));
  return [...replaced, ...added];
}

type Changed = [what: string, statements: PolicyStatement[]];

function* mutants(statement: PolicyStatement, subject: Subject): Generator<Changed> {
  yield ["dropped", []];
  yield ["Effect turned", [{ ...statement, Effect: statement.Effect === "Allow" ? "Deny" : "Allow" }]];
  for (const [what, change] of [
    ...principals(statement, subject),
    ...actions(statement, subject),
    ...resources(statement, subject),
    ...conditions(statement, subject),
  ])
    yield [what, [{ ...statement, ...change }]];
  // Two ways at once: whoever it is for, but on a condition.
  for (const [what, Condition] of Object.entries(bounds(subject))) {
    yield [`for everybody, ${what}`, [{ ...statement, Principal: "*", Condition }]];
    yield [
      `on condition that ${what}`,
      [{ ...statement, Condition: { ...statement.Condition, ...Condition } }],
    ];
  }
}

type Change = [what: string, change: Record<string, unknown>];

function* principals({ Principal }: PolicyStatement, { account, stranger }: Subject): Generator<Change> {
  const whole = (id: string) => `arn:aws:iam::${id}:root`;
  const role = (id: string) => `arn:aws:iam::${id}:role/somebody`;
  const given = typeof Principal === "string" ? {} : Principal;
  const to = (what: string, Principal: unknown): Change => [`Principal ${what}`, { Principal }];
  yield to("everybody", "*");
  yield to("everybody as AWS", { AWS: "*" });
  yield to("the account", { AWS: whole(account) });
  yield to("the account, by its digits", { AWS: account });
  yield to("a role of the account", { AWS: role(account) });
  yield to("another account", { AWS: whole(stranger) });
  yield to("another account, by its digits", { AWS: stranger });
  yield to("another account's role", { AWS: role(stranger) });
  yield to("another account's user", { AWS: `arn:aws:iam::${stranger}:user/somebody` });
  yield to("another account's role as well", {
    ...given,
    AWS: [...[given?.AWS ?? []].flat(), role(stranger)],
  });
  yield to("a service", { Service: "cloudtrail.amazonaws.com" });
  yield to("another service as well", {
    ...given,
    Service: [...[given?.Service ?? []].flat(), "config.amazonaws.com"],
  });
  for (const [kind, names] of Object.entries(given ?? {})) {
    if (!Array.isArray(names) || names.length < 2) continue;
    for (const name of names) yield to(`without ${name}`, { [kind]: names.filter((one) => one !== name) });
  }
  for (const [what, NotPrincipal] of [
    ["whom it named", Principal],
    ["the account", { AWS: whole(account) }],
    ["another account", { AWS: whole(stranger) }],
  ] as const) {
    if (NotPrincipal !== "*") yield [`everybody but ${what}`, { Principal: undefined, NotPrincipal }];
  }
}

function* actions({ Action }: PolicyStatement, { service, seeing }: Subject): Generator<Change> {
  const given = [Action ?? []].flat();
  const to = (what: string, Action: unknown): Change => [`Action ${what}`, { Action }];
  yield to("everything", "*");
  yield to("everything of the service", `${service}:*`);
  yield to("narrowed", seeing);
  yield to("of another service", service === "s3" ? "kms:Decrypt" : "s3:GetObject");
  for (const one of given) {
    if (given.length > 1)
      yield to(
        `without ${one}`,
        given.filter((each) => each !== one),
      );
    yield to(
      `${one} widened`,
      given.map((each) => (each === one ? each.replace(/(:\w{3}).*/, "$1*") : each)),
    );
  }
  for (const NotAction of [given, [seeing], [`${service}:*`], ["s3:GetObject", "kms:Decrypt"]])
    yield [`everything but ${NotAction}`, { Action: undefined, NotAction }];
}

function* resources({ Resource }: PolicyStatement, subject: Subject): Generator<Change> {
  const { elsewhere, everywhere } = subject;
  yield ["Resource another", { Resource: elsewhere }];
  yield ["Resource every one", { Resource: everywhere }];
  yield ["Resource everything", { Resource: "*" }];
  for (const NotResource of [Resource, elsewhere, "*"])
    yield [`everything but ${NotResource}`, { Resource: undefined, NotResource: [NotResource].flat() }];
}

/** Conditions that an author might hold somebody back with. */
function bounds({ account, stranger }: Subject): Record<string, NonNullable<PolicyStatement["Condition"]>> {
  const of = (account: string) => `arn:aws:iam::${account}:role/somebody`;
  return {
    "they are of the account": { StringEquals: { "aws:PrincipalAccount": account } },
    "they are of another account": { StringEquals: { "aws:PrincipalAccount": stranger } },
    "they are not of the account": { StringNotEquals: { "aws:PrincipalAccount": account } },
    "they are not of another account": { StringNotEquals: { "aws:PrincipalAccount": stranger } },
    "the account is theirs if it is said": { StringEqualsIfExists: { "aws:PrincipalAccount": account } },
    "the source is of the account": { StringEquals: { "aws:SourceAccount": account } },
    "the source is of the account if it is said": { StringEqualsIfExists: { "aws:SourceAccount": account } },
    "the source is of any account": { StringLike: { "aws:SourceAccount": "*" } },
    "the source is said": { Null: { "aws:SourceArn": "false" } },
    "no source is said": { Null: { "aws:SourceArn": "true" } },
    "the source's ARN is of the account": { ArnLike: { "aws:SourceArn": `arn:aws:sns:*:${account}:*` } },
    "the source's ARN is of any account": { ArnLike: { "aws:SourceArn": "arn:aws:sns:*:*:*" } },
    "they are one of ours": { ArnEquals: { "aws:PrincipalArn": of(account) } },
    "they are one of theirs": { StringLike: { "aws:PrincipalArn": of(stranger).replace("somebody", "*") } },
    "they have a name": { StringLike: { "aws:PrincipalArn": "*" } },
    "they are of the organization": { StringEquals: { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } },
    "there was a second factor": { Bool: { "aws:MultiFactorAuthPresent": "true" } },
    "there was no second factor": { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } },
    "they come by TLS": { Bool: { "aws:SecureTransport": "true" } },
    "they come by plain HTTP": { Bool: { "aws:SecureTransport": "false" } },
    "they are a service": { Bool: { "aws:PrincipalIsAWSService": "true" } },
    "they are no service": { Bool: { "aws:PrincipalIsAWSService": "false" } },
    "both at once, which nobody is": {
      StringEquals: { "aws:PrincipalAccount": stranger },
      StringNotEquals: { "aws:PrincipalAccount": stranger },
    },
  };
}

function* conditions(statement: PolicyStatement, { account, stranger }: Subject): Generator<Change> {
  const all = statement.Condition ?? {};
  const to = (what: string, Condition: unknown): Change => [`Condition ${what}`, { Condition }];
  if (Object.keys(all).length > 0) yield to("dropped", undefined);
  for (const [operator, keys] of Object.entries(all)) {
    const { [operator]: _, ...others } = all;
    const put = (name: string, more: Record<string, unknown>) => ({ ...others, [name]: more });
    if (Object.keys(others).length > 0) yield to(`${operator} dropped`, others);
    yield to(`${operator} negated`, put(negated(operator), keys));
    yield to(`${operator} if it exists`, put(`${operator}IfExists`, keys));
    for (const [key, value] of Object.entries(keys)) {
      const { [key]: _, ...rest } = keys;
      const what = `${operator} ${key}`;
      const values = [value].flat();
      const like = operator.replace(/^(String|Arn)(Not)?(Equals|Like)$/, "$1$2Like");
      const instead = (value: unknown, name = operator) =>
        name === operator
          ? put(operator, { ...rest, [key]: value })
          : joined(put(operator, rest), name, { [key]: value });
      if (Object.keys(rest).length > 0) yield to(`${what} dropped`, put(operator, rest));
      yield to(`${what} of any value`, instead("*", like));
      yield to(`${what} of any value, letter by letter`, instead("*"));
      yield to(`${what} not said`, instead("true", "Null"));
      yield to(`${what} said`, instead("false", "Null"));
      yield to(`${what} negated`, instead(value, negated(operator)));
      yield to(`${what} if it exists`, instead(value, `${operator}IfExists`));
      yield to(`${what} of all values`, instead(value, `ForAllValues:${operator}`));
      yield to(`${what} of any of its values`, instead(value, `ForAnyValue:${operator}`));
      for (const one of values) {
        const others = values.filter((each) => each !== one);
        if (others.length > 0) yield to(`${what} without ${one}`, instead(others));
        yield to(
          `${what} ${one} of another account`,
          instead([...others, one.replaceAll(account, stranger)]),
        );
        yield to(
          `${what} ${one} of another account as well`,
          instead([...values, one.replaceAll(account, stranger)]),
        );
        yield to(`${what} ${one} of any account`, instead([...others, one.replaceAll(account, "*")], like));
        yield to(
          `${what} ${one} of anywhere`,
          instead([...others, one.replace(/:[\w-]*:\d{12}:/, ":*:")], "StringLike"),
        );
        yield to(`${what} ${one} ending anyhow`, instead([...others, `${one.slice(0, -3)}*`], like));
        yield to(`${what} ${one} beginning anyhow`, instead([...others, `*${one.slice(8)}`], like));
        yield to(`${what} ${one} narrowed`, instead([...others, `${one}0`]));
      }
    }
  }
}

/** Conditions with one more, beside others of its operator. */
function joined(all: Record<string, unknown>, operator: string, keys: Record<string, unknown>) {
  const kept = Object.entries(all).filter(([, keys]) => Object.keys(keys as object).length > 0);
  const found = Object.fromEntries(kept) as Record<string, Record<string, unknown>>;
  return { ...found, [operator]: { ...found[operator], ...keys } };
}

function negated(operator: string): string {
  if (operator === "Bool") return "Null";
  return /^(String|Arn)/.test(operator)
    ? operator.replace(/^(String|Arn)/, "$1Not")
    : operator.replace(/GreaterThanEquals/, "LessThan");
}

/** Statements that somebody adds. */
function* additions(subject: Subject): Generator<[what: string, statement: PolicyStatement]> {
  const { account, stranger, service, seeing } = subject;
  const Resource = subject.everywhere;
  const whole = (id: string) => ({ AWS: `arn:aws:iam::${id}:root` });
  const role = (id: string) => ({ AWS: `arn:aws:iam::${id}:role/somebody` });
  const none = { whatever: undefined } as Record<string, PolicyStatement["Condition"]>;
  const of: Record<string, Record<string, unknown>> = {
    everybody: { Principal: "*" },
    "the account": { Principal: whole(account) },
    "a role of it": { Principal: role(account) },
    "another account": { Principal: whole(stranger) },
    "a service": { Principal: { Service: "cloudtrail.amazonaws.com" } },
    "everybody but the account": { NotPrincipal: whole(account) },
    "everybody but a role": { NotPrincipal: role(account) },
  };
  for (const [who, principal] of Object.entries(of)) {
    for (const [when, Condition] of Object.entries({ ...none, ...bounds(subject) })) {
      for (const Action of [`${service}:*`, seeing]) {
        const rest = { ...principal, Action, Resource, ...(Condition !== undefined && { Condition }) };
        yield [`${who} is denied ${Action}, ${when}`, { Sid: "Added", Effect: "Deny", ...rest }];
      }
    }
  }
  for (const name of ["cloudtrail", "cloudwatch", "s3", "lambda", "logs.eu-west-1", "events"]) {
    for (const [when, Condition] of Object.entries({ ...none, ...bounds(subject) })) {
      const rest = { Action: `${service}:*`, Resource, ...(Condition !== undefined && { Condition }) };
      yield [
        `${name} is allowed everything, ${when}`,
        { Sid: "Added", Effect: "Allow", Principal: { Service: `${name}.amazonaws.com` }, ...rest },
      ];
    }
  }
}
