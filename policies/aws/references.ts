import { ofType } from "../resource.ts";
import type { Props, Resource, ResourceRule, StackRule } from "../rule.ts";
import { record, text } from "../value.ts";
import { statements } from "./documents.ts";
import { nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

type Type = (typeof aws)[keyof typeof aws];

/** What something refers to: by ARN, by AWS' id, or by name. */
interface Reference {
  /** The argument, with dots; "[]" for each of a list. */
  at: string;
  steps: readonly string[];
  to: Type;
  /** It must be there. */
  needed: boolean;
}

const arn = (service: string, rest: string) =>
  new RegExp(`^arn:aws[\\w-]*:${service}:[\\w-]*:\\d{12}:${rest}$`);
const arns: Partial<Record<Type, RegExp>> = {
  [aws.role]: arn("iam", "role/[\\w+=,.@/-]+"),
  [aws.function]: arn("lambda", "function:[\\w-]+"),
  [aws.queue]: arn("sqs", "[\\w-]+"),
  [aws.topic]: arn("sns", "[\\w-]+"),
  [aws.logGroup]: arn("logs", "log-group:[\\w/.-]+:\\*"),
  [aws.secret]: arn("secretsmanager", "secret:[\\w/+=.@-]+"),
};
/** A key by its ARN or by its id alone. */
const key =
  /^(arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/)?[0-9a-f-]{36}$|^(arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/)?mrk-[0-9a-f]{32}$/;

const place = (at: string, to: Type, needed: boolean): Reference => ({
  at,
  steps: at.split("."),
  to,
  needed,
});
const to = (type: Type, at: string): Reference[] => [place(at, type, true)];

const byArn: Partial<Record<Type, Reference[]>> = {
  [aws.keyAlias]: to(aws.key, "targetKeyId"),
  [aws.logGroup]: to(aws.key, "kmsKeyId"),
  [aws.topic]: to(aws.key, "kmsMasterKeyId"),
  [aws.queue]: to(aws.key, "kmsMasterKeyId"),
  [aws.secret]: to(aws.key, "kmsKeyId"),
  [aws.bucketEncryption]: to(aws.key, "rules.[].applyServerSideEncryptionByDefault.kmsMasterKeyId"),
  [aws.trail]: [
    ...to(aws.key, "kmsKeyId"),
    ...to(aws.logGroup, "cloudWatchLogsGroupArn"),
    ...to(aws.role, "cloudWatchLogsRoleArn"),
  ],
  [aws.function]: [
    ...to(aws.key, "kmsKeyArn"),
    ...to(aws.role, "role"),
    ...to(aws.queue, "deadLetterConfig.targetArn"),
  ],
  [aws.schedule]: [
    ...to(aws.function, "target.arn"),
    ...to(aws.role, "target.roleArn"),
    ...to(aws.queue, "target.deadLetterConfig.arn"),
  ],
  [aws.alarm]: to(aws.topic, "alarmActions.[]"),
  [aws.topicPolicy]: to(aws.topic, "arn"),
  [aws.subscription]: to(aws.topic, "topic"),
  [aws.secretPolicy]: to(aws.secret, "secretArn"),
  [aws.secretRotation]: [...to(aws.secret, "secretId"), ...to(aws.function, "rotationLambdaArn")],
};

const byName: Partial<Record<Type, Reference[]>> = {
  [aws.rolePolicy]: to(aws.role, "role"),
  [aws.groupPolicy]: to(aws.group, "group"),
  [aws.functionPermission]: to(aws.function, "function"),
  [aws.schedule]: to(aws.scheduleGroup, "groupName"),
  [aws.metricFilter]: to(aws.logGroup, "logGroupName"),
  [aws.trail]: to(aws.bucket, "s3BucketName"),
  [aws.bucketPolicy]: to(aws.bucket, "bucket"),
  [aws.publicAccess]: to(aws.bucket, "bucket"),
  [aws.bucketVersioning]: to(aws.bucket, "bucket"),
  [aws.bucketEncryption]: to(aws.bucket, "bucket"),
  [aws.bucketLock]: to(aws.bucket, "bucket"),
  [aws.alarm]: [
    place("dimensions.FunctionName", aws.function, false),
    place("dimensions.QueueName", aws.queue, false),
  ],
};

/** The values at a place; one `undefined` where there is none. */
function valuesAt(value: unknown, steps: readonly string[], from = 0): unknown[] {
  const step = steps[from];
  if (step === undefined) return [value];
  if (step !== "[]") return valuesAt(record(value)[step], steps, from + 1);
  return Array.isArray(value) && value.length > 0
    ? value.flatMap((item) => valuesAt(item, steps, from + 1))
    : [undefined];
}

function* referred(props: Props, references: readonly Reference[]): Generator<[Reference, string]> {
  for (const reference of references) {
    for (const value of valuesAt(props, reference.steps)) {
      if (value !== undefined || reference.needed) yield [reference, text(value) ?? ""];
    }
  }
}

/** "queue" of aws:sqs/queue:Queue. */
const noun = (type: Type) => /\/(\w+):/.exec(type)?.[1] ?? type;

export const referencesExact: ResourceRule = {
  name: "aws-references-exact",
  sentence:
    "What a resource in AWS refers to is one whole ARN: a key, a role, a queue, a topic, a function or a secret.",
  severity: "high",
  fix: "Take the ARN from the resource that is meant.",
  controls: ["NIST-800-53r5/CM-6", "R10"],
  types: Object.keys(byArn),
  *judge({ type, props }) {
    for (const [{ at, to }, value] of referred(props, byArn[type as Type] ?? [])) {
      const form = to === aws.key ? key : arns[to];
      if (form?.test(value) !== true) yield `${at} is no ${noun(to)}`;
    }
  },
};

/** What is declared of a type, by the name that AWS knows it under. */
function declaredIn(resources: readonly Resource[]): (type: Type) => Set<string> {
  const found = new Map<Type, Set<string>>();
  return (wanted) => {
    let names = found.get(wanted);
    if (names === undefined) {
      const argument = wanted === aws.bucket ? "bucket" : "name";
      names = new Set(ofType(resources, wanted).map((each) => nameOf(each, argument)));
      found.set(wanted, names);
    }
    return names;
  };
}

export const namesDeclared: StackRule = {
  name: "aws-names-declared",
  sentence:
    "What a resource in AWS names is declared with it: a bucket, a log, a role, a group, a function, a queue.",
  severity: "high",
  fix: "Name what is declared, or declare what is named.",
  controls: ["NIST-800-53r5/CM-8", "R10"],
  *judgeStack(resources) {
    const declared = declaredIn(resources);
    for (const [type, references] of Object.entries(byName)) {
      for (const { urn, props } of ofType(resources, type)) {
        for (const [{ at, to }, value] of referred(props, references)) {
          if (!declared(to).has(value)) yield { urn, message: `${at} names no ${noun(to)} that is declared` };
        }
      }
    }
    const issuers = ofType(resources, aws.oidcProvider).map(({ props }) =>
      (text(props.url) ?? "").replace(/^https:\/\//, ""),
    );
    for (const { urn, type, props } of ofType(resources, aws.role)) {
      for (const principal of statements(type, props).flatMap(({ principals }) => principals)) {
        const [, issuer] = /^Federated .*:oidc-provider\/(.+)$/.exec(principal) ?? [];
        if (issuer !== undefined && !issuers.includes(issuer))
          yield { urn, message: `it trusts ${issuer}, which is not declared` };
      }
    }
  },
};

export const arnsDeclared: StackRule = {
  name: "aws-references-declared",
  sentence: "What a resource in AWS refers to by ARN is declared with it, or a key of this account.",
  severity: "high",
  fix: "Take the ARN from a resource of this program.",
  controls: ["NIST-800-53r5/CM-8", "R10"],
  *judgeStack(resources) {
    const declared = declaredIn(resources);
    for (const [type, references] of Object.entries(byArn)) {
      // Of a key, an ARN holds an id, which no argument says.
      const others = references.filter(({ to }) => to !== aws.key);
      for (const { urn, props } of ofType(resources, type)) {
        for (const [{ at, to }, value] of referred(props, others)) {
          if (!declared(to).has(nameIn(value)))
            yield { urn, message: `${at} is no ${noun(to)} that is declared` };
        }
      }
    }
  },
};
