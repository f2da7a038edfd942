import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import type { Key } from "@pulumi/aws/kms/key.js";
import type { CustomResourceOptions } from "@pulumi/pulumi";

/**
 * A log that only holders of the audit key read, kept for so many days: also when the program does not declare it any more.
 * It is never deleted, and ends by itself.
 */
export function declareLog(name: string, retention: number, key: Key, opts: CustomResourceOptions): LogGroup {
  return new LogGroup(
    name,
    { name, retentionInDays: retention, kmsKeyId: key.arn, skipDestroy: true },
    { ...opts, retainOnDelete: true },
  );
}
