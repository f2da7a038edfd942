import { ofType } from "../resource.ts";
import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { number, record, records, text } from "../value.ts";
import { covers, demanded } from "./document.ts";
import { statements } from "./documents.ts";
import { nameOf } from "./place.ts";
import { aws } from "./types.ts";

export const bucketPrivate: StackRule = {
  name: "aws-bucket-private",
  sentence: "Every bucket refuses public access, in all four ways.",
  severity: "critical",
  fix: "Declare a public access block with its four settings for each bucket.",
  controls: ["CIS-AWS-4.0.1/2.1.4", "NIST-800-53r5/AC-3", "R53"],
  types: [aws.bucket, aws.publicAccess, aws.accountPublicAccess],
  *judgeStack(resources) {
    const four = ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];
    const blocks = [...ofType(resources, aws.publicAccess), ...ofType(resources, aws.accountPublicAccess)];
    for (const { urn, props } of blocks) {
      for (const name of four) if (props[name] !== true) yield { urn, message: `${name} is not true` };
    }
    yield* each(resources, aws.publicAccess, "nothing refuses public access to it");
  },
};

/** Buckets that none of a companion resource is about. */
function* each(resources: readonly Resource[], companion: string, message: string) {
  const buckets = ofType(resources, aws.bucket);
  if (buckets.length === 0) return;
  const covered = ofType(resources, companion).map(({ props }) => text(props.bucket));
  for (const bucket of buckets) {
    if (!covered.includes(nameOf(bucket, "bucket"))) yield { urn: bucket.urn, message };
  }
}

export const bucketVersioned: StackRule = {
  name: "aws-bucket-versioned",
  sentence: "Every bucket keeps versions and is encrypted by a key of ours.",
  severity: "high",
  fix: "Declare versioning and server-side encryption by aws:kms for each bucket.",
  controls: ["NIST-800-53r5/SC-28(1)", "NIST-800-53r5/SI-12", "R22", "R53"],
  types: [aws.bucketVersioning, aws.bucketEncryption],
  *judgeStack(resources) {
    for (const { urn, props } of ofType(resources, aws.bucketVersioning)) {
      if (record(props.versioningConfiguration).status !== "Enabled")
        yield { urn, message: "versioning is not enabled" };
    }
    for (const { urn, props } of ofType(resources, aws.bucketEncryption)) {
      const [rule, ...others] = records(props.rules);
      if (others.length > 0) yield { urn, message: "a bucket has one rule for its encryption" };
      const { sseAlgorithm, kmsMasterKeyId } = record(record(rule).applyServerSideEncryptionByDefault);
      if (!/^aws:kms(:dsse)?$/.test(text(sseAlgorithm) ?? "") || text(kmsMasterKeyId) === undefined)
        yield { urn, message: "the bucket is not encrypted by a key of ours" };
    }
    yield* each(resources, aws.bucketVersioning, "nothing keeps its versions");
    yield* each(resources, aws.bucketEncryption, "nothing encrypts it by a key of ours");
  },
};

export const bucketTls: ResourceRule = {
  name: "aws-bucket-tls",
  sentence: "A bucket refuses plain HTTP, and its policy lets nobody unnamed in.",
  severity: "high",
  fix: 'Deny s3:* for everyone where Bool "aws:SecureTransport" is "false", and name principals elsewhere.',
  controls: ["CIS-AWS-4.0.1/2.1.1", "NIST-800-53r5/AC-3", "NIST-800-53r5/SC-8", "R53"],
  types: [aws.bucketPolicy],
  *judge({ type, props }) {
    const all = statements(type, props);
    const bucket = `arn:aws:s3:::${text(props.bucket) ?? ""}`;
    const refuses = all.some(
      (statement) =>
        !statement.allow &&
        covers(statement, "s3:GetObject") &&
        covers(statement, "s3:PutObject") &&
        covers(statement, "s3:ListBucket") &&
        [bucket, `${bucket}/*`].every((resource) => statement.resources.includes(resource)) &&
        statement.principals.includes("*") &&
        demanded(statement, "aws:SecureTransport", "bool")?.join() === "false",
    );
    if (!refuses) yield "plain HTTP is not refused";
    if (
      all.some(({ allow, principals, notPrincipals }) => allow && (notPrincipals || principals.includes("*")))
    ) {
      yield "everyone is let in";
    }
  },
};

export const bucketLocked: ResourceRule = {
  name: "aws-bucket-lock",
  sentence:
    "Where the trail's files are locked, they are so for 90 days or more, and nobody unlocks them early.",
  severity: "high",
  fix: "Set rule.defaultRetention with mode COMPLIANCE and 90 days or more: object-lock of the trail in the catalogue.",
  controls: ["NIST-800-53r5/AU-9", "NIST-800-53r5/AU-11", "R51"],
  types: [aws.bucketLock],
  *judge({ props }) {
    const { mode, days, years } = record(record(props.rule).defaultRetention);
    if (mode !== "COMPLIANCE") yield "an administrator may unlock them: mode is not COMPLIANCE";
    if ((number(days) ?? 0) < 90 && (number(years) ?? 0) < 1) yield "they are locked for under 90 days";
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    if ((number(days) ?? 0) > 36_500 || (number(years) ?? 0) > 100)
      yield "they are locked for longer than S3 takes";
  },
};

export const bucketKept: StackRule = {
  name: "aws-bucket-kept",
  sentence: "A bucket does not go with what is in it, and where files are to be locked they are.",
  severity: "high",
  fix: "Leave forceDestroy off, and declare objectLockEnabled and a lock configuration together.",
  controls: ["NIST-800-53r5/AU-9", "R51"],
  *judgeStack(resources) {
    const locked = ofType(resources, aws.bucketLock).map(({ props }) => text(props.bucket));
    for (const bucket of ofType(resources, aws.bucket)) {
      const { urn, props } = bucket;
      if (props.forceDestroy === true) yield { urn, message: "deleting it deletes what is in it" };
      const isLocked = locked.includes(nameOf(bucket, "bucket"));
      if (isLocked && props.objectLockEnabled !== true)
        yield { urn, message: "its lock cannot be set: objectLockEnabled is off" };
      if (!isLocked && props.objectLockEnabled === true)
        yield { urn, message: "its files could be locked, and nothing says for how long" };
    }
  },
};
