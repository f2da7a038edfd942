import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as delivery from "../../../policies/aws/delivery.ts";
import { aws } from "../../../policies/aws/types.ts";
import type { Rule } from "../../../policies/rule.ts";
import { unknown } from "../../../policies/unknown.ts";
import { everything, everythingBut, findings, shipped } from "../examples.ts";
import { reworded } from "./document.ts";

const role = (name: string) => `keyplane-production-${name}`;

/** What a rule finds when one statement of a shipped document says something else, or is not there. */
const when = (
  rule: Rule,
  [type, name, sid]: readonly [type: string, name: string, sid: string],
  more: Parameters<typeof reworded>[2],
) => findings(rule, everythingBut(type, reworded(shipped(type, name), sid, more), name));

suite(`aws-trail-written: ${delivery.trailWritten.sentence}`, () => {
  const place = [aws.rolePolicy, role("trail-logs"), "WriteOwnLog"] as const;
  const both = ["logs:CreateLogStream", "logs:PutLogEvents"].map(
    (action) => `its role may not ${action} on its log`,
  );
  test("passes what is right", () => assert.deepEqual(findings(delivery.trailWritten, everything()), []));
  test("refuses a role without rights", () =>
    assert.deepEqual(
      findings(delivery.trailWritten, everythingBut(aws.rolePolicy, undefined, role("trail-logs"))),
      both,
    ));
  test("refuses a right less", () =>
    assert.deepEqual(when(delivery.trailWritten, place, { Action: "logs:CreateLogStream" }), both.slice(1)));
  test("refuses the rights for another log", () =>
    assert.deepEqual(
      when(delivery.trailWritten, place, {
        Resource:
          "arn:aws:logs:eu-west-1:222222222222:log-group:other:log-stream:222222222222_CloudTrail_eu-west-1*",
      }),
      both,
    ));
  test("refuses what denies it", () =>
    assert.deepEqual(when(delivery.trailWritten, place, { Effect: "Deny" }), both));
  test("is pending while the log is unknown", () =>
    assert.deepEqual(
      findings(delivery.trailWritten, everythingBut(aws.trail, { cloudWatchLogsGroupArn: unknown })),
      ["pending"],
    ));
});

suite(`aws-kms-services: ${delivery.keysServe.sentence}`, () => {
  test("passes what is right, and a stack whose keys are declared in another", () => {
    assert.deepEqual(findings(delivery.keysServe, everything()), []);
    assert.deepEqual(findings(delivery.keysServe, [shipped(aws.logGroup), shipped(aws.topic)]), []);
  });
  for (const [key, sid, name, dropped] of [
    ["audit", "TrailEncrypts", "CloudTrail", "kms:GenerateDataKey*"],
    ["audit", "LogsEncrypt", "CloudWatch Logs", "kms:ReEncrypt*"],
    ["data", "AlarmsAreSent", "CloudWatch's alarms", "kms:Decrypt"],
  ] as const) {
    const place = [aws.key, key, sid] as const;
    const refused = [`no key lets ${name} use it`];
    test(`refuses keys that do not let ${name} use one`, () =>
      assert.deepEqual(when(delivery.keysServe, place, undefined), refused));
    test(`refuses keys that let ${name} do less than it asks for`, () => {
      const { Statement } = JSON.parse(String(shipped(aws.key, key).props.policy)) as {
        Statement: { Sid: string; Action: string[] }[];
      };
      const actions = Statement.find(({ Sid }) => Sid === sid)?.Action ?? [];
      assert.ok(actions.includes(dropped));
      const Action = actions.filter((action) => action !== dropped);
      assert.deepEqual(when(delivery.keysServe, place, { Action }), refused);
    });
  }
});

suite(`aws-schedule-calls: ${delivery.scheduleCalls.sentence}`, () => {
  const place = [aws.rolePolicy, role("scheduler"), "CallTheFunctions"] as const;
  const refused = ["its role may not call its target"];
  test("passes what is right", () => assert.deepEqual(findings(delivery.scheduleCalls, everything()), []));
  test("refuses a role without the right", () =>
    assert.deepEqual(when(delivery.scheduleCalls, place, undefined), refused));
  test("refuses a right for another function", () =>
    assert.deepEqual(
      when(delivery.scheduleCalls, place, {
        Resource: "arn:aws:lambda:eu-west-1:222222222222:function:keyplane-production-other",
      }),
      refused,
    ));
});

suite(`aws-schedule-group: ${delivery.scheduleGroupTrusted.sentence}`, () => {
  const refused = ["its role is not taken for the group that it is in"];
  const group = "arn:aws:scheduler:eu-west-1:222222222222:schedule-group/keyplane-production-other";
  test("passes what is right", () =>
    assert.deepEqual(findings(delivery.scheduleGroupTrusted, everything()), []));
  test("refuses a schedule in another group", () =>
    assert.deepEqual(
      findings(delivery.scheduleGroupTrusted, everythingBut(aws.schedule, { groupName: "default" })),
      refused,
    ));
  test("refuses a role that is taken for another group", () =>
    assert.deepEqual(
      when(delivery.scheduleGroupTrusted, [aws.role, role("scheduler"), "Service"], {
        Condition: { ArnLike: { "aws:SourceArn": group } },
      }),
      refused,
    ));
});

suite(`aws-failures-put-aside: ${delivery.failuresKept.sentence}`, () => {
  test("passes what is right", () => assert.deepEqual(findings(delivery.failuresKept, everything()), []));
  for (const name of ["scheduler", "rotate-due"]) {
    test(`refuses the role ${name} without the queue`, () =>
      assert.deepEqual(
        when(delivery.failuresKept, [aws.rolePolicy, role(name), "PutFailuresAside"], undefined),
        ["its role may not send to its queue"],
      ));
  }
  test("refuses a role that may not use the queue's key", () =>
    assert.deepEqual(
      when(delivery.failuresKept, [aws.key, "data", "FailuresArePutAside"], {
        Principal: {
          AWS: ["rotate-due", "rotate-postgres-titan-ledger"].map(
            (name) => `arn:aws:iam::222222222222:role/${role(name)}`,
          ),
        },
      }),
      ["no key lets its role encrypt for its queue"],
    ));
});

suite(`aws-lambda-log-written: ${delivery.functionsWrite.sentence}`, () => {
  test("passes what is right", () => assert.deepEqual(findings(delivery.functionsWrite, everything()), []));
  test("refuses a function that may not write", () =>
    assert.deepEqual(
      when(delivery.functionsWrite, [aws.rolePolicy, role("rotate-due"), "WriteOwnLog"], {
        Action: ["logs:CreateLogStream"],
      }),
      ["its role may not logs:PutLogEvents on its log"],
    ));
});
