import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, policyDocument } from "../../../policies/aws/document.ts";
import * as documents from "../../../policies/aws/documents.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, ruleSuite, shipped } from "../examples.ts";
import { allow, policy, reworded } from "./document.ts";

const secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:titan-AbCdEf";

const reader: Example = {
  type: aws.policy,
  props: policy(allow({ Action: ["secretsmanager:GetSecretValue"], Resource: [secret] })),
};

ruleSuite(documents.documentReadable, reader, {
  unset: [{ policy: undefined }, ["the policy document has no statement"]],
  "no JSON": [{ policy: "{" }, ["the policy document is no JSON"]],
  "a statement without effect": [policy({ Action: "*" }), ["a statement neither allows nor denies"]],
  "an action that is no text": [policy(allow({ Action: [{}] })), ["a statement has what is no text"]],
  "the version that knows no variables": [
    {
      policy: JSON.stringify({
        Version: "2008-10-17",
        Statement: allow({ Action: "s3:GetObject", Resource: "x" }),
      }),
    },
    ["its version is not 2012-10-17"],
  ],
  "nothing that is allowed": [
    policy(allow({ Action: [], Resource: "x" })),
    ["a statement does not say what"],
  ],
  "nothing on which": [policy(allow({ Action: "s3:GetObject" })), ["a statement does not say on what"]],
  "an empty condition": [
    policy(allow({ Action: "s3:GetObject", Resource: "x", Condition: {} })),
    ["a statement has a condition that compares nothing"],
  ],
  "a condition without keys": [
    policy(allow({ Action: "s3:GetObject", Resource: "x", Condition: { StringEquals: {} } })),
    ["a statement compares nothing by stringequals"],
  ],
  "a key without values": [
    policy(
      allow({ Action: "s3:GetObject", Resource: "x", Condition: { StringEquals: { "s3:prefix": [] } } }),
    ),
    ["a statement compares s3:prefix with nothing"],
  ],
});

const data = shipped(aws.key, "data");
ruleSuite(documents.documentReadable, data, {
  "nobody who may": [
    reworded(data, "ReadersDecrypt", { Principal: {} }),
    ['"ReadersDecrypt" does not say for whom'],
  ],
});

ruleSuite(documents.actionsNamed, data, {
  "a pattern for a role": [
    reworded(data, "ReadersDecrypt", { Action: ["kms:De*"] }),
    ['"ReadersDecrypt" allows kms:de*'],
  ],
  "a family for a role": [
    reworded(data, "ReadersDecrypt", { Action: ["kms:GenerateDataKey*"] }),
    ['"ReadersDecrypt" allows kms:generatedatakey*'],
  ],
  "every right of a key for a role": [
    reworded(data, "ReadersDecrypt", { Action: "kms:*" }),
    ['"ReadersDecrypt" allows kms:*'],
  ],
  "all but some": [
    reworded(data, "ReadersDecrypt", { Action: undefined, NotAction: ["kms:PutKeyPolicy"] }),
    ['"ReadersDecrypt" allows all but what it names'],
  ],
});
const administrator = shipped(aws.role, "administrator");
ruleSuite(documents.actionsNamed, administrator, {
  "more than taking the role": [
    reworded(administrator, "PeopleWithSecondFactor", { Action: "iam:PassRole" }),
    ['"PeopleWithSecondFactor" allows iam:passrole, which is no way to take a role'],
  ],
});

ruleSuite(documents.principalsExact, data, {
  "a pattern of roles": [
    reworded(data, "ReadersDecrypt", { Principal: { AWS: "arn:aws:iam::222222222222:role/titan-*" } }),
    ['"ReadersDecrypt" names AWS arn:aws:iam::222222222222:role/titan-*'],
  ],
  "what is no service": [
    reworded(data, "AlarmsAreSent", { Principal: { Service: "cloudwatch.example.com" } }),
    ['"AlarmsAreSent" names Service cloudwatch.example.com'],
  ],
});

ruleSuite(documents.conditionsExact, data, {
  "a pattern that is compared letter by letter": [
    reworded(data, "ReadersDecrypt", {
      Condition: { StringEquals: { "kms:ViaService": "*.amazonaws.com" } },
    }),
    ['"ReadersDecrypt" compares kms:viaservice with *.amazonaws.com letter by letter'],
  ],
  "a pattern in the middle": [
    reworded(data, "ReadersDecrypt", { Condition: { StringLike: { "kms:ViaService": "s*r" } } }),
    [`"ReadersDecrypt" compares kms:viaservice with s*r, which is no name's beginning`],
  ],
  "an ARN of any account": [
    reworded(data, "ReadersDecrypt", { Condition: { ArnLike: { "aws:SourceArn": "arn:aws:sns:*" } } }),
    [`"ReadersDecrypt" compares aws:sourcearn with arn:aws:sns:*, which is no name's beginning`],
  ],
  "only where it is said": [
    reworded(data, "ReadersDecrypt", {
      Condition: { StringEqualsIfExists: { "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com" } },
    }),
    ['"ReadersDecrypt" holds where the request does not say'],
  ],
  "beside the same where it is said": [
    reworded(data, "ReadersDecrypt", {
      Condition: {
        StringLike: { "kms:ViaService": "s*r" },
        StringLikeIfExists: { "kms:CallerAccount": "222222222222" },
      },
    }),
    [
      '"ReadersDecrypt" holds where the request does not say',
      `"ReadersDecrypt" compares kms:viaservice with s*r, which is no name's beginning`,
    ],
  ],
  "any of none": [
    reworded(data, "ReadersDecrypt", { Condition: { "ForAllValues:StringEquals": { "aws:TagKeys": "a" } } }),
    ['"ReadersDecrypt" holds where the request does not say'],
  ],
  "an account that is none": [
    reworded(data, "AlarmsAreSent", { Condition: { StringEquals: { "aws:SourceAccount": "acme" } } }),
    ['"AlarmsAreSent" compares aws:sourceaccount with what is no account'],
  ],
});

ruleSuite(documents.servicesBound, data, {
  "alarms of any account": [
    reworded(data, "AlarmsAreSent", { Condition: undefined }),
    ['"AlarmsAreSent" lets cloudwatch.amazonaws.com act without comparing aws:SourceAccount'],
  ],
});
const audit = shipped(aws.key, "audit");
ruleSuite(documents.servicesBound, audit, {
  "any trail of the account": [
    reworded(audit, "TrailEncrypts", {
      Condition: { StringEquals: { "aws:SourceAccount": "222222222222" } },
    }),
    ['"TrailEncrypts" lets cloudtrail.amazonaws.com act without comparing aws:SourceArn'],
  ],
  "any log": [
    reworded(audit, "LogsEncrypt", { Condition: undefined }),
    [
      '"LogsEncrypt" lets logs.eu-west-1.amazonaws.com act without comparing kms:EncryptionContext:aws:logs:arn',
    ],
  ],
});
const vaultRole = shipped(aws.role, "keyplane-production-vault");
ruleSuite(documents.servicesBound, vaultRole, {
  "any pod": [
    reworded(vaultRole, "VaultsPods", {
      Condition: { StringEquals: { "aws:SourceAccount": "222222222222" } },
    }),
    ["kubernetes-namespace", "kubernetes-service-account"].map(
      (tag) => `"VaultsPods" lets pods.eks.amazonaws.com act without comparing aws:RequestTag/${tag}`,
    ),
  ],
  "a service that is not known here": [
    reworded(vaultRole, "VaultsPods", { Principal: { Service: "ec2.amazonaws.com" }, Condition: undefined }),
    ['"VaultsPods" lets ec2.amazonaws.com act without comparing aws:SourceAccount or aws:SourceArn'],
  ],
});

const scheduler = shipped(aws.role, "keyplane-production-scheduler");
const forSource = (source: string) =>
  reworded(scheduler, "Service", {
    Condition: {
      StringEquals: { "aws:SourceAccount": "222222222222" },
      ArnLike: { "aws:SourceArn": source },
    },
  });
ruleSuite(documents.servicesBound, scheduler, {
  ...Object.fromEntries(
    ["schedule/default/keyplane-production-*", "schedule-group/*"].map((what) => {
      const source = `arn:aws:scheduler:eu-west-1:222222222222:${what}`;
      return [
        what,
        [forSource(source), [`"Service" compares aws:SourceArn with ${source}, which is no schedule group`]],
      ] as const;
    }),
  ),
});

ruleSuite(documents.resourceIsOwn, data, {
  "one of many": [
    reworded(data, "ReadersDecrypt", { Resource: "arn:aws:kms:eu-west-1:222222222222:key/x" }),
    ['"ReadersDecrypt" is about arn:aws:kms:eu-west-1:222222222222:key/x'],
  ],
  "all but one": [
    reworded(data, "ReadersDecrypt", { Resource: undefined, NotResource: "*" }),
    ['"ReadersDecrypt" is about all but what it names'],
  ],
});
const bucket = shipped(aws.bucketPolicy);
ruleSuite(documents.resourceIsOwn, bucket, {
  "another bucket": [
    reworded(bucket, "TrailLooks", { Resource: "arn:aws:s3:::other" }),
    ['"TrailLooks" is about arn:aws:s3:::other'],
  ],
  "buckets whose names begin so": [
    reworded(bucket, "TrailLooks", { Resource: `arn:aws:s3:::${String(bucket.props.bucket)}*` }),
    [`"TrailLooks" is about arn:aws:s3:::${String(bucket.props.bucket)}*`],
  ],
});
const topic = shipped(aws.topicPolicy);
ruleSuite(documents.resourceIsOwn, topic, {
  "every topic": [reworded(topic, "AlarmsPublish", { Resource: "*" }), ['"AlarmsPublish" is about *']],
});

test("patterns of AWS are those of AWS: * and ?, everything else as it is", () => {
  assert.equal(matches("s3:Get*", "s3:GetObject"), true);
  assert.equal(matches("s3:Get?", "s3:GetObject"), false);
  assert.equal(matches("s3.Get*", "s3:GetObject"), false);
  assert.equal(matches("*", "anything\nat all"), true);
});

test("a document is read from data as well, with one statement or several", () => {
  const { statements } = policyDocument({ Statement: allow({ Action: "s3:GetObject", Resource: "x" }) });
  const [statement] = statements;
  assert.deepEqual([statement?.actions, statement?.resources], [["s3:getobject"], ["x"]]);
});
ruleSuite(documents.documentReadable, shipped(aws.queue), {
  "a queue's policy that is none": [{ policy: "{" }, ["the policy document is no JSON"]],
});
ruleSuite(documents.actionsNamed, shipped(aws.queue), {
  "everything of a queue": [
    policy(allow({ Sid: "X", Principal: { AWS: "111111111111" }, Action: "sqs:*", Resource: "*" })),
    ['"X" allows sqs:*'],
  ],
});
