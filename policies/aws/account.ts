import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { number, text } from "../value.ts";
import { covers, demanded, isOneself, type Statement } from "./document.ts";
import { statements } from "./documents.ts";
import { isLocal, nameOf } from "./place.ts";
import { aws } from "./types.ts";

export const noUsers: ResourceRule = {
  name: "aws-no-users",
  sentence: "No IAM user, password or access key is declared: people assume roles, machines log in by OIDC.",
  severity: "critical",
  fix: "Declare a role and who may assume it.",
  controls: [
    "CIS-AWS-4.0.1/1.11",
    "CIS-AWS-4.0.1/1.13",
    "CIS-AWS-4.0.1/1.14",
    "NIST-800-53r5/AC-2",
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
  controls: ["CIS-AWS-4.0.1/1.15", "NIST-800-53r5/AC-3(7)", "R59"],
  types: [aws.userPolicy, aws.userAttachment],
  *judge({ type }) {
    yield `${type.slice(type.lastIndexOf(":") + 1)} gives rights to one person`;
  },
};

const must = [
  "requireLowercaseCharacters",
  "requireUppercaseCharacters",
  "requireNumbers",
  "requireSymbols",
  "allowUsersToChangePassword",
];

export const passwordsLong: ResourceRule = {
  name: "aws-password-policy",
  sentence:
    "The account's passwords have 14 characters or more of four kinds, are not used again for 24 changes, and can be changed by whose they are.",
  severity: "medium",
  fix: "Set minimumPasswordLength to at least 14, passwordReusePrevention to 24, the four require… and allowUsersToChangePassword.",
  controls: ["CIS-AWS-4.0.1/1.8", "CIS-AWS-4.0.1/1.9", "NIST-800-53r5/IA-5(1)", "R50"],
  types: [aws.passwordPolicy],
  *judge({ props }) {
    if ((number(props.minimumPasswordLength) ?? 0) < 14) yield "minimumPasswordLength is under 14";
    if ((number(props.passwordReusePrevention) ?? 0) < 24) yield "passwordReusePrevention is under 24";
    if (props.hardExpiry === true) yield "hardExpiry locks people out";
    for (const name of must) if (props[name] !== true) yield `${name} is not true`;
  },
};

export const passwordsJudged: StackRule = {
  name: "aws-password-policy-declared",
  sentence:
    "An account with a trail has a password policy: without one AWS takes 8 characters, again and again.",
  severity: "medium",
  fix: "Declare an AccountPasswordPolicy.",
  controls: ["CIS-AWS-4.0.1/1.8", "CIS-AWS-4.0.1/1.9", "NIST-800-53r5/IA-5(1)", "R50"],
  *judgeStack(resources) {
    const [trail] = ofType(resources, aws.trail);
    if (trail !== undefined && ofType(resources, aws.passwordPolicy).length === 0)
      yield { message: "there is no password policy" };
  },
};

/** What setting a second factor up takes, also once more; what takes away one that somebody has is none of it. */
const settingUp: readonly string[] = [
  "iam:createvirtualmfadevice",
  // Of nobody's alone: AWS deletes none that somebody has.
  "iam:deletevirtualmfadevice",
  "iam:enablemfadevice",
  "iam:getmfadevice",
  "iam:getuser",
  "iam:listmfadevices",
  "iam:resyncmfadevice",
];
/** Of that, what AWS knows of no user or device. */
const ofNobody: readonly string[] = ["iam:listvirtualmfadevices", "sts:getsessiontoken"];

export const mfaForGroups: ResourceRule = {
  name: "aws-group-mfa-required",
  sentence:
    "The policies that deny people without a second factor deny everything but setting one up, and that for anybody but themselves.",
  severity: "critical",
  fix:
    'Where BoolIfExists "aws:MultiFactorAuthPresent" is "false", deny NotAction for a few iam actions on "*", and those ' +
    "with NotResource for the user and the device of the variable aws:username.",
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.groupPolicy],
  *judge({ type, props }) {
    const denies = statements(type, props).filter(deniesWithoutFactor);
    if (denies.length === 0) yield "nothing is denied without a second factor";
    else {
      const rest = denies.find(
        ({ notActions, notResources, resources }) => notActions && !notResources && resources.includes("*"),
      );
      if (rest === undefined) yield "something is not denied without a second factor";
      else yield* leftOpen(rest, denies);
    }
  },
};

/** Also where the request does not say, and whatever else it says. */
function deniesWithoutFactor(statement: Statement): boolean {
  const [keys, ...others] = statement.conditions.values();
  return (
    !statement.allow &&
    statement.lenient &&
    demanded(statement, "aws:MultiFactorAuthPresent", "bool")?.join() === "false" &&
    keys?.size === 1 &&
    others.length === 0
  );
}

/** What may be done without a second factor, by what a denial leaves out. */
function* leftOpen({ actions }: Statement, denies: Statement[]): Generator<string> {
  const others = denies.filter(
    ({ notActions, notResources, resources }) => !notActions && notResources && resources.every(isOneself),
  );
  for (const action of actions) {
    if (ofNobody.includes(action)) continue;
    if (!settingUp.includes(action)) yield `${action || "something"} is open without a second factor`;
    else if (!others.some((statement) => covers(statement, action)))
      yield `${action} is open for anybody else's without a second factor`;
  }
}

export const everyGroupWithMfa: StackRule = {
  name: "aws-group-mfa-attached",
  sentence: "Every group of people has the policy that denies them everything without a second factor.",
  severity: "critical",
  fix: "Declare a group policy for the group.",
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.group],
  *judgeStack(resources) {
    const covered = ofType(resources, aws.groupPolicy).map(({ props }) => text(props.group));
    for (const group of ofType(resources, aws.group)) {
      if (!covered.includes(nameOf(group)))
        yield { urn: group.urn, message: "nothing denies its members anything without a second factor" };
    }
  },
};

/** What it may look at; the account where it does not say. */
const analyzing: readonly unknown[] = [undefined, "ACCOUNT", "ORGANIZATION"];

export const accessAnalyzed: StackRule = {
  name: "aws-access-analyzer",
  sentence: "An account with roles has an access analyzer, which finds what the outside can reach.",
  severity: "medium",
  fix: "Declare an analyzer of type ACCOUNT in each region.",
  controls: ["CIS-AWS-4.0.1/1.20", "NIST-800-53r5/CA-7", "R10"],
  types: [aws.analyzer],
  *judgeStack(resources) {
    // The emulator of the local stack has none.
    if (ofType(resources, aws.trail).every(({ urn }) => isLocal(urn))) return;
    const analyzers = ofType(resources, aws.analyzer);
    if (!analyzers.some(({ props }) => analyzing.includes(props.type))) {
      yield { message: "there is no access analyzer" };
    }
  },
};
