import type { AwsRole, PolicyDocument } from "../../aws.ts";
import { allow, arn, deny, document, type Place } from "./document.ts";
import { roleNames } from "./names.ts";
import { callRotators } from "./secrets.ts";

/**
 * What setting up a second factor takes, and nothing that takes one away; each of a user or of a device. It is what AWS'
 * example leaves open, which has no password in it, and one more: who breaks off deletes their device, as its name is
 * taken. AWS deletes none that somebody has, and to deactivate one is not here.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteVirtualMFADevice.html
 */
const selfService = [
  "iam:CreateVirtualMFADevice",
  "iam:DeleteVirtualMFADevice",
  "iam:EnableMFADevice",
  "iam:GetMFADevice",
  "iam:GetUser",
  "iam:ListMFADevices",
  "iam:ResyncMFADevice",
];

/** It also takes these, which AWS knows of nothing narrower than the account or of whoever asks. */
const ofNobody = ["iam:ListVirtualMFADevices", "sts:GetSessionToken"];

/**
 * Who asks, and the one virtual device that has their name; the account is their own in any case. Another device, of any
 * other name, would be a second factor that somebody adds with a stolen key.
 */
const oneself = ["user", "mfa"].map((what) => `arn:aws:iam::*:${what}/\${aws:username}`);

/** Also where the session does not say. */
const withoutSecondFactor = { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } };

/**
 * Trusts named people of an account, with a second factor that is not older than an hour. `Bool` refuses a session that
 * does not say; `BoolIfExists` would admit it.
 */
export function trustPeople(account: string, people: string[]): PolicyDocument {
  return document(
    allow("PeopleWithSecondFactor", {
      Principal: { AWS: arn.root(account) },
      Action: "sts:AssumeRole",
      Condition: {
        Bool: { "aws:MultiFactorAuthPresent": "true" },
        NumericLessThan: { "aws:MultiFactorAuthAge": "3600" },
        StringEquals: { "aws:PrincipalArn": people.map((name) => `arn:aws:iam::${account}:user/${name}`) },
      },
    }),
  );
}

/**
 * The policy of the group that an account's IAM users are in. The denials also hold where the session does not say
 * whether there was a second factor, as with an access key, and whatever else somebody may: AWS' own example leaves the
 * second one out, so that who has the rights sets up other people's devices without a factor of their own.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_aws_my-sec-creds-self-manage-mfa-only.html
 */
export function secondFactorRequired(roles: string[]): PolicyDocument {
  return document(
    allow("OwnSecondFactor", { Action: selfService, Resource: oneself }),
    // With a second factor: what follows denies it without.
    allow("OwnPassword", { Action: "iam:ChangePassword", Resource: oneself[0] ?? [] }),
    allow("SeeSecondFactors", { Action: "iam:ListVirtualMFADevices", Resource: "*" }),
    allow("BecomeWhoTheyAre", { Action: "sts:AssumeRole", Resource: roles }),
    deny("NothingElseWithoutSecondFactor", {
      NotAction: [...selfService, ...ofNobody].sort(),
      Resource: "*",
      Condition: withoutSecondFactor,
    }),
    // Two statements: NotAction and NotResource in one would deny only what is neither.
    deny("NobodyElsesWithoutSecondFactor", {
      Action: selfService,
      NotResource: oneself,
      Condition: withoutSecondFactor,
    }),
  );
}

export interface Reach {
  functions: string[];
  /** Of these, what Secrets Manager calls. */
  rotators: string[];
  secrets: string[];
  schedules: string[];
  logGroups: string[];
  bucket: string;
}

/** The roles of people: who keeps the platform when something is wrong, and who looks, where somebody does. */
export function peopleRoles(
  place: Place,
  account: string,
  people: { administrators: string[]; auditors: string[] },
  reach: Reach,
): AwsRole[] {
  const names = roleNames(place);
  return [
    {
      name: names.administrator,
      purpose: "Stops, resumes and repairs in an incident; reads no secret.",
      of: "person",
      trust: trustPeople(account, people.administrators),
      rights: document(
        ...(reach.secrets.length === 0
          ? []
          : [
              allow("StopAndStartRotation", {
                Action: [
                  "secretsmanager:CancelRotateSecret",
                  "secretsmanager:DescribeSecret",
                  "secretsmanager:RotateSecret",
                ],
                Resource: reach.secrets,
              }),
              callRotators(reach.rotators),
            ]),
        allow("StopAndStartFunctions", {
          Action: [
            "lambda:DeleteFunctionConcurrency",
            "lambda:GetFunctionConfiguration",
            "lambda:PutFunctionConcurrency",
          ],
          Resource: reach.functions,
        }),
        allow("StopAndStartSchedules", {
          Action: ["scheduler:GetSchedule", "scheduler:UpdateSchedule"],
          Resource: reach.schedules,
        }),
        allow("PassTheSchedulersRole", {
          Action: "iam:PassRole",
          Resource: arn.role(place, names.scheduler),
          Condition: { StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" } },
        }),
        ...readLogs(place, reach),
      ),
    },
    ...(people.auditors.length === 0 ? [] : [auditor(place, account, people.auditors, reach)]),
  ];
}

function auditor(place: Place, account: string, auditors: string[], reach: Reach): AwsRole {
  return {
    name: roleNames(place).auditor,
    purpose: "Reads the trail, the logs and the configuration; changes nothing and reads no secret.",
    of: "person",
    trust: trustPeople(account, auditors),
    rights: document(
      ...readLogs(place, reach),
      allow("ReadTrailFiles", {
        Action: ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
        Resource: [`arn:aws:s3:::${reach.bucket}`, `arn:aws:s3:::${reach.bucket}/*`],
      }),
      allow("SeeConfiguration", {
        Action: [
          "access-analyzer:ListFindings",
          "cloudtrail:DescribeTrails",
          "cloudtrail:GetEventSelectors",
          "cloudtrail:GetTrailStatus",
          "cloudtrail:LookupEvents",
          "cloudwatch:DescribeAlarms",
          "iam:GetAccountPasswordPolicy",
          "iam:GetAccountSummary",
          "iam:ListRoles",
          "kms:ListAliases",
          "kms:ListKeys",
          "lambda:ListFunctions",
          "scheduler:ListSchedules",
          "secretsmanager:ListSecrets",
        ],
        Resource: "*",
      }),
    ),
  };
}

function readLogs(place: Place, { logGroups }: Reach) {
  return [
    allow("ReadLogs", {
      Action: ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"],
      Resource: logGroups.map((group) => `${arn.logGroup(place, group)}:*`),
    }),
  ];
}
