import assert from "node:assert/strict";
import { test } from "node:test";
import { secretNoVersion } from "../../../policies/aws/keys.ts";
import * as logging from "../../../policies/aws/logging.ts";
import { aws } from "../../../policies/aws/types.ts";
import { changed, type Example, findings, ruleSuite } from "../suite.ts";

const trail: Example = {
  type: aws.trail,
  props: {
    s3BucketName: "logs",
    isMultiRegionTrail: true,
    enableLogFileValidation: true,
    kmsKeyId: "arn:aws:kms:x",
    cloudWatchLogsGroupArn: "arn:aws:logs:x",
    cloudWatchLogsRoleArn: "arn:aws:iam::1:role/x",
    eventSelectors: [
      { readWriteType: "All", dataResources: [{ type: "AWS::S3::Object", values: ["arn:aws:s3:::logs/"] }] },
    ],
  },
};
ruleSuite(logging.trailEverywhere, trail, {
  unset: [{ isMultiRegionTrail: undefined }, ["isMultiRegionTrail is not true"]],
  off: [{ enableLogging: false }, ["enableLogging is off"]],
  "no global services": [{ includeGlobalServiceEvents: false }, ["includeGlobalServiceEvents is off"]],
});
ruleSuite(logging.trailValidated, trail, {
  unset: [{ enableLogFileValidation: undefined }, ["enableLogFileValidation is not true"]],
});
ruleSuite(logging.trailEncrypted, trail, {
  unset: [
    { kmsKeyId: undefined, cloudWatchLogsGroupArn: undefined },
    ["kmsKeyId is not set", "cloudWatchLogsGroupArn is not set"],
  ],
});
ruleSuite(logging.trailSeesReads, trail, {
  unset: [{ eventSelectors: undefined }, ["what happens to objects of buckets is left out"]],
  "writes alone": [
    { eventSelectors: [{ readWriteType: "WriteOnly", dataResources: [{ type: "AWS::S3::Object" }] }] },
    ["reads or writes are left out"],
  ],
  "not KMS": [
    {
      eventSelectors: [
        {
          excludeManagementEventSources: ["kms.amazonaws.com"],
          dataResources: [{ type: "AWS::S3::Object" }],
        },
      ],
    },
    ["events of kms.amazonaws.com are left out"],
  ],
});
ruleSuite(
  logging.logsKept,
  { type: aws.logGroup, props: { retentionInDays: 365, kmsKeyId: "arn:aws:kms:x" } },
  {
    unset: [
      { retentionInDays: undefined, kmsKeyId: undefined },
      ["retentionInDays is not said", "kmsKeyId is not set"],
    ],
    "a month": [{ retentionInDays: 30 }, ["logs go after 30 days"]],
  },
);
ruleSuite(
  logging.messagesEncrypted,
  { type: aws.topic, props: { kmsMasterKeyId: "alias/x" } },
  {
    unset: [{ kmsMasterKeyId: undefined }, ["kmsMasterKeyId is not set"]],
  },
);
const bucketPolicy = (...Statement: unknown[]) => ({ policy: JSON.stringify({ Statement }) });
const noHttp = {
  Effect: "Deny",
  Action: "s3:*",
  Principal: "*",
  Resource: "*",
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};
ruleSuite(
  logging.bucketTls,
  { type: aws.bucketPolicy, props: { bucket: "logs", ...bucketPolicy(noHttp) } },
  {
    unset: [
      bucketPolicy({ Effect: "Deny", Action: "s3:DeleteObject", Principal: "*" }),
      ["plain HTTP is not refused"],
    ],
    "the wrong way round": [
      bucketPolicy({ ...noHttp, Condition: { Bool: { "aws:SecureTransport": "true" } } }),
      ["plain HTTP is not refused"],
    ],
    everyone: [
      bucketPolicy(noHttp, { Effect: "Allow", Action: "s3:GetObject", Principal: "*" }),
      ["everyone is let in"],
    ],
  },
);
const topicPolicy = (more: object) => ({
  policy: JSON.stringify({
    Statement: {
      Effect: "Allow",
      Action: "sns:Publish",
      Principal: { Service: "cloudwatch.amazonaws.com" },
      ...more,
    },
  }),
});
ruleSuite(
  logging.topicNarrow,
  {
    type: aws.topicPolicy,
    props: topicPolicy({ Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } } }),
  },
  {
    "any account": [topicPolicy({}), ["a service may publish for any account"]],
    everyone: [topicPolicy({ Principal: "*" }), ["everyone may publish"]],
  },
);

const four = {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};
const bucket = { type: aws.bucket, props: { bucket: "logs" } };
const block = { type: aws.publicAccess, props: { bucket: "logs", ...four } };
test("aws-bucket-private: refuses a bucket without its block, and a block with a way open", () => {
  assert.deepEqual(findings(logging.bucketPrivate, [bucket, block]), []);
  assert.deepEqual(findings(logging.bucketPrivate, [bucket]), ["nothing refuses public access to it"]);
  assert.deepEqual(
    findings(logging.bucketPrivate, [bucket, changed(block, { restrictPublicBuckets: false })]),
    ["restrictPublicBuckets is not true"],
  );
});
const versioning = {
  type: aws.bucketVersioning,
  props: { bucket: "logs", versioningConfiguration: { status: "Enabled" } },
};
const encryption = {
  type: aws.bucketEncryption,
  props: {
    bucket: "logs",
    rules: [
      { applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: "arn:aws:kms:x" } },
    ],
  },
};
test("aws-bucket-versioned: refuses a bucket that keeps no versions or is encrypted by AWS' own key", () => {
  assert.deepEqual(findings(logging.bucketVersioned, [bucket, versioning, encryption]), []);
  assert.deepEqual(findings(logging.bucketVersioned, [bucket]), [
    "nothing keeps its versions",
    "nothing encrypts it by a key of ours",
  ]);
  assert.deepEqual(
    findings(logging.bucketVersioned, [
      changed(versioning, { "versioningConfiguration.status": "Suspended" }),
      changed(encryption, { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] }),
    ]),
    ["versioning is not enabled", "the bucket is not encrypted by a key of ours"],
  );
});
test("aws-trail-bucket-declared: refuses a trail into a bucket of somebody else", () => {
  const policy = { type: aws.bucketPolicy, props: { bucket: "logs" } };
  assert.deepEqual(findings(logging.trailBucketDeclared, [trail, bucket, policy]), []);
  assert.deepEqual(findings(logging.trailBucketDeclared, [trail]), ["its bucket is not declared here"]);
  assert.deepEqual(findings(logging.trailBucketDeclared, [trail, bucket]), ["its bucket has no policy"]);
});

const patterns = [
  '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
  '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }',
  '{ $.userIdentity.type = "Root" }',
  "{ $.eventName = PutRolePolicy }",
  "{ $.eventName = StopLogging }",
  "{ $.eventName = ScheduleKeyDeletion }",
  "{ $.eventName = PutBucketPolicy }",
];
const alarms: Example[] = patterns.flatMap((pattern, index) => [
  {
    type: aws.metricFilter,
    props: { pattern, metricTransformation: { namespace: "CIS", name: `m${index}` } },
  },
  { type: aws.alarm, props: { namespace: "CIS", metricName: `m${index}`, alarmActions: ["arn:aws:sns:x"] } },
]);
test("aws-alarms: refuses an account where nobody hears of what CIS names", () => {
  assert.deepEqual(findings(logging.alarmsOfCis, [trail, ...alarms]), []);
  assert.equal(findings(logging.alarmsOfCis, [trail]).length, 7);
  const deaf = alarms.map((each) =>
    each.props.metricName === "m2" ? changed(each, { alarmActions: [] }) : each,
  );
  assert.deepEqual(findings(logging.alarmsOfCis, [trail, ...deaf]), [
    "nobody hears of uses of the root user",
  ]);
});
test("aws-secret-no-value: refuses a version of a secret, whatever is in it", () => {
  assert.deepEqual(findings(secretNoVersion, [{ type: aws.secretVersion, props: {} }]), [
    "a version of a secret is a live value in the state",
  ]);
});
