import type { ResourceRule } from "../rule.ts";
import { records, text, texts } from "../value.ts";
import { covers, demanded, isOneself, isPattern, type Statement } from "./document.ts";
import { actionsNamed, called, conditionsExact, documentReadable, rights, statements } from "./documents.ts";
import { environmentOf } from "./place.ts";
import { aws } from "./types.ts";

export const noFullRights: ResourceRule = {
  name: "aws-iam-no-full-rights",
  sentence: "No IAM policy allows everything, or everything of a service, on everything.",
  severity: "critical",
  fix: "Name the actions and the resources' ARNs.",
  controls: ["CIS-AWS-4.0.1/1.16", "NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R10"],
  types: rights,
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const { actions, resources, notActions, notResources } = statement;
      if (notActions || notResources) {
        yield "a statement allows everything but what it names";
        continue;
      }
      for (const action of actions) {
        if (action === "*" || action === "*:*") yield "a statement allows every action";
        else if (/^[\w-]+:\*$/.test(action) && resources.includes("*"))
          yield `a statement allows ${action} on everything`;
      }
    }
  },
};

export const secretsByName: ResourceRule = {
  name: "aws-iam-values-by-name",
  sentence: "Who may read or write secret values, or decrypt, names the secrets and keys, each whole.",
  severity: "critical",
  fix: "Name the ARNs of the secrets and keys instead of a pattern.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R10"],
  types: rights,
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const wide = statement.resources.filter((resource) => isPattern(resource.replace(/-\?{6}$/, "")));
      if (wide.length === 0) continue;
      for (const action of values.filter((each) => covers(statement, each))) {
        for (const resource of wide) {
          yield isEvery(resource)
            ? `${action} is allowed on every resource`
            : `${action} is allowed on whatever is named ${resource}`;
        }
      }
    }
  },
};

const isEvery = (resource: string) => /^\*|:(secret|key|parameter)[:/]\*?$/.test(resource);

/** What reads or writes values, or opens what is encrypted. */
const values: readonly string[] = [
  "secretsmanager:GetSecretValue",
  "secretsmanager:BatchGetSecretValue",
  "secretsmanager:PutSecretValue",
  "kms:Decrypt",
  "kms:GenerateDataKey",
  "ssm:GetParameter",
];

export const noEscalation: ResourceRule = {
  name: "aws-iam-no-escalation",
  sentence:
    "No role can give itself rights: it passes only named roles, to named services, and the deploy role alone writes IAM.",
  severity: "critical",
  fix: "Name the roles that iam:PassRole is for and compare iam:PassedToService; leave policies to the deploy role.",
  controls: [
    "CIS-AWS-4.0.1/1.16",
    "NIST-800-53r5/AC-6(1)",
    "NIST-800-53r5/AC-6(10)",
    "OWASP-Secrets/4.3-iam",
    "R7",
    "R10",
  ],
  types: rights,
  *judge({ urn, type, props }) {
    const deploys = text(props.role) === `keyplane-${environmentOf(urn)}-deploy`;
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const anything = statement.resources.some(
        (resource) => resource === "*" || /:role\/\*$/.test(resource),
      );
      if (covers(statement, "iam:PassRole")) {
        if (anything) yield "iam:PassRole is allowed for every role";
        const services = demanded(statement, "iam:PassedToService", "stringequals") ?? [];
        if (
          services.length === 0 ||
          services.some((service) => !/^[a-z0-9.-]+\.amazonaws\.com$/.test(service))
        )
          yield "iam:PassRole is allowed for every service";
        else {
          const others = services.filter((service) => !withRoles.has(service));
          if (others.length > 0) yield `iam:PassRole is allowed for ${others.join(", ")}`;
        }
      }
      // A user's own password and second factor, which the group's denials are about.
      if (statement.resources.every(isOneself)) continue;
      for (const action of statement.actions) {
        if (action === "*" || action === "*:*") yield "everything of IAM is allowed";
        if (!action.startsWith("iam:") || action === "iam:passrole" || onlySees.test(action)) continue;
        if (!deploys) yield `${action} is allowed to who does not deploy`;
        else if (anything && !ofAccount.has(action)) yield `${action} is allowed on everything`;
      }
    }
  },
};

/** Which services run something of the platform's as a role. */
const withRoles: ReadonlySet<string> = new Set(
  ["cloudtrail", "lambda", "scheduler"].map((service) => `${service}.amazonaws.com`),
);
const onlySees = /^iam:(get|list)[a-z]+$/;
const ofAccount: ReadonlySet<string> = new Set(["iam:updateaccountpasswordpolicy"]);

export const noBroadManagedPolicy: ResourceRule = {
  name: "aws-no-broad-managed-policy",
  sentence: "No role or group gets AWS' administrator, power user or full-access policies.",
  severity: "critical",
  fix: "Attach a policy of the platform's own that names actions and resources.",
  controls: ["CIS-AWS-4.0.1/1.16", "CIS-AWS-4.0.1/1.22", "NIST-800-53r5/AC-6", "R7", "R10"],
  types: [aws.roleAttachment, aws.groupAttachment, aws.role],
  *judge({ type, props }) {
    const arns = type === aws.role ? texts(props.managedPolicyArns) : [text(props.policyArn) ?? ""];
    for (const arn of arns) {
      if (arn === "") yield "policyArn is not set";
      else if (broad.test(arn)) yield `${arn.slice(arn.lastIndexOf("/") + 1)} is attached`;
    }
  },
};

const broad = /:aws:policy\/(.*\/)?(AdministratorAccess|PowerUserAccess|\w*FullAccess)/;

/** What AWS lets nobody say more narrowly; of all else a right is for what it names. */
const anywhere: ReadonlySet<string> = new Set(
  Object.entries({
    "access-analyzer": "listanalyzers listfindings",
    cloudtrail: "describetrails geteventselectors gettrailstatus lookupevents",
    cloudwatch: "describealarms",
    ec2: "describenetworkinterfaces describesecuritygroups describesubnets describevpcs",
    iam: "getaccountpasswordpolicy getaccountsummary listopenidconnectproviders listroles listvirtualmfadevices updateaccountpasswordpolicy",
    kms: "createkey listaliases listkeys",
    lambda: "listfunctions",
    logs: "describeloggroups describemetricfilters",
    scheduler: "listschedules",
    secretsmanager: "listsecrets",
  }).flatMap(([service, names]) => names.split(" ").map((name) => `${service}:${name}`)),
);

export const resourcesNamed: ResourceRule = {
  name: "aws-iam-resources-named",
  sentence:
    "A right is for ARNs of this environment: whole, or by the beginning that its names have. Only what AWS knows nothing narrower for is for everything.",
  severity: "high",
  fix: "Write whole ARNs, or end them with keyplane-<environment>-*.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R9", "R10"],
  types: rights,
  *judge({ urn, type, props }) {
    const own = environmentOf(urn);
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      for (const resource of statement.resources) {
        if (resource === "*") {
          for (const action of statement.actions) {
            if (!anywhere.has(action)) yield `${called(statement)} allows ${action} on everything`;
          }
        } else if (!isNamed(resource, own)) yield `${called(statement)} is for ${resource || "nothing"}`;
      }
    }
  },
};

function isNamed(resource: string, environment: string): boolean {
  if (isOneself(resource)) return true;
  const [, name] = /^arn:aws[\w-]*:[\w-]+:[\w-]*:(?:\d{12})?:(.+)$/.exec(resource) ?? [];
  if (name === undefined) return false;
  // Secrets Manager ends names with six characters of its own.
  const whole = name.startsWith("secret:") ? name.replace(/-\?{6}$/, "") : name;
  if (!isPattern(whole)) return true;
  // Log streams of a trail begin so, and end with a number.
  if (/:log-stream:\d{12}_CloudTrail_[\w-]+\*$/.test(whole)) return true;
  // Pulumi's state: one bucket by its whole name, and in it what Pulumi keeps there.
  if (/^arn:aws:s3:::[a-z0-9.-]+\/\.pulumi\/([a-z]+\/)?\*$/.test(resource)) return true;
  if (!/^[^*?]+[-/:]\*$/.test(whole)) return false;
  return (
    whole.replaceAll("/", "-").includes(`keyplane-${environment}-`) || /^network-interface\/\*$/.test(whole)
  );
}

export const keysInTheirPolicies: ResourceRule = {
  name: "aws-iam-keys-by-themselves",
  sentence:
    "Rights on a key stand in the key's own policy: those of a role make keys, list them and name them by this environment's aliases.",
  severity: "critical",
  fix: "Name the role in the key's policy, and leave kms:CreateKey and aliases to the role's.",
  controls: ["NIST-800-53r5/AC-6", "R7", "R9"],
  types: rights,
  *judge({ urn, type, props }) {
    const ours = `:alias/keyplane-${environmentOf(urn)}-`;
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      for (const action of statement.actions.filter((each) => each.startsWith("kms:"))) {
        if (/^kms:(createkey|list(aliases|keys))$/.test(action)) continue;
        const isOfAliases = /^kms:(create|delete|update)alias$/.test(action);
        if (isOfAliases && statement.resources.every((resource) => resource.includes(ours))) continue;
        yield `${called(statement)} allows ${action} on ${statement.resources.join(", ") || "nothing"}`;
      }
    }
  },
};

export const networkBound: ResourceRule = {
  name: "aws-iam-network-bound",
  sentence:
    "Lambda may put a function into its own subnets, and the function's own code may do nothing to the network.",
  severity: "high",
  fix: "Compare ec2:Subnet where interfaces are changed, and deny ec2:* where lambda:SourceFunctionArn is the function.",
  controls: ["NIST-800-53r5/AC-6", "R7", "R10"],
  types: rights,
  *judge({ type, props }) {
    const all = statements(type, props);
    let enters = false;
    for (const statement of all) {
      if (!statement.allow) continue;
      enters ||= covers(statement, "ec2:CreateNetworkInterface");
      const changes = ["ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses"];
      if (!changes.some((action) => covers(statement, action))) continue;
      const subnets = demanded(statement, "ec2:Subnet", "arnequals") ?? [];
      if (subnets.length === 0) yield `${called(statement)} is for interfaces of any subnet`;
    }
    if (enters && !all.some(denyOwnCode)) yield "the function's own code may change the network";
  },
};

function denyOwnCode(statement: Statement): boolean {
  const functions = demanded(statement, "lambda:SourceFunctionArn", "arnequals") ?? [];
  return (
    !statement.allow &&
    covers(statement, "ec2:CreateNetworkInterface") &&
    covers(statement, "ec2:DescribeSubnets") &&
    statement.resources.includes("*") &&
    functions.some((each) => /^arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]+$/.test(each))
  );
}

/** Rights may also stand in the role itself, and AWS' provider reports there what stands in policies of their own. */
export const inlineRights: ResourceRule = {
  name: "aws-role-inline-rights",
  sentence: "Rights that stand in a role itself are such as its policies may give.",
  severity: "critical",
  fix: "Declare a RolePolicy, and what it refuses left out.",
  controls: ["CIS-AWS-4.0.1/1.16", "NIST-800-53r5/AC-6", "R7", "R10"],
  types: [aws.role],
  *judge({ props, ...role }) {
    for (const { policy } of records(props.inlinePolicies)) {
      if (text(policy) === undefined) continue;
      const inline = { ...role, type: aws.rolePolicy, props: { role: props.name, policy } };
      for (const rule of ofRights) yield* rule.judge(inline);
    }
  },
};

const ofRights: readonly ResourceRule[] = [
  documentReadable,
  actionsNamed,
  conditionsExact,
  noFullRights,
  secretsByName,
  noEscalation,
  resourcesNamed,
  keysInTheirPolicies,
  networkBound,
];
