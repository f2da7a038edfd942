import type { Kind } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { analyzer, bucketLock } from "./elsewhere.ts";
import { group, groupPolicy, oidcProvider, passwordPolicy, role, rolePolicy } from "./iam.ts";
import { alias, key } from "./kms.ts";
import { lambdaFunction, permission } from "./lambda.ts";
import { alarm, logGroup, metricFilter } from "./logs.ts";
import { queue, subscription, topic, topicPolicy } from "./messages.ts";
import { bucket, bucketEncryption, bucketPolicy, bucketVersioning, publicAccess } from "./s3.ts";
import { schedule, scheduleGroup } from "./scheduler.ts";
import { secret, secretPolicy, secretRotation } from "./secrets.ts";
import { trail } from "./trail.ts";

/** Every resource type that `infra/` declares. */
export const awsKinds: readonly Kind<Aws>[] = [
  key,
  alias,
  oidcProvider,
  role,
  rolePolicy,
  group,
  groupPolicy,
  passwordPolicy,
  bucket,
  publicAccess,
  bucketVersioning,
  bucketEncryption,
  bucketPolicy,
  trail,
  logGroup,
  metricFilter,
  alarm,
  topic,
  topicPolicy,
  subscription,
  queue,
  lambdaFunction,
  permission,
  schedule,
  scheduleGroup,
  secret,
  secretPolicy,
  secretRotation,
  analyzer,
  bucketLock,
];
