import type { AwsAlarm, AwsFunction, PolicyDocument } from "../../aws.ts";
import { minute } from "../context.ts";
import { allow, arn, deny, document, type Place } from "./document.ts";

/** CloudTrail alone writes, by TLS, for this one trail; nobody comes by plain HTTP. */
export function trailBucketPolicy(place: Place, bucket: string, trail: string): PolicyDocument {
  const [whole, files] = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const source = { "aws:SourceArn": arn.trail(place, trail) };
  return document(
    allow("TrailLooks", {
      Principal: { Service: "cloudtrail.amazonaws.com" },
      Action: "s3:GetBucketAcl",
      Resource: whole,
      Condition: { StringEquals: source },
    }),
    allow("TrailWrites", {
      Principal: { Service: "cloudtrail.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: `${whole}/AWSLogs/${place.account}/*`,
      Condition: { StringEquals: { ...source, "s3:x-amz-acl": "bucket-owner-full-control" } },
    }),
    deny("NoPlainHttp", {
      Principal: "*",
      Action: "s3:*",
      Resource: [whole, files],
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    }),
  );
}

/** Alarms of this account alone publish. */
export function topicPolicy(place: Place, topic: string): PolicyDocument {
  return document(
    allow("AlarmsPublish", {
      Principal: { Service: "cloudwatch.amazonaws.com" },
      Action: "sns:Publish",
      Resource: arn.topic(place, topic),
      Condition: {
        StringEquals: { "aws:SourceAccount": place.account },
        ArnLike: { "aws:SourceArn": arn.alarms(place) },
      },
    }),
  );
}

/** Any of these events. */
const event = (...names: string[]) => names.map((name) => `($.eventName = ${name})`).join(" || ");
const of = (source: string, events: string) => `($.eventSource = ${source}.amazonaws.com) && (${events})`;
const from = (source: string, events: string) => `{ ${of(source, events)} }`;

/**
 * What somebody must hear of: section 4 of the CIS AWS Foundations Benchmark 4.0.1 as far as the platform touches it, and
 * what it does itself.
 */
const watched: [name: string, purpose: string, pattern: string][] = [
  [
    "refused-calls",
    "A call was refused (CIS 4.1)",
    '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
  ],
  [
    "console-without-mfa",
    "Somebody logged in to the console without a second factor (CIS 4.2)",
    '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }',
  ],
  [
    "root-used",
    "The root user did something (CIS 4.3)",
    '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType != "AwsServiceEvent" }',
  ],
  [
    "iam-changed",
    "A role, a policy or a way in was changed (CIS 4.4)",
    from(
      "iam",
      event(
        ..."AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey CreateLoginProfile".split(
          " ",
        ),
        ..."CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole CreateUser DeleteGroupPolicy".split(
          " ",
        ),
        ..."DeleteOpenIDConnectProvider DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePolicy".split(
          " ",
        ),
        ..."DeleteUserPolicy DetachGroupPolicy DetachRolePolicy DetachUserPolicy PutGroupPolicy".split(" "),
        ..."PutRolePolicy PutUserPolicy SetDefaultPolicyVersion UpdateAssumeRolePolicy".split(" "),
      ),
    ),
  ],
  [
    "login-changed",
    "Who may log in, or how, was changed: a second factor, a password or an identity provider",
    from(
      "iam",
      event(
        ..."AddClientIDToOpenIDConnectProvider CreateSAMLProvider DeactivateMFADevice DeleteAccountPasswordPolicy".split(
          " ",
        ),
        ..."DeleteVirtualMFADevice UpdateAccessKey UpdateAccountPasswordPolicy UpdateLoginProfile".split(" "),
        ..."UpdateOpenIDConnectProviderThumbprint UpdateSAMLProvider".split(" "),
      ),
    ),
  ],
  [
    "alarm-silenced",
    "An alarm, what it looks at or who hears of it was taken away",
    `{ ${[
      of("monitoring", event("DeleteAlarms", "DisableAlarmActions")),
      of("logs", event("DeleteLogGroup", "DeleteLogStream", "DeleteMetricFilter", "PutRetentionPolicy")),
      of("sns", event("DeleteTopic", "Unsubscribe")),
    ]
      .map((source) => `(${source})`)
      .join(" || ")} }`,
  ],
  [
    "schedule-changed",
    "What looks for due rotations is called at other times, or no longer",
    from("scheduler", event("DeleteSchedule", "DeleteScheduleGroup", "UpdateSchedule")),
  ],
  [
    "trail-changed",
    "CloudTrail was changed or stopped (CIS 4.5)",
    from(
      "cloudtrail",
      event("CreateTrail", "DeleteTrail", "PutEventSelectors", "StartLogging", "StopLogging", "UpdateTrail"),
    ),
  ],
  [
    "console-login-failed",
    "A login to the console failed (CIS 4.6)",
    '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
  ],
  [
    "key-disabled",
    "A key was disabled, is to be deleted, or has another policy (CIS 4.7)",
    from("kms", event("DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion")),
  ],
  [
    "bucket-policy-changed",
    "A bucket's policy was changed (CIS 4.8)",
    from(
      "s3",
      event(
        ..."DeleteBucketCors DeleteBucketLifecycle DeleteBucketPolicy DeleteBucketReplication".split(" "),
        "DeleteBucketPublicAccessBlock",
        ..."DeletePublicAccessBlock PutBucketAcl PutBucketCors PutBucketLifecycle PutBucketPolicy".split(" "),
        ..."PutBucketPublicAccessBlock PutBucketReplication".split(" "),
      ),
    ),
  ],
  [
    "rotation-failed",
    "Secrets Manager could not rotate a secret, or somebody ended its rotation",
    from("secretsmanager", event("CancelRotateSecret", "DeleteSecret", "RotationFailed")),
  ],
];

/** Twice the quarter of an hour in which the schedule calls its function once, at any of five minutes. */
const silence = 30 * minute;

/**
 * An alarm per thing that is watched, one per function that fails, that is kept from running or that a schedule no longer
 * calls, and one for what was put aside.
 */
export function deriveAlarms(place: Place, functions: AwsFunction[], deadLetters: string): AwsAlarm[] {
  const named = (name: string) => `keyplane-${place.environment}-${name}`;
  return [
    ...watched.map(([name, purpose, pattern]) => ({ name: named(name), purpose, pattern })),
    ...functions.flatMap(({ name, calledBy }): AwsAlarm[] => {
      const counted = (metric: string) => ({
        metric: { namespace: "AWS/Lambda", name: metric, dimensions: { FunctionName: name } },
      });
      return [
        { name: `${name}-failed`, purpose: "A run of the function failed", ...counted("Errors") },
        {
          name: `${name}-throttled`,
          purpose: "A run of the function had to wait for another one",
          ...counted("Throttles"),
        },
        ...(calledBy === "schedule"
          ? [
              {
                name: `${name}-not-run`,
                purpose: "Nothing called the function for half an hour: what is due is not rotated",
                ...counted("Invocations"),
                silent: silence,
              },
            ]
          : []),
      ];
    }),
    {
      name: named("put-aside"),
      purpose: "What was tried often enough lies among the dead letters",
      metric: {
        namespace: "AWS/SQS",
        name: "ApproximateNumberOfMessagesVisible",
        dimensions: { QueueName: deadLetters },
      },
    },
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}
