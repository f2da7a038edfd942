import assert from "node:assert/strict";
import { test } from "node:test";
import * as lambdas from "../../../policies/aws/lambdas.ts";
import { scheduleOften, scheduleRetries } from "../../../policies/aws/schedules.ts";
import { functionSettings } from "../../../policies/aws/settings.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

const rotator: Example = {
  type: aws.function,
  props: {
    runtime: "nodejs24.x",
    environment: { variables: { VAULT_ADDR: "https://vault", DB_SECRET_ARN: "arn:aws:x" } },
    kmsKeyArn: "arn:aws:kms:x",
    deadLetterConfig: { targetArn: "arn:aws:sqs:x" },
    reservedConcurrentExecutions: 1,
    vpcConfig: { subnetIds: ["subnet-0a1b2c3d4e5f60721"], securityGroupIds: ["sg-0a1b2c3d4e5f60721"] },
  },
};
ruleSuite(lambdas.functionNoSecret, rotator, {
  "a password": [
    { "environment.variables.DB_PASSWORD": "planted" },
    ["DB_PASSWORD is the name of a live value"],
  ],
  "no key of ours": [{ kmsKeyArn: undefined }, ["kmsKeyArn is not set"]],
});
ruleSuite(lambdas.functionFailsLoudly, rotator, {
  unset: [{ deadLetterConfig: undefined }, ["deadLetterConfig is not set"]],
  stopped: [{ reservedConcurrentExecutions: 0 }, ["reservedConcurrentExecutions lets none run"]],
});
ruleSuite(lambdas.functionInside, rotator, {
  unset: [{ vpcConfig: undefined }, ["vpcConfig names no subnet or security group"]],
  "what is no subnet": [{ "vpcConfig.subnetIds": ["*"] }, ["vpcConfig names no subnet or security group"]],
  "an old runtime": [{ runtime: "nodejs16.x" }, ["the runtime is nodejs16.x"]],
});
ruleSuite(
  lambdas.functionCallersNamed,
  {
    type: aws.functionPermission,
    props: {
      action: "lambda:InvokeFunction",
      principal: "secretsmanager.amazonaws.com",
      sourceAccount: "111111111111",
    },
  },
  {
    unset: [{ principal: undefined }, ["everyone may call it"]],
    everyone: [{ principal: "*" }, ["everyone may call it"]],
    "another service": [{ principal: "s3.amazonaws.com" }, ["s3.amazonaws.com may call it"]],
    "another account": [{ principal: "333333333333" }, ["333333333333 may call it"]],
    "more than a call": [{ action: "lambda:*" }, ["it may do more than call it"]],
    "an account that is none": [{ sourceAccount: "acme" }, ["sourceAccount is no account"]],
    "for any account": [{ sourceAccount: undefined }, ["the service calls it for any account"]],
  },
);
ruleSuite(
  lambdas.functionCallersNamed,
  { type: aws.functionUrl, props: { authorizationType: "AWS_IAM" } },
  { "an open address": [{ authorizationType: "NONE" }, ["its address is open to everyone"]] },
);
const due = shipped(aws.function, "rotate-due-function");
ruleSuite(lambdas.functionBounded, due, {
  unset: [
    { timeout: undefined, memorySize: undefined },
    ["timeout is not between 60 and 900", "memorySize is not between 128 and 3008"],
  ],
  "a hundred at once": [{ reservedConcurrentExecutions: 100 }, ["reservedConcurrentExecutions is over 10"]],
});
ruleSuite(lambdas.functionCodeOurs, due, {
  "code in a bucket": [
    { code: undefined, s3Bucket: "elsewhere" },
    ["code is no folder of this program's bundles", "s3Bucket brings code from elsewhere"],
  ],
  "an image": [{ imageUri: "example.com/x" }, ["imageUri brings code from elsewhere"]],
  "a layer": [
    { layers: ["arn:aws:lambda:eu-west-1:111111111111:layer:x:1"] },
    ["layers brings code from elsewhere"],
  ],
  "a folder of something else": [{ "code.path": "." }, ["code is no folder of this program's bundles"]],
  "no entry": [{ handler: undefined }, ["handler is not index.handler, which every bundle has"]],
  "another entry": [{ handler: "index.debug" }, ["handler is not index.handler, which every bundle has"]],
});
test("aws-lambda-log-declared: refuses a function whose log Lambda would make", () => {
  assert.deepEqual(findings(lambdas.functionsLogged, everything()), []);
  assert.deepEqual(findings(lambdas.functionsLogged, everythingBut(aws.logGroup, undefined, "rotate-due")), [
    "its log is not declared",
  ]);
});
test("aws-lambda-called: refuses a function that nobody calls", () => {
  assert.deepEqual(findings(lambdas.functionsCalled, everything()), []);
  assert.deepEqual(findings(lambdas.functionsCalled, everythingBut(aws.schedule)), ["nobody calls it"]);
  assert.deepEqual(findings(lambdas.functionsCalled, everythingBut(aws.functionPermission)), [
    "nobody calls it",
  ]);
});

const postgres = shipped(aws.function, "titan-ledger-function");
type Settings = Record<string, unknown>;
/** A change of what a function is told; `undefined` takes a field away. */
function toldElse({ props }: Example, variable: string, more: Settings) {
  const { variables } = props.environment as { variables: Record<string, string> };
  const before = JSON.parse(variables[variable] ?? "{}") as Settings;
  return { [`environment.variables.${variable}`]: JSON.stringify({ ...before, ...more }) };
}
const vault = (more: Settings) => toldElse(postgres, "KEYPLANE_VAULT", more);
const database = (more: Settings) => toldElse(postgres, "KEYPLANE_DATABASE", more);
ruleSuite(functionSettings, postgres, {
  "plain HTTP": [
    vault({ address: "http://vault.acme.example" }),
    ["KEYPLANE_VAULT has no https address", "KEYPLANE_VAULT signs for another server than it calls"],
  ],
  "a login for another server": [
    vault({ serverId: "elsewhere.example" }),
    ["KEYPLANE_VAULT signs for another server than it calls"],
  ],
  "no role": [vault({ role: undefined }), ["KEYPLANE_VAULT has no role in particular"]],
  "a database without TLS": [database({ tls: "disable" }), ["KEYPLANE_DATABASE has no tls that verifies"]],
  "a port that is none": [database({ port: 0 }), ["KEYPLANE_DATABASE has no port"]],
  "more than there is room for": [
    { "environment.variables.KEYPLANE_ENVIRONMENT": "x".repeat(3800) },
    ["its variables are over 4,096 bytes together"],
  ],
  "that TLS is not verified": [
    { "environment.variables.NODE_TLS_REJECT_UNAUTHORIZED": "0" },
    ["NODE_TLS_REJECT_UNAUTHORIZED is set, which no code of ours reads"],
  ],
  "a proxy and other code": [
    { "environment.variables.HTTPS_PROXY": "http://x", "environment.variables.NODE_OPTIONS": "--import=x" },
    ["HTTPS_PROXY is set, which no code of ours reads", "NODE_OPTIONS is set, which no code of ours reads"],
  ],
  "another AWS": [
    { "environment.variables.AWS_ENDPOINT_URL": "https://aws.example" },
    ["AWS_ENDPOINT_URL is not AWS' own"],
  ],
  "another CA": [
    { "environment.variables.NODE_EXTRA_CA_CERTS": "/opt/ca.pem" },
    ["NODE_EXTRA_CA_CERTS is not Amazon's own"],
  ],
});
ruleSuite(functionSettings, due, {
  "another environment": [
    { "environment.variables.KEYPLANE_ENVIRONMENT": "staging" },
    ["KEYPLANE_ENVIRONMENT is not the environment that it is in"],
  ],
});

ruleSuite(
  scheduleRetries,
  { type: aws.schedule, props: { state: "ENABLED", target: { deadLetterConfig: { arn: "arn:aws:sqs:x" } } } },
  {
    off: [{ state: "DISABLED" }, ["the schedule is off"]],
    unset: [{ "target.deadLetterConfig": undefined }, ["target.deadLetterConfig is not set"]],
    "more often than it can": [
      { "target.retryPolicy": { maximumRetryAttempts: 1000 } },
      ["it tries again as EventBridge cannot"],
    ],
    "never again": [{ "target.retryPolicy": { maximumRetryAttempts: 0 } }, ["it never tries again"]],
  },
);
const hourly = shipped(aws.schedule);
const seldom = ["scheduleExpression is not once an hour or oftener"];
ruleSuite(scheduleOften, hourly, {
  unset: [{ scheduleExpression: undefined }, seldom],
  "once a day": [{ scheduleExpression: "cron(0 3 * * ? *)" }, seldom],
  "once, ever": [{ scheduleExpression: "at(2026-11-20T13:00:00)" }, seldom],
  "every two hours": [{ scheduleExpression: "rate(2 hours)" }, seldom],
  "by a local clock": [
    { scheduleExpressionTimezone: "Europe/Berlin" },
    ["scheduleExpressionTimezone is not UTC"],
  ],
  "a window of a day": [
    { "flexibleTimeWindow.maximumWindowInMinutes": 1440 },
    ["flexibleTimeWindow is neither OFF nor of 1 to 15 minutes"],
  ],
});
for (const expression of ["rate(1 hour)", "rate(15 minutes)", "cron(* * * * ? *)", "cron(0/15 * * * ? *)"]) {
  test(`aws-schedule-often: takes ${expression}`, () => {
    const { type, props } = hourly;
    assert.deepEqual(
      findings(scheduleOften, [{ type, props: { ...props, scheduleExpression: expression } }]),
      [],
    );
  });
}
