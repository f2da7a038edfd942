import { Trail } from "@pulumi/aws/cloudtrail/trail.js";
import type { Key } from "@pulumi/aws/kms/key.js";
import { Bucket } from "@pulumi/aws/s3/bucket.js";
import { BucketObjectLockConfiguration } from "@pulumi/aws/s3/bucketObjectLockConfiguration.js";
import { BucketPolicy } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import { ComponentResource, interpolate, type Resource } from "@pulumi/pulumi";
import type { AwsFunction, AwsTrail } from "../../model/aws.ts";
import { dataHolding } from "../retention.ts";
import { declareLog } from "./logs.ts";
import type { DeclaredRole } from "./roles.ts";

export interface AuditTrailArgs {
  trail: AwsTrail;
  key: Key;
  logRole: DeclaredRole;
  stateBucket: string | undefined;
  functions: AwsFunction[];
  region: string;
  account: string;
}

/**
 * CloudTrail over all regions, with every read and write of keys and secrets, the objects of its own bucket and of the
 * state's, and the calls of the functions; its files in a bucket of their own, its events in a log that alarms look at.
 */
export class AuditTrail extends ComponentResource {
  /** What alarms look at. */
  readonly logGroup: string;

  constructor(name: string, args: AuditTrailArgs) {
    super("keyplane:aws:AuditTrail", name);
    const { trail, key, logRole, stateBucket, functions, region, account } = args;
    const opts = { parent: this };
    const bucket = new Bucket(
      `${name}-bucket`,
      { bucket: trail.bucket, forceDestroy: false, objectLockEnabled: trail.lock !== undefined },
      { ...opts, ...dataHolding() },
    );
    const closed: Resource[] = [
      new BucketPublicAccessBlock(
        `${name}-private`,
        {
          bucket: bucket.bucket,
          blockPublicAcls: true,
          blockPublicPolicy: true,
          ignorePublicAcls: true,
          restrictPublicBuckets: true,
        },
        opts,
      ),
      new BucketVersioning(
        `${name}-versions`,
        { bucket: bucket.bucket, versioningConfiguration: { status: "Enabled" } },
        opts,
      ),
      new BucketServerSideEncryptionConfiguration(
        `${name}-encryption`,
        {
          bucket: bucket.bucket,
          rules: [
            {
              applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key.arn },
              bucketKeyEnabled: true,
            },
          ],
        },
        opts,
      ),
      new BucketPolicy(
        `${name}-bucket`,
        { bucket: bucket.bucket, policy: JSON.stringify(trail.bucketPolicy) },
        opts,
      ),
    ];
    if (trail.lock !== undefined) {
      new BucketObjectLockConfiguration(
        `${name}-lock`,
        {
          bucket: bucket.bucket,
          rule: { defaultRetention: { mode: "COMPLIANCE", days: Math.ceil(trail.lock / 86_400) } },
        },
        { ...opts, dependsOn: closed },
      );
    }
    const log = declareLog(trail.logGroup, trail.retention, key, { ...opts, protect: true });
    this.logGroup = trail.logGroup;
    new Trail(
      `${name}-trail`,
      {
        name: trail.name,
        s3BucketName: bucket.bucket,
        kmsKeyId: key.arn,
        isMultiRegionTrail: true,
        includeGlobalServiceEvents: true,
        enableLogFileValidation: true,
        enableLogging: true,
        cloudWatchLogsGroupArn: interpolate`${log.arn}:*`,
        cloudWatchLogsRoleArn: logRole.role.arn,
        eventSelectors: [
          {
            readWriteType: "All",
            includeManagementEvents: true,
            dataResources: [
              {
                type: "AWS::S3::Object",
                values: [trail.bucket, ...(stateBucket === undefined ? [] : [stateBucket])].map(
                  (name) => `arn:aws:s3:::${name}/`,
                ),
              },
              {
                type: "AWS::Lambda::Function",
                values: functions.map(({ name }) => `arn:aws:lambda:${region}:${account}:function:${name}`),
              },
            ],
          },
        ],
      },
      { ...opts, dependsOn: [...closed, ...logRole.rights], ...dataHolding() },
    );
    this.registerOutputs();
  }
}
