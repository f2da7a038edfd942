import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOfEnvironment, nameOnce, policyNamed } from "../../../policies/aws/names.ts";
import { nameIn } from "../../../policies/aws/place.ts";
import * as references from "../../../policies/aws/references.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

for (const [type, argument] of [
  [aws.role, "name"],
  [aws.bucket, "bucket"],
  [aws.analyzer, "analyzerName"],
  [aws.logGroup, "name"],
  [aws.secret, "name"],
] as const) {
  const wrong = [`${argument} does not say which environment's it is`];
  const example = shipped(type);
  ruleSuite(nameOfEnvironment, example, {
    unset: [{ [argument]: undefined }, wrong],
    "another environment's": [
      { [argument]: String(example.props[argument]).replace("production", "staging") },
      wrong,
    ],
    "a pattern": [{ [argument]: `${String(example.props[argument])}*` }, wrong],
  });
}
ruleSuite(policyNamed, shipped(aws.rolePolicy), {
  unset: [{ name: undefined }, ["name is no word"]],
  "a pattern": [{ name: "rights*" }, ["name is no word"]],
});

ruleSuite(references.referencesExact, shipped(aws.function), {
  unset: [
    { role: undefined, deadLetterConfig: undefined },
    ["role is no role", "deadLetterConfig.targetArn is no queue"],
  ],
  "a name": [{ kmsKeyArn: "alias/aws/lambda" }, ["kmsKeyArn is no key"]],
  "a pattern": [{ role: "arn:aws:iam::222222222222:role/*" }, ["role is no role"]],
  "something else's": [{ role: "arn:aws:sqs:eu-west-1:222222222222:role" }, ["role is no role"]],
});
ruleSuite(references.referencesExact, shipped(aws.alarm), {
  "an action too many": [
    { alarmActions: [...(shipped(aws.alarm).props.alarmActions as string[]), "*"] },
    ["alarmActions.[] is no topic"],
  ],
});

test("aws-names-declared: refuses what names a role, log, bucket, function, queue or issuer that is not declared", () => {
  const of = (examples: Example[]) => findings(references.namesDeclared, examples);
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(of(everythingBut(aws.rolePolicy, { role: "other" })), [
    "role names no role that is declared",
  ]);
  assert.deepEqual(of(everythingBut(aws.metricFilter, { logGroupName: "/other" })), [
    "logGroupName names no logGroup that is declared",
  ]);
  assert.deepEqual(of(everythingBut(aws.bucketLock, { bucket: undefined })), [
    "bucket names no bucket that is declared",
  ]);
  assert.deepEqual(of(everythingBut(aws.functionPermission, { function: "other" })), [
    "function names no function that is declared",
  ]);
  assert.deepEqual(of(everythingBut(aws.alarm, { "dimensions.QueueName": "other" }, "put-aside")), [
    "dimensions.QueueName names no queue that is declared",
  ]);
  assert.deepEqual(
    [...new Set(of(everythingBut(aws.oidcProvider)))],
    ["it trusts token.actions.githubusercontent.com, which is not declared"],
  );
});

test("aws-references-declared: refuses an ARN of what is not declared", () => {
  const of = (examples: Example[]) => findings(references.arnsDeclared, examples);
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(
    of(everythingBut(aws.schedule, { "target.arn": "arn:aws:lambda:eu-west-1:1:function:x" })),
    ["target.arn is no function that is declared"],
  );
  assert.deepEqual(of(everythingBut(aws.secretPolicy, { secretArn: undefined })), [
    "secretArn is no secret that is declared",
  ]);
  assert.deepEqual([...new Set(of(everythingBut(aws.topic)))].sort(), [
    "alarmActions.[] is no topic that is declared",
    "arn is no topic that is declared",
    "topic is no topic that is declared",
  ]);
});

for (const [arn, name] of [
  ["arn:aws:sns:eu-west-1:222222222222:alarms", "alarms"],
  ["arn:aws:iam::222222222222:role/path/deploy", "path/deploy"],
  ["arn:aws:lambda:eu-west-1:222222222222:function:rotate", "rotate"],
  ["arn:aws:logs:eu-west-1:222222222222:log-group:/keyplane/x:*", "/keyplane/x"],
  ["arn:aws:secretsmanager:eu-west-1:222222222222:secret:keyplane/x/y-AbCdEf", "keyplane/x/y"],
  ["", ""],
] as const) {
  test(`the name in "${arn}" is "${name}"`, () => assert.equal(nameIn(arn), name));
}

for (const [type, name, at] of [
  [aws.alarm, "trail-changed", "keyplane-production-trail-changed"],
  [aws.rolePolicy, "drift", "keyplane-production-drift rights"],
  [aws.bucketPolicy, "", "keyplane-production-trail-222222222222"],
  [aws.passwordPolicy, "", "it, and an account has one"],
] as const) {
  test(`aws-name-once: refuses a second ${type}, which would be written over the first`, () => {
    const of = (resources: ReturnType<typeof everything>) => findings(nameOnce, resources);
    assert.deepEqual(of(everything()), []);
    assert.deepEqual(of([...everything(), shipped(type, name)]), [`there are two of ${at}`]);
  });
}
