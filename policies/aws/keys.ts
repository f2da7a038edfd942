import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { number, text } from "../value.ts";
import { accountNamed, placeOf } from "./accounts.ts";
import { covers, demanded, type Statement } from "./document.ts";
import { called, isAccount, statements } from "./documents.ts";
import { environmentOf } from "./place.ts";
import { administratorOf, letting } from "./request.ts";
import { aws } from "./types.ts";

export const keyRotates: ResourceRule = {
  name: "aws-kms-rotation",
  sentence: "A KMS key rotates by itself every 90 days.",
  severity: "high",
  fix: "Set enableKeyRotation, and rotationPeriodInDays to 90.",
  controls: ["CIS-AWS-4.0.1/3.6", "NIST-800-53r5/SC-12", "NIST-800-57p1r5/5.3.6", "R17"],
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
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/SC-12", "OWASP-Secrets/2.3-access-control", "R53"],
  types: [aws.key],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      if (statement.notPrincipals || (statement.principals.includes("*") && !isBounded(statement)))
        yield "everyone may use the key";
      if (
        !statement.principals.every(isAccount) &&
        covers(statement, "kms:PutKeyPolicy") &&
        covers(statement, "kms:Decrypt")
      ) {
        yield "who is no account may use the key and decide who uses it";
      }
    }
  },
};

/** Whether it is for one account, or for one organization, as AWS names them. */
function isBounded(statement: Statement): boolean {
  const is = (key: string, form: RegExp) => {
    const values = demanded(statement, key, "stringequals") ?? [];
    return !statement.lenient && values.length > 0 && values.every((value) => form.test(value));
  };
  return is("kms:CallerAccount", /^\d{12}$/) || is("aws:PrincipalOrgID", /^o-[a-z0-9]{10,32}$/);
}

export const keyNotLockedOut: StackRule = {
  name: "aws-kms-no-lockout",
  sentence:
    "A key's policy leaves whoever has every right in the account's IAM able to change it, come what may.",
  severity: "critical",
  fix: "Allow kms:* to the account's root without a condition, deny it nothing, and leave bypassPolicyLockoutSafetyCheck off.",
  controls: ["NIST-800-53r5/SC-12", "NIST-800-57p1r5/6.2.2", "R53"],
  types: [aws.key],
  *judgeStack(resources) {
    const place = placeOf(resources);
    for (const { urn, type, props } of ofType(resources, aws.key)) {
      if (props.bypassPolicyLockoutSafetyCheck === true)
        yield { urn, message: "the check against a lockout is off" };
      const all = statements(type, props);
      const account = place.account ?? accountNamed(all);
      const asked = {
        service: "kms",
        action: "kms:PutKeyPolicy",
        resource: `arn:aws:kms:${place.region ?? "any"}:${account}:key/any`,
      };
      if (letting(all, administratorOf(account ?? ""), asked) === undefined)
        yield { urn, message: "nobody in the account could change the key's policy again" };
    }
  },
};

export const keyDeletionSlow: ResourceRule = {
  name: "aws-kms-deletion-window",
  sentence: "A deleted key can be brought back for 30 days, whoever deletes it.",
  severity: "high",
  fix: "Set deletionWindowInDays to 30, and compare kms:ScheduleKeyDeletionPendingWindowInDays with 30 where a role may delete.",
  controls: ["NIST-800-53r5/SC-12", "R22"],
  types: [aws.key],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow || !covers(statement, "kms:ScheduleKeyDeletion")) continue;
      if (statement.principals.every(isAccount)) continue;
      const [days] = demanded(statement, pendingWindow, "numericgreaterthanequals") ?? [];
      if (days === undefined || !(Number(days) >= 30)) yield `${called(statement)} deletes the key sooner`;
    }
    if (props.deletionWindowInDays !== undefined && number(props.deletionWindowInDays) !== 30)
      yield "deletionWindowInDays is not 30";
    if (props.isEnabled === false) yield "the key is disabled";
  },
};

const pendingWindow = "kms:ScheduleKeyDeletionPendingWindowInDays";

export const keyUsesApart: ResourceRule = {
  name: "aws-kms-uses-apart",
  sentence:
    "Where several roles use a key, each does so through one service or for one thing: none opens what is another's.",
  severity: "high",
  fix: "Compare kms:ViaService or a kms:EncryptionContext by StringEquals, or declare a key of its own.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R53"],
  types: [aws.key],
  *judge({ type, props }) {
    const ofRoles = statements(type, props).filter(
      ({ allow, principals }) =>
        allow && principals.some((principal) => principal.startsWith("AWS ") && !isAccount(principal)),
    );
    const uses = ofRoles.filter((statement) => covers(statement, "kms:Decrypt"));
    const roles = new Set(uses.flatMap(({ principals }) => principals));
    // A grant gives every use of the key, to whoever makes it as well.
    const grants = ofRoles.filter((statement) => covers(statement, "kms:CreateGrant"));
    for (const statement of new Set(roles.size < 2 ? grants : [...uses, ...grants])) {
      const compared = [...(statement.conditions.get("stringequals")?.keys() ?? [])];
      if (!compared.some((key) => key === "kms:viaservice" || key.startsWith("kms:encryptioncontext:")))
        yield `${called(statement)} opens whatever the key has encrypted`;
    }
  },
};

export const keysNamed: StackRule = {
  name: "aws-kms-alias-declared",
  sentence:
    "Every key has one name: rights are for keys of this environment's names, since nobody knows their ids before.",
  severity: "low",
  fix: "Declare one alias for each key, whose targetKeyId is this key's.",
  controls: ["NIST-800-57p1r5/6.2.2", "R53"],
  *judgeStack(resources) {
    const aliases = ofType(resources, aws.keyAlias);
    if (aliases.length < ofType(resources, aws.key).length) yield { message: "a key has no alias" };
    const targets = new Set<string>();
    for (const { urn, props } of aliases) {
      const key = text(props.targetKeyId) ?? "";
      if (targets.has(key)) yield { urn, message: "its key has another name: whose key is this?" };
      targets.add(key);
    }
  },
};

export const aliasOurs: ResourceRule = {
  name: "aws-kms-alias-named",
  sentence: "A key's name says whose it is: none of AWS' own names, and none of another environment.",
  severity: "low",
  fix: "Name it alias/keyplane-<environment>-<purpose>.",
  controls: ["NIST-800-57p1r5/6.2.2", "R53"],
  types: [aws.keyAlias],
  *judge({ urn, props }) {
    if (!new RegExp(`^alias/keyplane-${environmentOf(urn)}-[a-z]+$`).test(text(props.name) ?? ""))
      yield "its name does not say which environment's and what for";
  },
};
