import * as keys from "../../../policies/aws/keys.ts";
import * as lambdas from "../../../policies/aws/lambdas.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, ruleSuite } from "../suite.ts";

const root = { AWS: "arn:aws:iam::111111111111:root" };
const own = { Effect: "Allow", Action: "kms:*", Principal: root, Resource: "*" };
const policy = (...Statement: unknown[]) => ({ policy: JSON.stringify({ Statement }) });
const key: Example = {
  type: aws.key,
  props: { enableKeyRotation: true, rotationPeriodInDays: 90, deletionWindowInDays: 30, ...policy(own) },
};

ruleSuite(keys.keyRotates, key, {
  unset: [
    { enableKeyRotation: undefined, rotationPeriodInDays: undefined },
    ["enableKeyRotation is not true", "rotationPeriodInDays is not 90"],
  ],
  yearly: [{ rotationPeriodInDays: 365 }, ["rotationPeriodInDays is not 90"]],
});
ruleSuite(keys.keyNotPublic, key, {
  everyone: [policy(own, { ...own, Action: "kms:Decrypt", Principal: "*" }), ["everyone may use the key"]],
  "a role with every right": [
    policy(own, { ...own, Principal: { AWS: "arn:aws:iam::111111111111:role/app" } }),
    ["who is no account may use the key and decide who uses it"],
  ],
});
ruleSuite(keys.keyNotLockedOut, key, {
  "nobody but a role": [
    policy({ ...own, Principal: { AWS: "arn:aws:iam::111111111111:role/app" } }),
    ["nobody in the account could change the key's policy again"],
  ],
  "the account on a condition": [
    policy({ ...own, Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } }),
    ["nobody in the account could change the key's policy again"],
  ],
  "no check": [{ bypassPolicyLockoutSafetyCheck: true }, ["the check against a lockout is off"]],
});
ruleSuite(keys.keyDeletionSlow, key, {
  "a week": [{ deletionWindowInDays: 7 }, ["deletionWindowInDays is not 30"]],
  disabled: [{ isEnabled: false }, ["the key is disabled"]],
});
ruleSuite(
  keys.secretEncrypted,
  { type: aws.secret, props: { kmsKeyId: "arn:aws:kms:eu-west-1:1:key/x", recoveryWindowInDays: 30 } },
  {
    unset: [{ kmsKeyId: undefined }, ["kmsKeyId is not a key of ours"]],
    "AWS' own key": [{ kmsKeyId: "alias/aws/secretsmanager" }, ["kmsKeyId is not a key of ours"]],
    "gone at once": [{ recoveryWindowInDays: 0 }, ["recoveryWindowInDays is under 7"]],
  },
);
ruleSuite(
  keys.secretPolicyNarrow,
  {
    type: aws.secretPolicy,
    props: { blockPublicPolicy: true, ...policy({ Effect: "Allow", Principal: root }) },
  },
  {
    unset: [{ blockPublicPolicy: undefined }, ["blockPublicPolicy is not true"]],
    everyone: [policy({ Effect: "Allow", Principal: { AWS: "*" } }), ["everyone may read it"]],
  },
);
ruleSuite(
  keys.secretRotates,
  {
    type: aws.secretRotation,
    props: { rotationLambdaArn: "arn:aws:lambda:x", rotationRules: { automaticallyAfterDays: 30 } },
  },
  {
    unset: [{ rotationRules: undefined }, ["automaticallyAfterDays is not between 1 and 90"]],
    "half a year": [
      { "rotationRules.automaticallyAfterDays": 180 },
      ["automaticallyAfterDays is not between 1 and 90"],
    ],
    "by nobody": [{ rotationLambdaArn: undefined }, ["rotationLambdaArn is not set"]],
  },
);

const rotator: Example = {
  type: aws.function,
  props: {
    runtime: "nodejs24.x",
    environment: { variables: { VAULT_ADDR: "https://vault", DB_SECRET_ARN: "arn:aws:x" } },
    kmsKeyArn: "arn:aws:kms:x",
    deadLetterConfig: { targetArn: "arn:aws:sqs:x" },
    reservedConcurrentExecutions: 1,
    vpcConfig: { subnetIds: ["a"], securityGroupIds: ["b"] },
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
  unset: [
    { deadLetterConfig: undefined, reservedConcurrentExecutions: undefined },
    ["deadLetterConfig is not set", "reservedConcurrentExecutions is not set"],
  ],
});
ruleSuite(lambdas.functionInside, rotator, {
  unset: [{ vpcConfig: undefined }, ["vpcConfig names no subnet or security group"]],
  "an old runtime": [{ runtime: "nodejs16.x" }, ["the runtime is nodejs16.x"]],
});
ruleSuite(
  lambdas.functionCallersNamed,
  {
    type: aws.functionPermission,
    props: { principal: "secretsmanager.amazonaws.com", sourceAccount: "111111111111" },
  },
  {
    unset: [{ principal: undefined }, ["everyone may call it"]],
    everyone: [{ principal: "*" }, ["everyone may call it"]],
    "for any account": [{ sourceAccount: undefined }, ["the service calls it for any account"]],
  },
);
ruleSuite(
  lambdas.functionCallersNamed,
  { type: aws.functionUrl, props: { authorizationType: "AWS_IAM" } },
  { "an open address": [{ authorizationType: "NONE" }, ["its address is open to everyone"]] },
);
ruleSuite(
  lambdas.scheduleRetries,
  { type: aws.schedule, props: { state: "ENABLED", target: { deadLetterConfig: { arn: "arn:aws:sqs:x" } } } },
  {
    off: [{ state: "DISABLED" }, ["the schedule is off"]],
    unset: [{ "target.deadLetterConfig": undefined }, ["target.deadLetterConfig is not set"]],
    "never again": [{ "target.retryPolicy": { maximumRetryAttempts: 0 } }, ["it never tries again"]],
  },
);
