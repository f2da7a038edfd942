import type { ResourceRule } from "../rule.ts";
import { number, text } from "../value.ts";
import { covers } from "./document.ts";
import { statements } from "./iam.ts";
import { aws } from "./types.ts";

export const keyRotates: ResourceRule = {
  name: "aws-kms-rotation",
  sentence: "A KMS key rotates by itself every 90 days.",
  severity: "high",
  fix: "Set enableKeyRotation, and rotationPeriodInDays to 90.",
  controls: ["CIS-AWS-4.0.1/3.6", "NIST-800-53r5/SC-12(2)", "NIST-800-57p1r5/5.3.6", "R17"],
  types: [aws.key],
  *judge({ props }) {
    const spec = text(props.customerMasterKeySpec) ?? "SYMMETRIC_DEFAULT";
    // KMS rotates symmetric keys alone.
    if (spec !== "SYMMETRIC_DEFAULT") return;
    if (props.enableKeyRotation !== true) yield "enableKeyRotation is not true";
    const days = number(props.rotationPeriodInDays);
    if (days === undefined || days < 90 || days > 90) yield "rotationPeriodInDays is not 90";
  },
};

export const keyNotPublic: ResourceRule = {
  name: "aws-kms-policy-narrow",
  sentence: "A key's own policy names who uses it; only the account as a whole may have every right.",
  severity: "critical",
  fix: "Name principals; leave kms:* to arn:aws:iam::<account>:root.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-57p1r5/6.2.2", "OWASP-Secrets/2.3-access-control", "R53"],
  types: [aws.key],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const bounded = [...statement.conditions.values()].some(
        (keys) => keys.has("kms:calleraccount") || keys.has("aws:principalorgid"),
      );
      if (statement.notPrincipals || (statement.principals.includes("*") && !bounded))
        yield "everyone may use the key";
      const accounts = statement.principals.every((principal) =>
        /^AWS (\d{12}|arn:[\w-]+:iam::\d{12}:root)$/.test(principal),
      );
      if (!accounts && covers(statement, "kms:PutKeyPolicy") && covers(statement, "kms:Decrypt")) {
        yield "who is no account may use the key and decide who uses it";
      }
    }
  },
};

export const keyNotLockedOut: ResourceRule = {
  name: "aws-kms-no-lockout",
  sentence: "A key's policy leaves the account able to change it.",
  severity: "critical",
  fix: "Allow kms:* to the account's root, and leave bypassPolicyLockoutSafetyCheck off.",
  controls: ["NIST-800-53r5/CP-10", "NIST-800-57p1r5/6.2.2", "R53"],
  types: [aws.key],
  *judge({ type, props }) {
    if (props.bypassPolicyLockoutSafetyCheck === true) yield "the check against a lockout is off";
    const found = statements(type, props).some(
      (statement) =>
        statement.allow &&
        covers(statement, "kms:PutKeyPolicy") &&
        statement.conditions.size === 0 &&
        statement.principals.some((principal) =>
          /^AWS (\d{12}|arn:[\w-]+:iam::\d{12}:root)$/.test(principal),
        ),
    );
    if (!found) yield "nobody in the account could change the key's policy again";
  },
};

export const keyDeletionSlow: ResourceRule = {
  name: "aws-kms-deletion-window",
  sentence: "A deleted key can be brought back for 30 days.",
  severity: "high",
  fix: "Set deletionWindowInDays to 30.",
  controls: ["NIST-800-53r5/CP-9", "NIST-800-57p1r5/8.3.4", "R22"],
  types: [aws.key],
  *judge({ props }) {
    if (props.deletionWindowInDays !== undefined && number(props.deletionWindowInDays) !== 30)
      yield "deletionWindowInDays is not 30";
    if (props.isEnabled === false) yield "the key is disabled";
  },
};

export const aliasOurs: ResourceRule = {
  name: "aws-kms-alias-named",
  sentence: "A key's name says whose it is: none of AWS' own names, and none of another environment.",
  severity: "low",
  fix: "Name it alias/keyplane-<environment>-<purpose>.",
  controls: ["NIST-800-57p1r5/8.1", "R53"],
  types: [aws.keyAlias],
  *judge({ urn, props }) {
    const environment = urn.split("::")[0]?.split(":").at(-1)?.split(".")[0] ?? "";
    if (!new RegExp(`^alias/keyplane-${environment}-[a-z]+$`).test(text(props.name) ?? ""))
      yield "its name does not say which environment's and what for";
  },
};

const manager: readonly string[] = [aws.secret];

export const secretEncrypted: ResourceRule = {
  name: "aws-secret-own-key",
  sentence:
    "A secret in Secrets Manager is encrypted by a key of ours and can be brought back for a week or more.",
  severity: "high",
  fix: "Set kmsKeyId, and leave recoveryWindowInDays at 30 or at least 7.",
  controls: ["NIST-800-53r5/SC-28(1)", "OWASP-Secrets/2.7-lifecycle", "R22", "R53"],
  types: manager,
  *judge({ props }) {
    const key = text(props.kmsKeyId);
    if (key === undefined || /aws\/secretsmanager/.test(key)) yield "kmsKeyId is not a key of ours";
    if (props.recoveryWindowInDays !== undefined && (number(props.recoveryWindowInDays) ?? 0) < 7) {
      yield "recoveryWindowInDays is under 7";
    }
    if (props.forceOverwriteReplicaSecret === true)
      yield "a secret of the same name elsewhere is overwritten";
  },
};

export const secretNoVersion: ResourceRule = {
  name: "aws-secret-no-value",
  sentence: "No secret's value passes through the program: the rotation engine writes it.",
  severity: "critical",
  fix: "Declare the secret alone.",
  controls: ["NIST-800-53r5/SC-28", "OWASP-Secrets/2.7.1-creation", "R53", "R55"],
  types: [aws.secretVersion],
  *judge() {
    yield "a version of a secret is a live value in the state";
  },
};

export const secretPolicyNarrow: ResourceRule = {
  name: "aws-secret-policy-narrow",
  sentence: "A secret's own policy names who reads it and refuses public access.",
  severity: "critical",
  fix: "Name the principals and set blockPublicPolicy.",
  controls: ["NIST-800-53r5/AC-3", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [aws.secretPolicy],
  *judge({ type, props }) {
    if (props.blockPublicPolicy !== true) yield "blockPublicPolicy is not true";
    for (const { allow, principals, notPrincipals } of statements(type, props)) {
      if (allow && (notPrincipals || principals.some((principal) => principal.includes("*"))))
        yield "everyone may read it";
    }
  },
};

export const secretRotates: ResourceRule = {
  name: "aws-secret-rotation",
  sentence: "A secret that AWS rotates does so within 90 days.",
  severity: "high",
  fix: "Set rotationRules.automaticallyAfterDays to at most 90, and rotationLambdaArn.",
  controls: ["NIST-800-53r5/IA-5(1)", "NIST-800-57p1r5/5.3.6", "OWASP-Secrets/2.7.2-rotation", "R14"],
  types: [aws.secretRotation],
  *judge({ props }) {
    if (text(props.rotationLambdaArn) === undefined) yield "rotationLambdaArn is not set";
    const rules = (props.rotationRules ?? {}) as { readonly [key: string]: unknown };
    const days = number(rules.automaticallyAfterDays);
    if (days === undefined || days < 1 || days > 90) yield "automaticallyAfterDays is not between 1 and 90";
  },
};
