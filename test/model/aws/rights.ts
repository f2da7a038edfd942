import type { AwsModel, AwsRole, PolicyStatement } from "../../../model/aws.ts";

/** One line of what somebody may; everything in it is a list of alternatives. */
export interface Right {
  /** Where it is said: the statement, and the key whose policy it stands in. */
  said: string;
  effect: "Allow" | "Deny";
  actions: string[];
  resources: string[];
  /** e.g. "StringEquals kms:ViaService sqs.eu-west-1.amazonaws.com" */
  conditions: string[];
}

/** Where the page is, from the root of the repository. */
export const page = "infra/aws/rights.md";

/** The page that says of each role of an environment who takes it and what it may, but for its last section. */
export function rightsPage(aws: AwsModel): string {
  return [
    "# What each role may in AWS",
    "",
    "Of production; the other environments have the same with their own names. Written by",
    "`node test/model/aws/write-rights.ts`. A test compares it with the model, and asks a policy simulator whether each",
    "role may exactly this, of every action of the services that it knows. What is not here is denied.",
    "",
    "`*` and `?` stand for any text and any character. A key has its name in place of its id. Lines of one cell are",
    "alternatives, but for those under *only if*, which must all hold.",
    ...aws.roles.flatMap((role) => ["", ...section(aws, role)]),
    "",
    `## Users of the account, in the group ${aws.people.group}`,
    "",
    "None is declared. What an account's own users may, whatever other groups they are in: without a second factor each sets",
    "up their own, under their own name, and does nothing else. What is open for that is what AWS' own example of it leaves",
    "open, and two more: who breaks off setting one up deletes the device that nobody has (AWS deletes no other), since its",
    "name is taken; and AWS answers `sts:GetCallerIdentity` whatever a policy says. A password is not changed without a second",
    "factor: whoever gets one that must be changed at the first sign-in is put into the group after it.",
    "",
    ...table(
      "said in",
      aws.people.policy.Statement.map((statement) => ({
        who: statement.Sid,
        ...rightOf(statement, listOf(statement.Resource)),
      })),
    ),
    "",
    "## Everybody else",
    "",
    "By the policies of keys, secrets, the trail's bucket and the topic; the account itself stands there too, so that its",
    "IAM decides, and nobody is locked out.",
    "",
    ...table("who", others(aws)),
    "",
  ].join("\n");
}

/**
 * Its last section.
 * @param reached thing → who → what they may, by the simulator
 */
export function reachSection(reached: ReadonlyMap<string, ReadonlyMap<string, string[]>>): string {
  return [
    "## Who reaches what is no key",
    "",
    "As the simulator decides by the policies of both sides, of these askers: each role of this page, whoever reads a secret,",
    "an administrator of the account with every right in IAM (also by plain HTTP), seven services of AWS on behalf of this",
    "account and of another, and an administrator of another account. Who is not here may nothing of what was asked.",
    "",
    "| what | who | may |",
    "|---|---|---|",
    ...[...reached].flatMap(([what, rows]) =>
      [...rows].map(([who, may]) => `| ${what} | ${who} | ${may.join("<br>")} |`),
    ),
    "",
  ].join("\n");
}

function section(aws: AwsModel, role: AwsRole): string[] {
  const takers = role.trust.Statement.map((statement) => {
    const who = Object.values(statement.Principal ?? {}).flat();
    return { who: who.join("<br>"), ...rightOf(statement, ["this role"]) };
  });
  const rights = rightsOf(aws, role).map((right) => ({ who: right.said, ...right }));
  return [
    `## ${role.name}`,
    "",
    role.purpose,
    "",
    ...table("taken by", takers),
    "",
    ...(rights.length === 0 ? ["It may nothing in AWS."] : table("said in", rights)),
  ];
}

/** What a role may: by its own document, and by the policies of keys. */
export function rightsOf(aws: AwsModel, { name, rights }: Pick<AwsRole, "name" | "rights">): Right[] {
  const own = rights?.Statement.map((statement) => rightOf(statement, listOf(statement.Resource))) ?? [];
  const arn = `arn:aws:iam::${aws.account}:role/${name}`;
  const byKeys = aws.keys.flatMap((key) =>
    key.policy.Statement.filter(({ Principal }) =>
      Object.values(Principal ?? {})
        .flat()
        .includes(arn),
    ).map((statement) => ({
      ...rightOf(statement, [keyArn(aws, key.name)]),
      said: `${statement.Sid}, key ${key.name}`,
    })),
  );
  return [...own, ...byKeys];
}

/** How a key stands on the page. */
export function keyArn({ account, region }: AwsModel, name: string): string {
  return `arn:aws:kms:${region}:${account}:key/${name}`;
}

function others(aws: AwsModel): (Right & { who: string })[] {
  const roles = new Set(aws.roles.map(({ name }) => `arn:aws:iam::${aws.account}:role/${name}`));
  const policies = [
    ...aws.keys.map(({ name, policy }) => [policy, keyArn(aws, name)] as const),
    ...aws.secrets.map(({ name, policy }) => [policy, name] as const),
    [aws.trail.bucketPolicy, undefined] as const,
    [aws.topic.policy, undefined] as const,
  ];
  return policies.flatMap(([{ Statement }, resource]) =>
    Statement.flatMap((statement) => {
      const who = Object.values(statement.Principal ?? {})
        .flat()
        .filter((principal) => !roles.has(principal));
      const text = typeof statement.Principal === "string" ? "everybody" : who.join("<br>");
      const on = resource === undefined ? listOf(statement.Resource) : [resource];
      return text === "" ? [] : [{ who: text, ...rightOf(statement, on) }];
    }),
  );
}

function rightOf(statement: PolicyStatement, resources: string[]): Right {
  const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, value]) => `${operator} ${key} ${listOf(value).join(", ")}`),
  );
  return {
    said: statement.Sid,
    effect: statement.Effect,
    actions: statement.NotAction === undefined ? listOf(statement.Action) : allBut(statement.NotAction),
    resources: statement.NotResource === undefined ? resources : allBut(statement.NotResource),
    conditions,
  };
}

function allBut(list: string[]): string[] {
  return ["all but", ...list];
}

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat();
}

function table(first: string, rows: (Right & { who: string })[]): string[] {
  return [
    `| ${first} | may | on | only if |`,
    "|---|---|---|---|",
    ...rows.map(({ who, effect, actions, resources, conditions }) => {
      const cells = [actions, resources, conditions].map((list) => list.join("<br>").replaceAll("*", "\\*"));
      return `| ${who} | ${effect === "Deny" ? "**never** " : ""}${cells.join(" | ")} |`.replaceAll(
        "  ",
        " ",
      );
    }),
  ];
}

/** What the page says that a role may. */
export function readRights(text: string, role: string): Right[] {
  const section = text.split("\n## ").find((part) => part.startsWith(`${role}\n`)) ?? "";
  const [, table = ""] = section.split("| said in | may | on | only if |\n|---|---|---|---|\n");
  return table
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line): Right => {
      const [, said = "", may = "", ...rest] = line
        .replaceAll("\\*", "*")
        .split("|")
        .map((cell) => cell.trim());
      const [resources = "", conditions = ""] = rest;
      const lines = (cell: string) => (cell === "" ? [] : cell.split("<br>"));
      const isDenial = may.startsWith("**never** ");
      return {
        said,
        effect: isDenial ? "Deny" : "Allow",
        actions: lines(isDenial ? may.slice("**never** ".length) : may),
        resources: lines(resources),
        conditions: lines(conditions),
      };
    });
}
