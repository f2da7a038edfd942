import assert from "node:assert/strict";
import { test } from "node:test";
import * as rules from "../../../policies/aws/secrets.ts";
import { aws } from "../../../policies/aws/types.ts";
import { changed, everything, everythingBut, findings, ruleSuite } from "../examples.ts";
import { policy } from "./document.ts";

const root = { AWS: "arn:aws:iam::111111111111:root" };

ruleSuite(
  rules.secretEncrypted,
  { type: aws.secret, props: { kmsKeyId: "arn:aws:kms:eu-west-1:1:key/x", recoveryWindowInDays: 30 } },
  {
    unset: [{ kmsKeyId: undefined }, ["kmsKeyId is not a key of ours"]],
    "AWS' own key": [{ kmsKeyId: "alias/aws/secretsmanager" }, ["kmsKeyId is not a key of ours"]],
    "gone at once": [{ recoveryWindowInDays: 0 }, ["recoveryWindowInDays is under 7"]],
    "longer than AWS takes": [
      { recoveryWindowInDays: 31 },
      ["recoveryWindowInDays is over 30, which AWS does not take"],
    ],
  },
);
ruleSuite(
  rules.secretPolicyNarrow,
  {
    type: aws.secretPolicy,
    props: {
      blockPublicPolicy: true,
      ...policy({ Effect: "Allow", Principal: root, Action: "secretsmanager:GetSecretValue" }),
    },
  },
  {
    unset: [{ blockPublicPolicy: undefined }, ["blockPublicPolicy is not true"]],
    everyone: [policy({ Effect: "Allow", Principal: { AWS: "*" } }), ["everyone may read it"]],
    "a reader who writes": [
      policy({ Effect: "Allow", Principal: root, Action: ["secretsmanager:PutSecretValue"] }),
      ["who reads it may also secretsmanager:putsecretvalue"],
    ],
  },
);
ruleSuite(
  rules.secretRotates,
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
    "a window of two days": [{ "rotationRules.duration": "48h" }, ["duration is not between 1h and 24h"]],
    "by nobody": [{ rotationLambdaArn: undefined }, ["rotationLambdaArn is not set"]],
  },
);

test("aws-secret-no-value: refuses a version of a secret, whatever is in it", () => {
  assert.deepEqual(findings(rules.secretNoVersion, [{ type: aws.secretVersion, props: {} }]), [
    "a version of a secret is a live value in the state",
  ]);
});

test("aws-secret-rotation-declared: refuses a secret that nothing rotates, serves or may be asked to", () => {
  const of = (examples: ReturnType<typeof everything>) => findings(rules.secretsRotate, examples);
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(of(everythingBut(aws.secretRotation)), ["nothing rotates it"]);
  assert.deepEqual(of(everythingBut(aws.functionPermission)), ["Secrets Manager may not call its function"]);
  assert.deepEqual(of(everythingBut(aws.function, { environment: undefined }, "titan-ledger-function")), [
    "no function's settings name its database",
  ]);
  const retired = { description: "The Postgres user x, retired since 2026-11-01." };
  const all = everythingBut(aws.secretRotation).map((each) =>
    each.type === aws.secret ? changed(each, retired) : each,
  );
  assert.deepEqual(of(all), []);
});
