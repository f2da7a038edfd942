import assert from "node:assert/strict";
import { test } from "node:test";
import * as buckets from "../../../policies/aws/buckets.ts";
import { aws } from "../../../policies/aws/types.ts";
import { changed, findings, ruleSuite, shipped } from "../examples.ts";

const bucketPolicy = (...Statement: unknown[]) => ({ policy: JSON.stringify({ Statement }) });
const noHttp = {
  Effect: "Deny",
  Action: "s3:*",
  Principal: "*",
  Resource: ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};
ruleSuite(
  buckets.bucketTls,
  { type: aws.bucketPolicy, props: { bucket: "logs", ...bucketPolicy(noHttp) } },
  {
    unset: [
      bucketPolicy({ Effect: "Deny", Action: "s3:DeleteObject", Principal: "*" }),
      ["plain HTTP is not refused"],
    ],
    "the files alone": [
      bucketPolicy({ ...noHttp, Resource: "arn:aws:s3:::logs/*" }),
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
const four = {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};
const bucket = { type: aws.bucket, props: { bucket: "logs" } };
const block = { type: aws.publicAccess, props: { bucket: "logs", ...four } };
test("aws-bucket-private: refuses a bucket without its block, and a block with a way open", () => {
  assert.deepEqual(findings(buckets.bucketPrivate, [bucket, block]), []);
  assert.deepEqual(findings(buckets.bucketPrivate, [bucket]), ["nothing refuses public access to it"]);
  assert.deepEqual(
    findings(buckets.bucketPrivate, [bucket, changed(block, { restrictPublicBuckets: false })]),
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
  assert.deepEqual(findings(buckets.bucketVersioned, [bucket, versioning, encryption]), []);
  assert.deepEqual(findings(buckets.bucketVersioned, [bucket]), [
    "nothing keeps its versions",
    "nothing encrypts it by a key of ours",
  ]);
  assert.deepEqual(
    findings(buckets.bucketVersioned, [
      changed(versioning, { "versioningConfiguration.status": "Suspended" }),
      changed(encryption, { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] }),
    ]),
    ["versioning is not enabled", "the bucket is not encrypted by a key of ours"],
  );
});
ruleSuite(buckets.bucketLocked, shipped(aws.bucketLock), {
  "an administrator unlocks": [
    { "rule.defaultRetention": { mode: "GOVERNANCE", days: 365 } },
    ["an administrator may unlock them: mode is not COMPLIANCE"],
  ],
  "for no time": [{ "rule.defaultRetention": { mode: "COMPLIANCE" } }, ["they are locked for under 90 days"]],
  "for a day": [{ "rule.defaultRetention.days": 1 }, ["they are locked for under 90 days"]],
  "for longer than S3 takes": [
    { "rule.defaultRetention.days": 36_501 },
    ["they are locked for longer than S3 takes"],
  ],
});
test("aws-bucket-kept: refuses a bucket that goes with its files, and a lock that does not hold", () => {
  const [bucket, lock] = [shipped(aws.bucket), shipped(aws.bucketLock)];
  const of = (...examples: (typeof bucket)[]) => findings(buckets.bucketKept, examples);
  assert.deepEqual(of(bucket, lock), []);
  assert.deepEqual(of(changed(bucket, { forceDestroy: true }), lock), ["deleting it deletes what is in it"]);
  assert.deepEqual(of(changed(bucket, { objectLockEnabled: false }), lock), [
    "its lock cannot be set: objectLockEnabled is off",
  ]);
  assert.deepEqual(of(bucket), ["its files could be locked, and nothing says for how long"]);
});
