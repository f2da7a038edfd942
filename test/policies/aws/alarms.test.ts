import assert from "node:assert/strict";
import { test } from "node:test";
import * as alarms from "../../../policies/aws/alarms.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

const of = (examples: Example[]) => findings(alarms.alarmsOfCis, examples);
const heard: [filter: string, what: string][] = [
  ["refused-calls", "calls that are refused"],
  ["console-without-mfa", "console logins without a second factor"],
  ["root-used", "uses of the root user"],
  ["iam-changed", "changes of IAM policies, users and roles"],
  ["trail-changed", "changes of CloudTrail"],
  ["console-login-failed", "console logins that fail"],
  ["key-disabled", "keys that are disabled, deleted or get another policy"],
  ["bucket-policy-changed", "changes of bucket policies"],
  ["login-changed", "changes of second factors, passwords and identity providers"],
  ["alarm-silenced", "alarms that are silenced"],
  ["schedule-changed", "schedules that are changed"],
  ["rotation-failed", "rotations that fail or are ended"],
];
for (const [filter, what] of heard) {
  test(`aws-alarms: refuses an account where nobody hears of ${what}, since no filter counts or no alarm acts`, () => {
    const [unheard, own] = [[`nobody hears of ${what}`], `keyplane-production-${filter}`];
    assert.deepEqual(of(everythingBut(aws.metricFilter, undefined, own)), unheard);
    assert.deepEqual(of(everythingBut(aws.alarm, undefined, own)), unheard);
    assert.deepEqual(of(everythingBut(aws.alarm, { alarmActions: [] }, own)), unheard);
    assert.deepEqual(of(everythingBut(aws.alarm, { actionsEnabled: false }, own)), unheard);
  });
}

test("aws-alarms: refuses a filter that leaves out one event of those that CIS lists", () => {
  const events = [
    ["iam-changed", "DeletePolicyVersion"],
    ["iam-changed", "PutRolePolicy"],
    ["iam-changed", "CreateAccessKey"],
    ["trail-changed", "StopLogging"],
    ["trail-changed", "PutEventSelectors"],
    ["key-disabled", "ScheduleKeyDeletion"],
    ["key-disabled", "PutKeyPolicy"],
    ["bucket-policy-changed", "PutBucketReplication"],
    ["login-changed", "DeactivateMFADevice"],
    ["login-changed", "AddClientIDToOpenIDConnectProvider"],
    ["alarm-silenced", "DisableAlarmActions"],
    ["alarm-silenced", "PutRetentionPolicy"],
    ["alarm-silenced", "Unsubscribe"],
    ["schedule-changed", "UpdateSchedule"],
    ["rotation-failed", "CancelRotateSecret"],
  ] as const;
  assert.deepEqual(of(everything()), []);
  for (const [filter, event] of events) {
    const own = `keyplane-production-${filter}`;
    const { pattern } = shipped(aws.metricFilter, own).props;
    const without = String(pattern).replace(`($.eventName = ${event})`, "($.eventName = Other)");
    assert.notEqual(without, pattern);
    const what = heard.find(([name]) => name === filter)?.[1];
    assert.deepEqual(of(everythingBut(aws.metricFilter, { pattern: without }, own)), [
      `nobody hears of ${what}`,
    ]);
  }
});

for (const [filter, what] of heard) {
  test(`aws-alarms: refuses a pattern for ${what} that is for fewer of them than there are`, () => {
    const own = `keyplane-production-${filter}`;
    const pattern = String(shipped(aws.metricFilter, own).props.pattern).slice(2, -2);
    const more = [
      '($.eventName = "Never")',
      '($.awsRegion = "eu-west-1")',
      '($.sourceIPAddress = "203.*")',
      '($.userAgent != "console.amazonaws.com")',
      "($.vpcEndpointId EXISTS)",
    ];
    for (const term of more) {
      assert.deepEqual(
        of(everythingBut(aws.metricFilter, { pattern: `{ (${pattern}) && ${term} }` }, own)),
        [`nobody hears of ${what}`],
        term,
      );
    }
  });
}

test("aws-alarms: refuses a filter of another log than the trail's, and an alarm on another metric than the filter's", () => {
  const own = "keyplane-production-root-used";
  const unheard = ["nobody hears of uses of the root user"];
  const logGroupName = "/aws/lambda/keyplane-production-rotate-due";
  assert.deepEqual(of(everythingBut(aws.metricFilter, { logGroupName }, own)), unheard);
  assert.deepEqual(of(everythingBut(aws.alarm, { dimensions: { Region: "x" } }, own)), unheard);
});

ruleSuite(alarms.alarmRings, shipped(aws.alarm), {
  unset: [
    { period: undefined, statistic: undefined, treatMissingData: undefined },
    [
      "period is not 300 seconds or less",
      "statistic is neither Sum nor Maximum",
      "treatMissingData is not notBreaching",
    ],
  ],
  "at the hundredth": [{ threshold: 100 }, ["threshold is not 1"]],
  "after an hour": [{ evaluationPeriods: 12 }, ["evaluationPeriods is not 1"]],
  "when nothing happens": [
    { comparisonOperator: "LessThanThreshold" },
    ["comparisonOperator is not GreaterThanOrEqualToThreshold"],
  ],
  "for nobody": [{ alarmActions: [] }, ["nobody is told"]],
  "switched off": [{ actionsEnabled: false }, ["nobody is told"]],
});
ruleSuite(alarms.alarmRings, shipped(aws.alarm, "rotate-due-not-run"), {
  "before a run is due": [{ period: 300 }, ["period is not 1200 to 7200 seconds"]],
  "after a day": [{ period: 86_400 }, ["period is not 1200 to 7200 seconds"]],
  "at every run": [
    { comparisonOperator: "GreaterThanOrEqualToThreshold" },
    ["comparisonOperator is not LessThanThreshold"],
  ],
  "not of a function that nothing calls": [
    { treatMissingData: "notBreaching" },
    ["treatMissingData is not breaching"],
  ],
  "for nobody": [{ alarmActions: [] }, ["nobody is told"]],
});
ruleSuite(alarms.filterCounts, shipped(aws.metricFilter), {
  unset: [{ pattern: undefined }, ["pattern is not one that CloudWatch takes"]],
  "a word": [{ pattern: "ERROR" }, ["pattern is not one that CloudWatch takes"]],
  "longer than CloudWatch takes": [
    { pattern: `{ $.eventName = ${"x".repeat(1024)} }` },
    ["pattern is not one that CloudWatch takes"],
  ],
  "an event that counts nothing": [{ "metricTransformation.value": "0" }, ["an event does not count one"]],
  "no event that counts one": [
    { "metricTransformation.defaultValue": "1" },
    ["no event does not count nothing"],
  ],
});
test("aws-failures-alarmed: refuses a function or a queue of which nobody hears", () => {
  const of = (examples: Example[]) => findings(alarms.functionsWatched, examples);
  assert.deepEqual(of(everything()), []);
  for (const [alarm, what] of [
    ["rotate-due-failed", "when it fails"],
    ["rotate-due-throttled", "when it has to wait"],
    ["rotate-due-not-run", "when nothing calls it any more"],
    ["put-aside", "when something is put aside"],
  ]) {
    assert.deepEqual(of(everythingBut(aws.alarm, undefined, alarm)), [`nobody hears ${what}`]);
    const other = { dimensions: { FunctionName: "other", QueueName: "other" } };
    assert.deepEqual(of(everythingBut(aws.alarm, other, alarm)), [`nobody hears ${what}`]);
  }
});
