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

/** What is wrong of a topic's policy with one statement for somebody. */
const published = (more: Record<string, unknown>) =>
  findings(oneAccount, [
    reader,
    {
      type: aws.topicPolicy,
      props: policy(
        allow({
          Sid: "Publish",
          Action: "sns:Publish",
          Resource: "arn:aws:sns:eu-west-1:111111111111:x",
          ...more,
        }),
      ),
    },
  ]);

test("aws-one-account: refuses a service that acts on behalf of whichever account, or of one of them, or leaves open which", () => {
  const Principal = { Service: "cloudwatch.amazonaws.com" };
  const refused = ['"Publish" lets cloudwatch.amazonaws.com act for another account'];
  const arn = (account: string) => ({
    ArnLike: { "aws:SourceArn": `arn:aws:cloudwatch:eu-west-1:${account}:alarm:*` },
  });
  for (const Condition of [
    undefined,
    { StringEquals: { "aws:SourceAccount": ["111111111111", "999999999999"] } },
    { StringEqualsIfExists: { "aws:SourceAccount": "111111111111" } },
    { StringNotEquals: { "aws:SourceAccount": "111111111111" } },
    arn("*"),
    { StringLike: { "aws:SourceArn": "arn:aws:cloudwatch:*:alarm:*" } },
    { ArnLike: { "aws:SourceArn": "arn:aws:s3:::a-bucket" } },
    { ArnLike: { "aws:SourceArn": "arn:aws:*" } },
  ])
    assert.deepEqual(published({ Principal, Condition }), refused, JSON.stringify(Condition));
  for (const Condition of [{ StringEquals: { "aws:SourceAccount": "222222222222" } }, arn("222222222222")])
    assert.deepEqual(
      published({ Principal, Condition }),
      ['"Publish" lets cloudwatch.amazonaws.com act for account 222222222222'],
      JSON.stringify(Condition),
    );
  for (const Condition of [{ StringEquals: { "aws:SourceAccount": "111111111111" } }, arn("111111111111")])
    assert.deepEqual(published({ Principal, Condition }), [], JSON.stringify(Condition));
});

test("aws-one-account: everybody is everybody, unless a condition that nobody else can meet says who", () => {
  const refused = ['"Publish" lets every account in', '"Publish" lets services act for another account'];
  assert.deepEqual(published({ Principal: "*" }), refused);
  assert.deepEqual(published({ NotPrincipal: { AWS: "arn:aws:iam::111111111111:root" } }), refused);
  assert.deepEqual(
    published({ Principal: "*", Condition: { StringEquals: { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } } }),
    refused,
  );
  assert.deepEqual(
    published({ Principal: "*", Condition: { StringEquals: { "aws:PrincipalAccount": "111111111111" } } }),
    [],
  );
});

test("aws-one-account: refuses an account that a condition alone names, by whichever key", () => {
  for (const Condition of [
    { StringEquals: { "aws:PrincipalAccount": "222222222222" } },
    { ArnEquals: { "aws:PrincipalArn": "arn:aws:iam::222222222222:role/reader" } },
  ])
    assert.deepEqual(published({ Principal: "*", Condition }), ['"Publish" lets account 222222222222 in']);
});

test("aws-one-account: an action's pattern may reach over the service", () => {
  assert.deepEqual(published({ Principal: { AWS: "222222222222" }, Action: "*:*" }), [
    '"Publish" lets account 222222222222 in',
  ]);
});

test("aws-one-account: refuses a permission of a function, and a queue's own policy, that is not for this account alone", () => {
  const call = {
    action: "lambda:InvokeFunction",
    principal: "secretsmanager.amazonaws.com",
    statementId: "call",
  };
  const of = (type: string, props: Example["props"]) => findings(oneAccount, [reader, { type, props }]);
  assert.deepEqual(of(aws.functionPermission, { ...call, sourceAccount: "111111111111" }), []);
  assert.deepEqual(of(aws.functionPermission, call), [
    '"call" lets secretsmanager.amazonaws.com act for another account',
  ]);
  assert.deepEqual(of(aws.functionPermission, { ...call, sourceAccount: "222222222222" }), [
    '"call" lets secretsmanager.amazonaws.com act for account 222222222222',
  ]);
  assert.deepEqual(of(aws.queue, {}), []);
  const send = { Sid: "Send", Action: "sqs:SendMessage", Resource: "*" };
  assert.deepEqual(of(aws.queue, policy(allow({ ...send, Principal: { AWS: "999999999999" } }))), [
    '"Send" lets account 999999999999 in',
  ]);
});
