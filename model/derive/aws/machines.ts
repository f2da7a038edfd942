import type { AwsFunction, AwsRole, PolicyDocument, PolicyStatement } from "../../aws.ts";
import { allow, arn, deny, document, type Place } from "./document.ts";
import { roleNames, scheduleGroup } from "./names.ts";

/** Trusts an AWS service on behalf of this account, and of one thing in it where it says which. */
export function trustService(place: Place, service: string, source?: string): PolicyDocument {
  return document(
    allow("Service", {
      Principal: { Service: service },
      Action: "sts:AssumeRole",
      Condition: {
        StringEquals: { "aws:SourceAccount": place.account },
        ...(source !== undefined && { ArnLike: { "aws:SourceArn": source } }),
      },
    }),
  );
}

/**
 * The Vault server's role, for its pods by EKS Pod Identity: exactly the service account of the official chart. The use
 * of the unseal key stands in that key's policy. Vault asks IAM who a function's role is, so that one that is made again
 * under an old name is another one.
 */
export function vaultRole(place: Place, functions: AwsFunction[]): AwsRole {
  return {
    name: roleNames(place).vault,
    purpose: "The Vault server: unseals itself, and asks who a function is that logs in.",
    of: "vault",
    trust: document(
      allow("VaultsPods", {
        Principal: { Service: "pods.eks.amazonaws.com" },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {
          StringEquals: {
            "aws:SourceAccount": place.account,
            "aws:RequestTag/kubernetes-namespace": "vault",
            "aws:RequestTag/kubernetes-service-account": "vault",
          },
        },
      }),
    ),
    rights: document(
      allow("AskWhoLogsIn", {
        Action: "iam:GetRole",
        Resource: functions.map(({ role }) => arn.role(place, role)),
      }),
    ),
  };
}

/** A function's role: its own log, its own dead letters, and the secrets that it rotates, each by name. */
export function functionRole(
  place: Place,
  { name, role, purpose, logGroup, network }: AwsFunction,
  { secrets, deadLetters }: { secrets: string[]; deadLetters: string },
): AwsRole {
  return {
    name: role,
    purpose,
    of: "function",
    trust: document(
      allow("Service", { Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }),
    ),
    rights: document(
      allow("WriteOwnLog", {
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `${arn.logGroup(place, logGroup)}:*`,
      }),
      allow("PutFailuresAside", { Action: "sqs:SendMessage", Resource: arn.queue(place, deadLetters) }),
      ...(secrets.length === 0
        ? []
        : [
            allow("RotateTheseSecrets", {
              Action: [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
              ],
              Resource: secrets.map((secret) => arn.secret(place, secret)),
            }),
          ]),
      ...(network === undefined ? [] : inNetwork(place, name, network)),
    ),
  };
}

/**
 * What Lambda needs to put a function into subnets; these actions know no narrower resource for reading. The function's
 * own code is denied them. https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
 */
function inNetwork(
  place: Place,
  name: string,
  { subnets, securityGroups }: NonNullable<AwsFunction["network"]>,
): PolicyStatement[] {
  const { account, region } = place;
  const ec2 = (kind: string, id: string) => `arn:aws:ec2:${region}:${account}:${kind}/${id}`;
  return [
    allow("EnterTheNetwork", {
      Action: "ec2:CreateNetworkInterface",
      Resource: [
        ec2("network-interface", "*"),
        ...subnets.map((id) => ec2("subnet", id)),
        ...securityGroups.map((id) => ec2("security-group", id)),
      ],
    }),
    allow("LeaveTheNetwork", {
      Action: [
        "ec2:AssignPrivateIpAddresses",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
      ],
      Resource: ec2("network-interface", "*"),
      Condition: { ArnEquals: { "ec2:Subnet": subnets.map((id) => ec2("subnet", id)) } },
    }),
    allow("SeeTheNetwork", {
      Action: ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
      Resource: "*",
    }),
    deny("NotByTheCodeItself", {
      Action: "ec2:*",
      Resource: "*",
      Condition: { ArnEquals: { "lambda:SourceFunctionArn": arn.function(place, name) } },
    }),
  ];
}

/**
 * The role by which schedules call functions. EventBridge takes it for their group: of a schedule it says nothing.
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
 */
export function schedulerRole(place: Place, functions: string[], deadLetters: string): AwsRole {
  return {
    name: roleNames(place).scheduler,
    purpose: "Schedules call the functions that they name, and put aside what fails.",
    of: "service",
    trust: trustService(place, "scheduler.amazonaws.com", arn.scheduleGroup(place, scheduleGroup(place))),
    rights: document(
      allow("CallTheFunctions", {
        Action: "lambda:InvokeFunction",
        Resource: functions.map((name) => arn.function(place, name)),
      }),
      allow("PutFailuresAside", { Action: "sqs:SendMessage", Resource: arn.queue(place, deadLetters) }),
    ),
  };
}

/** The role by which CloudTrail writes to its log group. */
export function trailLogRole(place: Place, trail: string, logGroup: string): AwsRole {
  return {
    name: roleNames(place).trailLogs,
    purpose: "CloudTrail writes its events where alarms look at them.",
    of: "service",
    trust: trustService(place, "cloudtrail.amazonaws.com", arn.trail(place, trail)),
    rights: document(
      allow("WriteOwnLog", {
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `${arn.logGroup(place, logGroup)}:log-stream:${place.account}_CloudTrail_${place.region}*`,
      }),
    ),
  };
}
