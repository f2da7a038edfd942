import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import type { Key } from "@pulumi/aws/kms/key.js";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { dataHolding } from "../retention.ts";

/** A log that only holders of the audit key read, kept for so many days. */
export function declareLog(name: string, retention: number, key: Key, opts: CustomResourceOptions): LogGroup {
  return new LogGroup(
    name,
    { name, retentionInDays: retention, kmsKeyId: key.arn },
    { ...opts, ...dataHolding() },
  );
}
