import assert from "node:assert/strict";
import { test } from "node:test";
import * as logging from "../../../policies/aws/logging.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";
import { reworded } from "./document.ts";

const trail: Example = {
  type: aws.trail,
  props: {
    s3BucketName: "logs",
    isMultiRegionTrail: true,
    enableLogFileValidation: true,
    kmsKeyId: "arn:aws:kms:x",
    cloudWatchLogsGroupArn: "arn:aws:logs:eu-west-1:111111111111:log-group:/keyplane/production/trail:*",
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
  "a log that no alarm looks at": [
    { cloudWatchLogsGroupArn: "arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/x:*" },
    ["its events reach another log than /keyplane/production/trail, which alarms look at"],
  ],
});
const objects = {
  fieldSelectors: [
    { field: "eventCategory", equals: ["Data"] },
    { field: "resources.type", equals: ["AWS::S3::Object"] },
  ],
};
ruleSuite(logging.trailSeesReads, trail, {
  unset: [{ eventSelectors: undefined }, ["what happens to objects of buckets is left out"]],
  "writes alone": [
    { eventSelectors: [{ readWriteType: "WriteOnly", dataResources: [{ type: "AWS::S3::Object" }] }] },
    ["reads or writes are left out"],
  ],
  "a selector that is none": [
    { eventSelectors: [...(trail.props.eventSelectors as unknown[]), "*"] },
    ["a selector selects nothing that is known"],
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
  "selectors of another kind, without one of management events": [
    { eventSelectors: undefined, advancedEventSelectors: [objects] },
    ["management events are left out"],
  ],
});
test("aws-trail-sees-reads: takes selectors of the other kind that leave nothing out", () => {
  const management = { fieldSelectors: [{ field: "eventCategory", equals: ["Management"] }] };
  const props = { ...trail.props, eventSelectors: undefined, advancedEventSelectors: [management, objects] };
  assert.deepEqual(findings(logging.trailSeesReads, [{ type: aws.trail, props }]), []);
});
ruleSuite(
  logging.logsKept,
  { type: aws.logGroup, props: { retentionInDays: 365, kmsKeyId: "arn:aws:kms:x", skipDestroy: true } },
  {
    "deleted with its entry": [{ skipDestroy: undefined }, ["skipDestroy is not true"]],
    unset: [
      { retentionInDays: undefined, kmsKeyId: undefined },
      ["retentionInDays is not said", "kmsKeyId is not set"],
    ],
    "a month": [{ retentionInDays: 30 }, ["logs go after 30 days"]],
    "a number that CloudWatch does not take": [
      { retentionInDays: 366 },
      ["CloudWatch keeps no log for 366 days"],
    ],
  },
);

test("aws-trail-bucket-declared: refuses a trail into a bucket of somebody else, or where it may not write", () => {
  const of = (examples: Example[]) => findings(logging.trailBucketDeclared, examples);
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(of(everythingBut(aws.bucket)), ["its bucket is not declared here"]);
  assert.deepEqual(of(everythingBut(aws.bucketPolicy)), ["its bucket has no policy"]);
  const policy = shipped(aws.bucketPolicy);
  for (const change of [
    reworded(policy, "TrailWrites", undefined),
    reworded(policy, "TrailLooks", undefined),
    reworded(policy, "TrailWrites", { Condition: undefined }),
    reworded(policy, "TrailWrites", { Resource: "arn:aws:s3:::keyplane-production-trail-222222222222/x/*" }),
  ]) {
    assert.deepEqual(of(everythingBut(aws.bucketPolicy, change)), ["its bucket does not let it write"]);
  }
});

test("aws-trail-sees-data: refuses a trail that leaves out its own files, or a function", () => {
  const of = (examples: Example[]) => findings(logging.trailSeesData, examples);
  const name = (function_: string) => `keyplane-production-${function_}`;
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(of(everythingBut(aws.trail, { eventSelectors: undefined })), [
    "who reads its files is left out",
    "who reads the state in acme-keyplane-state-production is left out",
    `who calls ${name("rotate-postgres-titan-ledger")} is left out`,
    `who calls ${name("rotate-due")} is left out`,
  ]);
  const objects = (value: string) => ({
    eventSelectors: [{ dataResources: [{ type: "AWS::S3::Object", values: [value] }, ...functions] }],
  });
  const [selector] = shipped(aws.trail).props.eventSelectors as [{ dataResources: { type: string }[] }];
  const functions = selector.dataResources.filter(({ type }) => type === "AWS::Lambda::Function");
  assert.deepEqual(of(everythingBut(aws.trail, objects("arn:aws:s3"))), []);
  assert.deepEqual(of(everythingBut(aws.trail, objects("*"))), [
    "who reads its files is left out",
    "who reads the state in acme-keyplane-state-production is left out",
    "it selects *, which there is not",
  ]);
});
