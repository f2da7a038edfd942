import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketEncryptionCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
  type ServerSideEncryption,
} from "@aws-sdk/client-s3";
import type { Bucket, BucketArgs } from "@pulumi/aws/s3/bucket.js";
import type { BucketPolicy, BucketPolicyArgs } from "@pulumi/aws/s3/bucketPolicy.js";
import type {
  BucketPublicAccessBlock,
  BucketPublicAccessBlockArgs,
} from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import type {
  BucketServerSideEncryptionConfiguration,
  BucketServerSideEncryptionConfigurationArgs,
} from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import type { BucketVersioning, BucketVersioningArgs } from "@pulumi/aws/s3/bucketVersioning.js";
import type { s3 as types } from "@pulumi/aws/types/input.js";
import { block, blocks, flag, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { found, isThere, kind, optional, policy, within } from "./kind.ts";

const bucketName = text({ required: true, replace: true, local: true });

export const bucket = kind<Bucket, BucketArgs>({
  type: "aws:s3/bucket:Bucket",
  fields: {
    bucket: bucketName,
    // Read by whoever deletes it.
    forceDestroy: flag({ local: true }),
    objectLockEnabled: flag({ replace: true, local: true }),
  },
  computed: ["arn"],
  async create({ s3, region }, inputs) {
    const Bucket = said(inputs, "bucket");
    await isThere(() =>
      s3.send(
        new CreateBucketCommand({
          Bucket,
          CreateBucketConfiguration: { LocationConstraint: region as "eu-west-1" },
          ObjectLockEnabledForBucket: inputs.objectLockEnabled === true,
        }),
      ),
    );
    return Bucket;
  },
  async read({ s3 }, id) {
    const live = await found(() => s3.send(new HeadBucketCommand({ Bucket: id })));
    return live && { bucket: id, arn: `arn:aws:s3:::${id}` };
  },
  async update() {},
  async delete({ s3 }, id) {
    await found(() => s3.send(new DeleteBucketCommand({ Bucket: id })));
  },
});

async function setPolicy({ s3 }: Aws, Bucket: string, inputs: Properties): Promise<void> {
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: said(inputs, "policy") }));
}

export const bucketPolicy = kind<BucketPolicy, BucketPolicyArgs>({
  type: "aws:s3/bucketPolicy:BucketPolicy",
  fields: { bucket: bucketName, policy: policy({ required: true }) },
  async create(aws, inputs) {
    const id = said(inputs, "bucket");
    await setPolicy(aws, id, inputs);
    return id;
  },
  async read({ s3 }, id) {
    const live = await found(() => s3.send(new GetBucketPolicyCommand({ Bucket: id })));
    return live && { bucket: id, policy: live.Policy ?? "" };
  },
  update: setPolicy,
  async delete({ s3 }, id) {
    await found(() => s3.send(new DeleteBucketPolicyCommand({ Bucket: id })));
  },
});

async function setVersions({ s3 }: Aws, Bucket: string, inputs: Properties): Promise<void> {
  const { status } = within(inputs.versioningConfiguration);
  await s3.send(
    new PutBucketVersioningCommand({
      Bucket,
      VersioningConfiguration: { Status: status === "Enabled" ? "Enabled" : "Suspended" },
    }),
  );
}

export const bucketVersioning = kind<BucketVersioning, BucketVersioningArgs>({
  type: "aws:s3/bucketVersioning:BucketVersioning",
  fields: {
    bucket: bucketName,
    versioningConfiguration: block<types.BucketVersioningVersioningConfiguration>(
      { status: text({ required: true }) },
      { required: true },
    ),
  },
  async create(aws, inputs) {
    const id = said(inputs, "bucket");
    await setVersions(aws, id, inputs);
    return id;
  },
  async read({ s3 }, id) {
    const live = await found(() => s3.send(new GetBucketVersioningCommand({ Bucket: id })));
    return live && { bucket: id, versioningConfiguration: { status: live.Status ?? "Disabled" } };
  },
  update: setVersions,
  async delete(aws, id) {
    await found(() => setVersions(aws, id, {}));
  },
});

async function setEncryption({ s3 }: Aws, Bucket: string, inputs: Properties): Promise<void> {
  const rules = Array.isArray(inputs.rules) ? inputs.rules.map(within) : [];
  await s3.send(
    new PutBucketEncryptionCommand({
      Bucket,
      ServerSideEncryptionConfiguration: {
        Rules: rules.map((rule) => {
          const by = within(rule.applyServerSideEncryptionByDefault);
          return {
            ApplyServerSideEncryptionByDefault: {
              SSEAlgorithm: said(by, "sseAlgorithm") as ServerSideEncryption,
              KMSMasterKeyID: optional(by, "kmsMasterKeyId"),
            },
            BucketKeyEnabled: rule.bucketKeyEnabled === true,
          };
        }),
      },
    }),
  );
}

export const bucketEncryption = kind<
  BucketServerSideEncryptionConfiguration,
  BucketServerSideEncryptionConfigurationArgs
>({
  type: "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  fields: {
    bucket: bucketName,
    rules: blocks<types.BucketServerSideEncryptionConfigurationRule>(
      {
        applyServerSideEncryptionByDefault:
          block<types.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefault>({
            sseAlgorithm: text({ required: true }),
            kmsMasterKeyId: text(),
          }),
        bucketKeyEnabled: flag(),
      },
      { required: true },
    ),
  },
  async create(aws, inputs) {
    const id = said(inputs, "bucket");
    await setEncryption(aws, id, inputs);
    return id;
  },
  async read({ s3 }, id) {
    const live = await found(() => s3.send(new GetBucketEncryptionCommand({ Bucket: id })));
    const rules = live?.ServerSideEncryptionConfiguration?.Rules;
    if (rules === undefined) return undefined;
    return {
      bucket: id,
      rules: rules.map(({ ApplyServerSideEncryptionByDefault: by, BucketKeyEnabled }) => ({
        applyServerSideEncryptionByDefault: {
          sseAlgorithm: by?.SSEAlgorithm ?? "",
          kmsMasterKeyId: by?.KMSMasterKeyID ?? "",
        },
        bucketKeyEnabled: BucketKeyEnabled === true,
      })),
    };
  },
  update: setEncryption,
  async delete({ s3 }, id) {
    await found(() => s3.send(new DeleteBucketEncryptionCommand({ Bucket: id })));
  },
});

async function setPrivate({ s3 }: Aws, Bucket: string, inputs: Properties): Promise<void> {
  await s3.send(
    new PutPublicAccessBlockCommand({
      Bucket,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: inputs.blockPublicAcls === true,
        BlockPublicPolicy: inputs.blockPublicPolicy === true,
        IgnorePublicAcls: inputs.ignorePublicAcls === true,
        RestrictPublicBuckets: inputs.restrictPublicBuckets === true,
      },
    }),
  );
}

export const publicAccess = kind<BucketPublicAccessBlock, BucketPublicAccessBlockArgs>({
  type: "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  fields: {
    bucket: bucketName,
    blockPublicAcls: flag(),
    blockPublicPolicy: flag(),
    ignorePublicAcls: flag(),
    restrictPublicBuckets: flag(),
  },
  async create(aws, inputs) {
    const id = said(inputs, "bucket");
    await setPrivate(aws, id, inputs);
    return id;
  },
  async read({ s3 }, id) {
    const live = await found(() => s3.send(new GetPublicAccessBlockCommand({ Bucket: id })));
    const set = live?.PublicAccessBlockConfiguration;
    if (set === undefined) return undefined;
    return {
      bucket: id,
      blockPublicAcls: set.BlockPublicAcls === true,
      blockPublicPolicy: set.BlockPublicPolicy === true,
      ignorePublicAcls: set.IgnorePublicAcls === true,
      restrictPublicBuckets: set.RestrictPublicBuckets === true,
    };
  },
  update: setPrivate,
  async delete({ s3 }, id) {
    await found(() => s3.send(new DeletePublicAccessBlockCommand({ Bucket: id })));
  },
});
