import { ofType } from "../resource.ts";
import type { Resource, StackRule } from "../rule.ts";
import { text } from "../value.ts";
import { nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

export const sourceOneAccount: StackRule = {
  name: "aws-source-one-account",
  sentence: "What an account lets a service of AWS do for somebody, it lets it do for itself alone.",
  severity: "critical",
  fix: "Compare aws:SourceAccount, and set sourceAccount, to the account that the stack is of.",
  controls: ["NIST-800-53r5/AC-3", "R7"],
  types: [aws.functionPermission],
  *judgeStack(resources) {
    const asked = documents.flatMap((type) => ofType(resources, type).flatMap(accountsOf));
    const counts = Map.groupBy(asked, ({ account }) => account);
    const [own] = [...counts].sort(([, one], [, other]) => other.length - one.length)[0] ?? [];
    for (const { urn, account } of asked) {
      if (account !== own)
        yield { urn, message: `it is for the account ${account}; the others are for ${own}` };
    }
  },
};

const documents = [
  aws.role,
  aws.key,
  aws.bucketPolicy,
  aws.topicPolicy,
  aws.secretPolicy,
  aws.functionPermission,
];

function accountsOf({ urn, props }: Resource): { urn: string; account: string }[] {
  const found = [props.policy, props.assumeRolePolicy].flatMap((document) =>
    [...(text(document) ?? "").matchAll(/"aws:SourceAccount":\s*\[?"([^"]*)"/g)].map(
      ([, account = ""]) => account,
    ),
  );
  const direct = text(props.sourceAccount);
  return [...found, ...(direct === undefined ? [] : [direct])].map((account) => ({ urn, account }));
}

/** What documents name by ARN and the program declares, by AWS' word for it. */
const named = {
  "iam::role": aws.role,
  "lambda:function": aws.function,
  "cloudtrail:trail": aws.trail,
} as const;

export const documentNamesDeclared: StackRule = {
  name: "aws-document-names-declared",
  sentence:
    "A function, a trail or one of our roles that a document names is one that is declared: another could be made under that name.",
  severity: "high",
  fix: "Name what the program declares; the model derives both.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/AC-6", "R7"],
  *judgeStack(resources) {
    const declared = new Set(
      Object.entries(named).flatMap(([kind, type]) =>
        ofType(resources, type).map((each) => `${kind} ${nameOf(each)}`),
      ),
    );
    for (const { urn, props } of withDocument.flatMap((type) => ofType(resources, type))) {
      for (const property of ["policy", "assumeRolePolicy"]) {
        const arns = (text(props[property]) ?? "").matchAll(
          /arn:aws[\w-]*:(iam|lambda|cloudtrail):[\w-]*:\d{12}:(role|function|trail)[/:][\w+=,.@-]+(?=")/g,
        );
        for (const [arn, service, kind] of arns) {
          // A role of the organization's own is named in the catalogue and made elsewhere.
          if (kind === "role" && !nameIn(arn).startsWith("keyplane-")) continue;
          const name = `${service}${service === "iam" ? "::" : ":"}${kind} ${nameIn(arn)}`;
          if (!declared.has(name)) yield { urn, message: `${arn} is not declared` };
        }
      }
    }
  },
};

const withDocument = [...documents, aws.rolePolicy, aws.groupPolicy];

export const trailDeclared: StackRule = {
  name: "aws-trail-declared",
  sentence: "An account whose roles are declared here has one trail, which sees what they do.",
  severity: "critical",
  fix: "Declare the trail beside the account's roles; infra/aws/trail.ts does.",
  controls: ["CIS-AWS-4.0.1/3.1", "NIST-800-53r5/AU-2", "NIST-800-53r5/AU-12", "R52"],
  *judgeStack(resources) {
    if (ofType(resources, aws.role).length === 0) return;
    const trails = ofType(resources, aws.trail).length;
    if (trails !== 1) yield { message: `there are ${trails} trails` };
  },
};

export const keysDeclared: StackRule = {
  name: "aws-keys-declared",
  sentence: "Every alias is of a key that is declared with it.",
  severity: "high",
  fix: "Declare the key beside its alias; infra/aws/keys.ts does.",
  controls: ["NIST-800-53r5/CM-8", "NIST-800-53r5/SC-12", "R10"],
  *judgeStack(resources) {
    // A key has no name; the aliases say how many there are.
    const [aliases, keys] = [ofType(resources, aws.keyAlias).length, ofType(resources, aws.key).length];
    if (keys < aliases) yield { message: `${aliases} aliases are of ${keys} keys` };
  },
};
