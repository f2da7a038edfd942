import type { ResourceRule } from "../rule.ts";
import { records, text, texts } from "../value.ts";
import { demanded, type Statement } from "./document.ts";
import { called, isAccount, rights, servicesUsed, statements } from "./documents.ts";
import { type Duty, dutyOf, keyDutyOf, serviceDutyOf } from "./duties.ts";
import { environmentOf } from "./place.ts";
import { aws } from "./types.ts";

export const rightsOfDuty: ResourceRule = {
  name: "aws-rights-of-its-duty",
  sentence:
    "A role or a group has the rights that its duty needs, action by action, and gets them by a policy of its own.",
  severity: "critical",
  fix: "Take the action out; what a duty needs stands in policies/aws/duties.ts, where a new one is reviewed.",
  controls: [
    "NIST-800-53r5/AC-5",
    "NIST-800-53r5/AC-6",
    "NIST-800-53r5/AC-6(10)",
    "OWASP-Secrets/4.3-iam",
    "R7",
    "R10",
  ],
  types: [...rights, aws.roleAttachment, aws.groupAttachment, aws.role],
  *judge({ urn, type, props }) {
    if (type === aws.roleAttachment || type === aws.groupAttachment || type === aws.policy) {
      yield "it gives rights that stand in no role's or group's own policy";
      return;
    }
    const environment = environmentOf(urn);
    if (type === aws.role) {
      if (texts(props.managedPolicyArns).length > 0)
        yield "it gives rights that stand in no role's or group's own policy";
      const role = text(props.name) ?? "";
      for (const { policy } of records(props.inlinePolicies)) {
        if (text(policy) !== undefined)
          yield* beyond(statements(aws.rolePolicy, { policy }), role, environment);
      }
      return;
    }
    const holder = text(type === aws.groupPolicy ? props.group : props.role) ?? "";
    yield* beyond(statements(type, props), holder, environment);
  },
};

function* beyond(all: readonly Statement[], role: string, environment: string): Generator<string> {
  const duty = dutyOf(role, environment);
  if (duty === undefined) {
    yield `"${role}" is no role or group that the platform has`;
    return;
  }
  for (const statement of all) if (statement.allow) yield* more(statement, duty, { role, environment });
}

function* more(
  statement: Statement,
  duty: Duty,
  who: { role: string; environment: string },
): Generator<string> {
  for (const action of statement.actions) {
    const on = duty.get(action);
    if (on !== undefined && action === "secretsmanager:deletesecret") {
      const [days] = demanded(statement, recoveryWindow, "numericgreaterthanequals") ?? [];
      if (!(Number(days) >= 30)) yield `${called(statement)} deletes secrets sooner than in 30 days`;
    }
    if (on === undefined) yield `${called(statement)} allows ${action}, which is not its duty`;
    else if (on !== true) {
      for (const resource of statement.resources) {
        if (!on(restOf(resource), who))
          yield `${called(statement)} allows ${action} on ${resource}, where its duty is not`;
      }
    }
  }
}

const recoveryWindow = "secretsmanager:RecoveryWindowInDays";

/** What follows the account in an ARN. */
function restOf(arn: string): string {
  let at = -1;
  for (let colons = 0; colons < 5; colons++) {
    at = arn.indexOf(":", at + 1);
    if (at < 0) return "";
  }
  return arn.slice(at + 1);
}

export const usesOfDuty: ResourceRule = {
  name: "aws-uses-of-its-duty",
  sentence:
    "The policy of a key, a bucket, a topic or a queue lets each role and service do what it has to do there, and nothing else.",
  severity: "critical",
  fix: "Take the action or the principal out; what a duty needs stands in policies/aws/duties.ts, where a new one is reviewed.",
  controls: [
    "NIST-800-53r5/AC-5",
    "NIST-800-53r5/AC-6",
    "NIST-800-53r5/AU-9",
    "OWASP-Secrets/2.3-access-control",
    "R7",
    "R51",
  ],
  types: [aws.key, aws.bucketPolicy, aws.topicPolicy, aws.queue],
  *judge({ urn, type, props }) {
    const of = servicesUsed[type] ?? "";
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      for (const principal of statement.principals) {
        // The account's own IAM decides who; of a bucket nobody of it needs to.
        if (type === aws.key && isAccount(principal)) continue;
        const may = mayBy(principal, of, environmentOf(urn), statement);
        const beyond = statement.actions.filter((action) => !may.has(action));
        if (beyond.length > 0) yield `${called(statement)} lets ${principal} ${beyond.join(", ")}`;
      }
    }
  },
};

const nothing: ReadonlySet<string> = new Set();

function mayBy(
  principal: string,
  of: string,
  environment: string,
  statement: Statement,
): ReadonlySet<string> {
  const [kind = "", name = ""] = principal.split(" ", 2);
  if (kind === "Service") return serviceDutyOf(name, of);
  if (kind !== "AWS" || of !== "kms") return nothing;
  const role = /:role\/(?:.*\/)?([^/]+)$/.exec(name)?.[1];
  if (role === undefined) return nothing;
  // Whoever the catalogue lets read a secret opens it through Secrets Manager, and nothing else.
  if (!role.startsWith("keyplane-")) {
    const via = demanded(statement, "kms:ViaService", "stringequals") ?? [];
    if (via.length === 0 || via.some((service) => !service.startsWith("secretsmanager."))) return nothing;
  }
  return keyDutyOf(role, environment);
}
