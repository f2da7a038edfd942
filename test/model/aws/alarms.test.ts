import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { filterPattern } from "../../../policies/aws/filter-pattern.ts";

const { aws } = derive(await loadCatalogue("catalogue"), "production");
assert.ok(aws);
const patterns = aws.alarms.flatMap((alarm) =>
  "pattern" in alarm ? [[alarm.name.replace("keyplane-production-", ""), alarm.pattern] as const] : [],
);

type Event = Record<string, unknown>;
const somebody = { type: "IAMUser", userName: "eve" };
const call = (source: string, eventName: string, more: Event = {}): Event => ({
  eventType: "AwsApiCall",
  eventSource: `${source}.amazonaws.com`,
  eventName,
  userIdentity: somebody,
  ...more,
});
const login = (more: Event): Event => ({
  ...call("signin", "ConsoleLogin", { eventType: "AwsConsoleSignIn" }),
  additionalEventData: { MFAUsed: "Yes" },
  responseElements: { ConsoleLogin: "Success" },
  ...more,
});
const root = { type: "Root", arn: "arn:aws:iam::222222222222:root" };

/** Events as CloudTrail writes them, and which alarms they set. https://docs.aws.amazon.com/awscloudtrail/latest/userguide */
const events: [what: string, event: Event, alarms: string[]][] = [
  ["root calls", call("s3", "ListBuckets", { userIdentity: root }), ["root-used"]],
  ["root logs in", login({ userIdentity: root }), ["root-used"]],
  [
    "a service acts as root",
    call("s3", "ListBuckets", { userIdentity: { ...root, invokedBy: "support.amazonaws.com" } }),
    [],
  ],
  [
    "AWS does something of root's",
    call("kms", "RotateKey", { userIdentity: root, eventType: "AwsServiceEvent" }),
    [],
  ],
  ["a role gets rights", call("iam", "PutRolePolicy"), ["iam-changed"]],
  ["a trust is changed", call("iam", "UpdateAssumeRolePolicy"), ["iam-changed"]],
  ["an access key is made", call("iam", "CreateAccessKey"), ["iam-changed"]],
  ["a password is made", call("iam", "CreateLoginProfile"), ["iam-changed"]],
  ["a provider is added", call("iam", "CreateOpenIDConnectProvider"), ["iam-changed"]],
  ["a role is looked at", call("iam", "GetRole"), []],
  ["another service has an event of that name", call("example", "PutRolePolicy"), []],
  ["a second factor is taken away", call("iam", "DeactivateMFADevice"), ["login-changed"]],
  ["passwords may be short", call("iam", "UpdateAccountPasswordPolicy"), ["login-changed"]],
  [
    "another audience of GitHub's tokens",
    call("iam", "AddClientIDToOpenIDConnectProvider"),
    ["login-changed"],
  ],
  ["another CA of GitHub's", call("iam", "UpdateOpenIDConnectProviderThumbprint"), ["login-changed"]],
  ["an alarm goes", call("monitoring", "DeleteAlarms"), ["alarm-silenced"]],
  ["an alarm tells nobody", call("monitoring", "DisableAlarmActions"), ["alarm-silenced"]],
  ["an alarm is looked at", call("monitoring", "DescribeAlarms"), []],
  ["nothing is counted any more", call("logs", "DeleteMetricFilter"), ["alarm-silenced"]],
  ["a log goes", call("logs", "DeleteLogGroup"), ["alarm-silenced"]],
  ["a log is kept for a day", call("logs", "PutRetentionPolicy"), ["alarm-silenced"]],
  ["who is on call hears nothing more", call("sns", "Unsubscribe"), ["alarm-silenced"]],
  ["another service deletes alarms of its own", call("example", "DeleteAlarms"), []],
  ["the schedule goes", call("scheduler", "DeleteSchedule"), ["schedule-changed"]],
  ["the schedule is switched off", call("scheduler", "UpdateSchedule"), ["schedule-changed"]],
  ["the trail is stopped", call("cloudtrail", "StopLogging"), ["trail-changed"]],
  ["the trail is deleted", call("cloudtrail", "DeleteTrail"), ["trail-changed"]],
  ["the trail sees less", call("cloudtrail", "PutEventSelectors"), ["trail-changed"]],
  ["the trail is read", call("cloudtrail", "LookupEvents"), []],
  ["a key is disabled", call("kms", "DisableKey"), ["key-disabled"]],
  ["a key is to be deleted", call("kms", "ScheduleKeyDeletion"), ["key-disabled"]],
  ["a key has another policy", call("kms", "PutKeyPolicy"), ["key-disabled"]],
  ["a key is used", call("kms", "Decrypt"), []],
  ["a bucket's policy goes", call("s3", "DeleteBucketPolicy"), ["bucket-policy-changed"]],
  [
    "a rotation fails",
    {
      eventType: "AwsServiceEvent",
      eventSource: "secretsmanager.amazonaws.com",
      eventName: "RotationFailed",
      userIdentity: { accountId: "222222222222", invokedBy: "secretsmanager.amazonaws.com" },
    },
    ["rotation-failed"],
  ],
  ["a rotation is switched off", call("secretsmanager", "CancelRotateSecret"), ["rotation-failed"]],
  ["a rotation succeeds", call("secretsmanager", "RotationSucceeded"), []],
  ["somebody logs in with a second factor", login({}), []],
  [
    "somebody logs in without a second factor",
    login({ additionalEventData: { MFAUsed: "No" } }),
    ["console-without-mfa"],
  ],
  [
    "somebody of an identity provider logs in, whose second factor AWS does not see",
    login({ additionalEventData: { MFAUsed: "No" }, userIdentity: { type: "AssumedRole" } }),
    [],
  ],
  [
    "a login fails",
    login({
      additionalEventData: { MFAUsed: "No" },
      responseElements: { ConsoleLogin: "Failure" },
      errorMessage: "Failed authentication",
    }),
    ["console-login-failed"],
  ],
  ["a call is refused", call("kms", "Decrypt", { errorCode: "AccessDenied" }), ["refused-calls"]],
  [
    "a call of EC2 is refused",
    call("ec2", "RunInstances", { errorCode: "Client.UnauthorizedOperation" }),
    ["refused-calls"],
  ],
  ["a call fails", call("kms", "Decrypt", { errorCode: "NotFoundException" }), []],
];

suite("the trail's alarms ring for what somebody must hear of, and for nothing else (R51)", () => {
  for (const [what, event, alarms] of events) {
    test(`${what}: ${alarms.join(", ") || "none"}`, () => {
      const ringing = patterns.filter(([, pattern]) => filterPattern(pattern)(event));
      assert.deepEqual(
        ringing.map(([name]) => name),
        alarms,
      );
    });
  }

  test("every alarm on the trail was rung", () => {
    const rung = new Set(events.flatMap(([, , alarms]) => alarms));
    assert.deepEqual([...rung].sort(), patterns.map(([name]) => name).sort());
  });
});
