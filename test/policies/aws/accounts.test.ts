import assert from "node:assert/strict";
import { test } from "node:test";
import { oneAccount } from "../../../policies/aws/accounts.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, findings } from "../examples.ts";
import { allow, policy } from "./document.ts";

const secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:titan-AbCdEf";

const reader: Example = {
  type: aws.policy,
  props: policy(allow({ Action: ["secretsmanager:GetSecretValue"], Resource: [secret] })),
};

test("aws-one-account: refuses a key or a secret that another account is let in to, by whichever statement", () => {
  const readers = (...accounts: string[]): Example => ({
    type: aws.secretPolicy,
    props: policy(
      ...accounts.map((account) =>
        allow({
          Sid: `Read${account}`,
          Principal: { AWS: `arn:aws:iam::${account}:role/reader` },
          Action: "secretsmanager:GetSecretValue",
          Resource: "*",
        }),
      ),
    ),
  });
  const [own, other] = ["111111111111", "222222222222"];
  assert.deepEqual(findings(oneAccount, [reader, readers(own)]), []);
  assert.deepEqual(findings(oneAccount, [reader, readers(other, own)]), [
    `"Read${other}" lets account ${other} in`,
  ]);
  // Where no right says which account it is, that of the first.
  assert.deepEqual(findings(oneAccount, [readers(own, other)]), [`"Read${other}" lets account ${other} in`]);
});
