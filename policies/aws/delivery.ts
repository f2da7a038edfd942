import { ofType } from "../resource.ts";
import type { Resource, StackRule } from "../rule.ts";
import { record, text } from "../value.ts";
import { covers, demanded, matches, type Statement } from "./document.ts";
import { statements } from "./documents.ts";
import { nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

/*
 * Rights without which nothing fails and something falls silent: what somebody else is given too little of, they notice.
 */

/** Role policies by the role that they are of, once for all the rules that ask. */
const byRole = new WeakMap<readonly Resource[], Map<string, Resource[]>>();

/** What the policies of a role, which its ARN names, allow. */
function rightsOf(resources: readonly Resource[], role: unknown): Statement[] {
  let policies = byRole.get(resources);
  if (policies === undefined) {
    policies = Map.groupBy(ofType(resources, aws.rolePolicy), ({ props }) => text(props.role) ?? "");
    byRole.set(resources, policies);
  }
  return (policies.get(nameIn(text(role) ?? "")) ?? [])
    .flatMap(({ type, props }) => statements(type, props))
    .filter(({ allow }) => allow);
}

function may(rights: readonly Statement[], action: string, on: string): boolean {
  return rights.some(
    (statement) =>
      covers(statement, action) &&
      !statement.notResources &&
      statement.resources.some((resource) => matches(resource, on)),
  );
}

/**
 * Whether a key that is declared lets somebody do all of it, or none is: then it is one of another stack. Which one encrypts
 * what is known by ids, which no argument says.
 */
function keyLets(resources: readonly Resource[], who: RegExp | string, actions: readonly string[]): boolean {
  const keys = ofType(resources, aws.key);
  if (keys.length === 0) return true;
  return keys.some(({ type, props }) => {
    const theirs = statements(type, props).filter(
      ({ allow, principals }) =>
        allow && principals.some((each) => (typeof who === "string" ? each === who : who.test(each))),
    );
    return actions.every((action) => theirs.some((statement) => covers(statement, action)));
  });
}

/** https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html */
export const trailWritten: StackRule = {
  name: "aws-trail-written",
  sentence: "CloudTrail's role may write to the log that alarms look at.",
  severity: "high",
  fix: "Allow logs:CreateLogStream and logs:PutLogEvents on the log streams of the account's trail, in a RolePolicy.",
  controls: ["NIST-800-53r5/AU-12", "NIST-800-53r5/SI-4", "R48", "R51"],
  *judgeStack(resources) {
    for (const { urn, props } of ofType(resources, aws.trail)) {
      const group = (text(props.cloudWatchLogsGroupArn) ?? "").replace(/:\*$/, "");
      const [, , , region, account] = group.split(":");
      const stream = `${group}:log-stream:${account}_CloudTrail_${region}`;
      const rights = rightsOf(resources, props.cloudWatchLogsRoleArn);
      for (const action of ["logs:CreateLogStream", "logs:PutLogEvents"]) {
        if (!may(rights, action, stream)) yield { urn, message: `its role may not ${action} on its log` };
      }
    }
  },
};

/**
 * Who encrypts for us, by what makes them do so, and what they ask for:
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 * https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
 */
const services: { of: string; called: string; principal: RegExp; actions: string[] }[] = [
  {
    of: aws.trail,
    called: "CloudTrail",
    principal: /^Service cloudtrail\.amazonaws\.com$/,
    actions: ["kms:DescribeKey", "kms:GenerateDataKey"],
  },
  {
    of: aws.logGroup,
    called: "CloudWatch Logs",
    principal: /^Service logs\.[a-z0-9-]+\.amazonaws\.com$/,
    actions: [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ],
  },
  {
    of: aws.topic,
    called: "CloudWatch's alarms",
    principal: /^Service cloudwatch\.amazonaws\.com$/,
    actions: ["kms:Decrypt", "kms:GenerateDataKey"],
  },
];

export const keysServe: StackRule = {
  name: "aws-kms-services",
  sentence: "CloudTrail, CloudWatch's logs and its alarms may use the keys that encrypt for them.",
  severity: "high",
  fix: "Name the service in the policy of its key, with what it asks for: without that, trails stop and alarms are dropped.",
  controls: ["NIST-800-53r5/AU-12", "NIST-800-53r5/SI-4(5)", "R48", "R51"],
  *judgeStack(resources) {
    for (const { of, called, principal, actions } of services) {
      const [first] = ofType(resources, of);
      if (first !== undefined && !keyLets(resources, principal, actions))
        yield { urn: first.urn, message: `no key lets ${called} use it` };
    }
  },
};

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role */
export const scheduleCalls: StackRule = {
  name: "aws-schedule-calls",
  sentence: "A schedule's role may call its function: else nothing rotates, and no function fails.",
  severity: "high",
  fix: "Allow the role lambda:InvokeFunction on the schedule's target, in a RolePolicy.",
  controls: ["OWASP-Secrets/2.7.2-rotation", "R14"],
  *judgeStack(resources) {
    for (const { urn, props } of ofType(resources, aws.schedule)) {
      const { arn, roleArn } = record(props.target);
      if (!may(rightsOf(resources, roleArn), "lambda:InvokeFunction", text(arn) ?? ""))
        yield { urn, message: "its role may not call its target" };
    }
  },
};

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html */
export const scheduleGroupTrusted: StackRule = {
  name: "aws-schedule-group",
  sentence:
    "A schedule's role is taken for the group that the schedule is in: else nothing rotates, and nobody hears.",
  severity: "high",
  fix: "Compare aws:SourceArn in the role's trust with the ARN of the schedule's group.",
  controls: ["NIST-800-53r5/AC-3", "OWASP-Secrets/2.7.2-rotation", "R14"],
  *judgeStack(resources) {
    const roles = new Map(ofType(resources, aws.role).map((role) => [nameOf(role), role]));
    for (const { urn, props } of ofType(resources, aws.schedule)) {
      const { arn, roleArn } = record(props.target);
      const [, partition, , region, account] = (text(arn) ?? "").split(":");
      const group = `arn:${partition}:scheduler:${region}:${account}:schedule-group/${text(props.groupName) ?? "default"}`;
      const role = roles.get(nameIn(text(roleArn) ?? ""));
      // Whether there is such a role, `aws-references-declared` says.
      if (role === undefined) continue;
      const trusted = statements(role.type, role.props).some(
        (statement) =>
          statement.allow &&
          statement.principals.includes("Service scheduler.amazonaws.com") &&
          demanded(statement, "aws:SourceArn", "arnlike", "arnequals", "stringequals")?.includes(group),
      );
      if (!trusted) yield { urn, message: "its role is not taken for the group that it is in" };
    }
  },
};

export const failuresKept: StackRule = {
  name: "aws-failures-put-aside",
  sentence: "Functions and schedules may put aside what fails, by a key that they may use.",
  severity: "medium",
  fix: "Allow the role sqs:SendMessage on the queue in a RolePolicy, and kms:Decrypt and kms:GenerateDataKey in the key's policy.",
  controls: ["NIST-800-53r5/SC-24", "R14"],
  *judgeStack(resources) {
    for (const { urn, role, queue } of putters(resources)) {
      if (!may(rightsOf(resources, role), "sqs:SendMessage", text(queue) ?? ""))
        yield { urn, message: "its role may not send to its queue" };
      if (!keyLets(resources, `AWS ${text(role)}`, ["kms:Decrypt", "kms:GenerateDataKey"]))
        yield { urn, message: "no key lets its role encrypt for its queue" };
    }
  },
};

function putters(resources: readonly Resource[]): { urn: string; role: unknown; queue: unknown }[] {
  return [
    ...ofType(resources, aws.function).map(({ urn, props }) => ({
      urn,
      role: props.role,
      queue: record(props.deadLetterConfig).targetArn,
    })),
    ...ofType(resources, aws.schedule).map(({ urn, props }) => {
      const { roleArn, deadLetterConfig } = record(props.target);
      return { urn, role: roleArn, queue: record(deadLetterConfig).arn };
    }),
  ];
}

/** https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html#monitoring-cloudwatchlogs-prereqs */
export const functionsWrite: StackRule = {
  name: "aws-lambda-log-written",
  sentence: "A function may write to its log.",
  severity: "medium",
  fix: "Allow its role logs:CreateLogStream and logs:PutLogEvents on the streams of its log, in a RolePolicy.",
  controls: ["NIST-800-53r5/AU-12", "R51"],
  *judgeStack(resources) {
    for (const each of ofType(resources, aws.function)) {
      // Which account and region it is in, only its queue says.
      const queue = text(record(each.props.deadLetterConfig).targetArn) ?? "";
      const [, partition, , region, account] = queue.split(":");
      const stream = `arn:${partition}:logs:${region}:${account}:log-group:/aws/lambda/${nameOf(each)}:log-stream:any`;
      const rights = rightsOf(resources, each.props.role);
      for (const action of ["logs:CreateLogStream", "logs:PutLogEvents"]) {
        if (!may(rights, action, stream))
          yield { urn: each.urn, message: `its role may not ${action} on its log` };
      }
    }
  },
};
