import type { Props, ResourceRule, StackRule } from "../rule.ts";
import { number, text, texts } from "../value.ts";
import { covers, DocumentError, demanded, type Statement, statementsOf } from "./document.ts";
import { aws } from "./types.ts";

/** Policies that say what somebody may do, with the property that holds the document. */
const rights: readonly string[] = [aws.policy, aws.rolePolicy, aws.groupPolicy];
const documents: Record<string, string> = {
  [aws.key]: "policy",
  [aws.role]: "assumeRolePolicy",
  [aws.policy]: "policy",
  [aws.rolePolicy]: "policy",
  [aws.groupPolicy]: "policy",
  [aws.bucketPolicy]: "policy",
  [aws.secretPolicy]: "policy",
  [aws.topicPolicy]: "policy",
};

/** The statements of a resource's document; none where it cannot be read, which `aws-document-readable` refuses. */
export function statements(type: string, props: Props): Statement[] {
  try {
    return statementsOf(props[documents[type] ?? "policy"]);
  } catch (error) {
    if (error instanceof DocumentError) return [];
    throw error;
  }
}

export const documentReadable: ResourceRule = {
  name: "aws-document-readable",
  sentence: "Every policy document in AWS can be read, so that it can be judged.",
  severity: "critical",
  fix: "Write a JSON document with statements that allow or deny.",
  controls: ["NIST-800-53r5/AC-3", "R7"],
  types: Object.keys(documents),
  *judge({ type, props }) {
    try {
      statementsOf(props[documents[type] ?? "policy"]);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      yield error.message;
    }
  },
};

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
  sentence: "Who may read secret values or decrypt names the secrets and keys.",
  severity: "critical",
  fix: "Name the ARNs of the secrets and keys instead of a pattern.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R10"],
  types: rights,
  *judge({ type, props }) {
    const values = [
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "ssm:GetParameter",
    ];
    for (const statement of statements(type, props)) {
      if (
        !statement.allow ||
        !statement.resources.some((resource) => /^\*|:(secret|key|parameter)[:/]\*?$/.test(resource))
      )
        continue;
      for (const action of values.filter((each) => covers(statement, each)))
        yield `${action} is allowed on every resource`;
    }
  },
};

export const noEscalation: ResourceRule = {
  name: "aws-iam-no-escalation",
  sentence: "No role can give itself rights: it passes only named roles and writes no policies.",
  severity: "critical",
  fix: "Name the one role that iam:PassRole is for, and leave policies to the deploy role.",
  controls: ["CIS-AWS-4.0.1/1.16", "NIST-800-53r5/AC-3(7)", "NIST-800-53r5/AC-6(5)", "R7", "R10"],
  types: rights,
  *judge({ type, props }) {
    const writing = [
      "iam:PutRolePolicy",
      "iam:AttachRolePolicy",
      "iam:CreatePolicyVersion",
      "iam:UpdateAssumeRolePolicy",
      "iam:CreateAccessKey",
    ];
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const anything = statement.resources.some(
        (resource) => resource === "*" || /:role\/\*$/.test(resource),
      );
      if (anything && covers(statement, "iam:PassRole")) yield "iam:PassRole is allowed for every role";
      for (const action of writing)
        if (anything && covers(statement, action)) yield `${action} is allowed on everything`;
    }
  },
};

export const roleTrustNarrow: ResourceRule = {
  name: "aws-role-trust-narrow",
  sentence: "A role trusts named services, accounts' roles or one OIDC provider, never everyone.",
  severity: "critical",
  fix: "Name the principal, and a condition where it is a service or another account.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "R7", "R10"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const { allow, principals, notPrincipals } of statements(type, props)) {
      if (!allow) continue;
      if (notPrincipals) yield "it trusts everyone but whom it names";
      if (principals.length === 0) yield "it names no principal";
      for (const principal of principals) if (principal.includes("*")) yield `it trusts ${principal}`;
    }
  },
};

export const peopleWithMfa: ResourceRule = {
  name: "aws-role-people-mfa",
  sentence: "A role that people assume demands a second factor.",
  severity: "critical",
  fix: 'Add the condition Bool: { "aws:MultiFactorAuthPresent": "true" } to its trust.',
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      // Account roots and users stand for people; services and roles do not have a second factor.
      const people = statement.principals.some((principal) =>
        /^AWS (\d{12}|arn:[\w-]+:iam::\d+:(root|user\/.+))$/.test(principal),
      );
      if (!statement.allow || !people) continue;
      // `IfExists` would admit a session that does not say: it is cut off when conditions are read, so looked up raw.
      if (demanded(statement, "aws:MultiFactorAuthPresent", "bool")?.join() !== "true" || lenient(props)) {
        yield "people assume it without a second factor";
      }
    }
  },
};

function lenient({ assumeRolePolicy }: Props): boolean {
  const source = typeof assumeRolePolicy === "string" ? assumeRolePolicy : JSON.stringify(assumeRolePolicy);
  return /BoolIfExists/i.test(source);
}

export const oidcTrustExact: ResourceRule = {
  name: "aws-oidc-trust-exact",
  sentence: "A role for GitHub Actions binds the exact subject and audience of the job's token.",
  severity: "critical",
  fix: "Compare token.actions.githubusercontent.com:sub and :aud by StringEquals, without a pattern.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R10", "R11"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow || !covers(statement, "sts:AssumeRoleWithWebIdentity")) continue;
      const keys = [...statement.conditions.values()].flatMap((map) => [...map.keys()]);
      const issuer =
        keys.find((key) => key.endsWith(":sub"))?.replace(/:sub$/, "") ??
        "token.actions.githubusercontent.com";
      const subjects = demanded(statement, `${issuer}:sub`, "stringequals");
      const audiences = demanded(statement, `${issuer}:aud`, "stringequals");
      if (subjects === undefined) yield "the subject is not compared exactly";
      for (const subject of subjects ?? []) {
        if (
          /[*?]/.test(subject) ||
          !/^repo:[^:]+:(environment|ref):.+|^system:serviceaccount:[\w-]+:[\w-]+$/.test(subject)
        ) {
          yield `the subject "${subject}" is no exact job`;
        }
        if (subject.endsWith(":pull_request")) yield "pull requests may assume it";
      }
      if (audiences?.length !== 1 || /[*?]/.test(audiences[0] ?? "*"))
        yield "the audience is not one exact one";
    }
  },
};

export const oidcProviderExact: ResourceRule = {
  name: "aws-oidc-provider-exact",
  sentence: "An OIDC provider is an https issuer with the one audience of AWS.",
  severity: "high",
  fix: "Set url with https and clientIdLists to sts.amazonaws.com.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/SC-23", "R11"],
  types: [aws.oidcProvider],
  *judge({ props }) {
    if (!/^https:\/\/[\w.-]+(\/[\w./-]*)?$/.test(text(props.url) ?? "")) yield "url is not an https address";
    const audiences = texts(props.clientIdLists);
    if (audiences.length !== 1 || audiences[0] !== "sts.amazonaws.com")
      yield "clientIdLists is not sts.amazonaws.com alone";
  },
};

export const roleSessionShort: ResourceRule = {
  name: "aws-role-session-short",
  sentence: "A session of a role lasts an hour at most.",
  severity: "medium",
  fix: "Leave maxSessionDuration at 3600.",
  controls: ["NIST-800-53r5/AC-12", "OWASP-Secrets/2.7.4-expiration", "R13"],
  types: [aws.role],
  *judge({ props }) {
    if (props.maxSessionDuration === undefined) return;
    const duration = number(props.maxSessionDuration);
    if (duration === undefined || duration > 3600) yield "maxSessionDuration is over 3600";
  },
};

export const noUsers: ResourceRule = {
  name: "aws-no-users",
  sentence: "No IAM user, password or access key is declared: people assume roles, machines log in by OIDC.",
  severity: "critical",
  fix: "Declare a role and who may assume it.",
  controls: [
    "CIS-AWS-4.0.1/1.11",
    "CIS-AWS-4.0.1/1.13",
    "CIS-AWS-4.0.1/1.14",
    "NIST-800-53r5/IA-5",
    "R11",
    "R59",
  ],
  types: [aws.user, aws.accessKey, aws.loginProfile],
  *judge({ type }) {
    yield `${type.slice(type.lastIndexOf(":") + 1)} is a credential that lasts`;
  },
};

export const rightsThroughGroups: ResourceRule = {
  name: "aws-rights-through-groups",
  sentence: "No policy is attached to a user: rights come through groups or roles.",
  severity: "high",
  fix: "Attach it to a group or a role.",
  controls: ["CIS-AWS-4.0.1/1.15", "NIST-800-53r5/AC-2(7)", "R59"],
  types: [aws.userPolicy, aws.userAttachment],
  *judge({ type }) {
    yield `${type.slice(type.lastIndexOf(":") + 1)} gives rights to one person`;
  },
};

export const noBroadManagedPolicy: ResourceRule = {
  name: "aws-no-broad-managed-policy",
  sentence: "No role or group gets AWS' administrator, power user or full-access policies.",
  severity: "critical",
  fix: "Attach a policy of the platform's own that names actions and resources.",
  controls: ["CIS-AWS-4.0.1/1.16", "CIS-AWS-4.0.1/1.22", "NIST-800-53r5/AC-6", "R7", "R10"],
  types: [aws.roleAttachment, aws.groupAttachment],
  *judge({ props }) {
    const arn = text(props.policyArn);
    if (arn === undefined) yield "policyArn is not set";
    else if (
      /:aws:policy\/(.*\/)?(AdministratorAccess|PowerUserAccess|IAMFullAccess|\w*FullAccess|AWSCloudShellFullAccess)/.test(
        arn,
      )
    ) {
      yield `${arn.slice(arn.lastIndexOf("/") + 1)} is attached`;
    }
  },
};

export const passwordsLong: ResourceRule = {
  name: "aws-password-policy",
  sentence: "The account's passwords have 14 characters or more and are not used again for 24 changes.",
  severity: "medium",
  fix: "Set minimumPasswordLength to at least 14 and passwordReusePrevention to 24.",
  controls: ["CIS-AWS-4.0.1/1.8", "CIS-AWS-4.0.1/1.9", "NIST-800-53r5/IA-5(1)", "R50"],
  types: [aws.passwordPolicy],
  *judge({ props }) {
    if ((number(props.minimumPasswordLength) ?? 0) < 14) yield "minimumPasswordLength is under 14";
    if ((number(props.passwordReusePrevention) ?? 0) < 24) yield "passwordReusePrevention is under 24";
    if (props.hardExpiry === true) yield "hardExpiry locks people out";
  },
};

export const mfaForGroups: ResourceRule = {
  name: "aws-group-mfa-required",
  sentence: "The policy that denies people without a second factor denies everything but setting one up.",
  severity: "critical",
  fix: 'Deny NotAction for a few iam actions where BoolIfExists "aws:MultiFactorAuthPresent" is "false".',
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.groupPolicy],
  *judge({ type, props }) {
    const denies = statements(type, props).filter(
      (statement) =>
        !statement.allow && demanded(statement, "aws:MultiFactorAuthPresent", "bool")?.join() === "false",
    );
    if (denies.length === 0) yield "nothing is denied without a second factor";
    for (const { actions, notActions, resources } of denies) {
      if (!resources.includes("*") || !notActions) yield "something is not denied without a second factor";
      else if (
        actions.some(
          (action) => !/^(iam:(\w*mfa\w*|getuser|changepassword)|sts:getsessiontoken)$/.test(action),
        )
      ) {
        yield "more than setting up a second factor is open without one";
      }
    }
  },
};

export const everyGroupWithMfa: StackRule = {
  name: "aws-group-mfa-attached",
  sentence: "Every group of people has the policy that denies them everything without a second factor.",
  severity: "critical",
  fix: "Declare a group policy for the group.",
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.group],
  *judgeStack(resources) {
    const covered = resources
      .filter(({ type }) => type === aws.groupPolicy)
      .map(({ props }) => text(props.group));
    for (const { urn, type, name, props } of resources) {
      if (type === aws.group && !covered.includes(text(props.name) ?? name))
        yield { urn, message: "nothing denies its members anything without a second factor" };
    }
  },
};

export const accessAnalyzed: StackRule = {
  name: "aws-access-analyzer",
  sentence: "An account with roles has an access analyzer, which finds what the outside can reach.",
  severity: "medium",
  fix: "Declare an analyzer of type ACCOUNT in each region.",
  controls: ["CIS-AWS-4.0.1/1.20", "NIST-800-53r5/CA-7", "R10"],
  types: [aws.analyzer],
  *judgeStack(resources) {
    // The emulator of the local stack has none.
    const real = ({ urn }: { urn: string }) => !/^urn:pulumi:local[.:]/.test(urn);
    if (!resources.some((resource) => resource.type === aws.trail && real(resource))) return;
    const analyzers = resources.filter(({ type }) => type === aws.analyzer);
    if (!analyzers.some(({ props }) => ["ACCOUNT", "ORGANIZATION"].includes(text(props.type) ?? "ACCOUNT"))) {
      yield { message: "there is no access analyzer" };
    }
  },
};
