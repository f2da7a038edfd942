import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { number, record, records, text, texts } from "../value.ts";
import { covers, demanded } from "./document.ts";
import { statements } from "./iam.ts";
import { aws } from "./types.ts";

export const trailEverywhere: ResourceRule = {
  name: "aws-trail-everywhere",
  sentence: "CloudTrail records every region and the global services, and is on.",
  severity: "critical",
  fix: "Set isMultiRegionTrail and includeGlobalServiceEvents, and leave enableLogging on.",
  controls: ["CIS-AWS-4.0.1/3.1", "NIST-800-53r5/AU-2", "NIST-800-53r5/AU-12", "R51"],
  types: [aws.trail],
  *judge({ props }) {
    if (props.isMultiRegionTrail !== true) yield "isMultiRegionTrail is not true";
    if (props.includeGlobalServiceEvents === false) yield "includeGlobalServiceEvents is off";
    if (props.enableLogging === false) yield "enableLogging is off";
  },
};

export const trailValidated: ResourceRule = {
  name: "aws-trail-validated",
  sentence: "A change of CloudTrail's files is noticed.",
  severity: "high",
  fix: "Set enableLogFileValidation.",
  controls: ["CIS-AWS-4.0.1/3.2", "NIST-800-53r5/AU-9(3)", "R51"],
  types: [aws.trail],
  *judge({ props }) {
    if (props.enableLogFileValidation !== true) yield "enableLogFileValidation is not true";
  },
};

export const trailEncrypted: ResourceRule = {
  name: "aws-trail-encrypted",
  sentence: "CloudTrail's files are encrypted by a key of ours, and its events also reach CloudWatch.",
  severity: "high",
  fix: "Set kmsKeyId, cloudWatchLogsGroupArn and cloudWatchLogsRoleArn.",
  controls: ["CIS-AWS-4.0.1/3.5", "NIST-800-53r5/AU-9(3)", "NIST-800-53r5/SC-28(1)", "R51", "R53"],
  types: [aws.trail],
  *judge({ props }) {
    for (const name of ["kmsKeyId", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn"]) {
      if (text(props[name]) === undefined) yield `${name} is not set`;
    }
  },
};

export const trailSeesReads: ResourceRule = {
  name: "aws-trail-sees-reads",
  sentence:
    "CloudTrail records reads of secrets, uses of keys and what happens to objects of buckets, not only changes.",
  severity: "critical",
  fix: "Select management events with readWriteType All, exclude no source, and add AWS::S3::Object data events.",
  controls: [
    "CIS-AWS-4.0.1/3.8",
    "CIS-AWS-4.0.1/3.9",
    "NIST-800-53r5/AU-12",
    "OWASP-Secrets/2.6-auditing",
    "R51",
  ],
  types: [aws.trail],
  *judge({ props }) {
    let objects = false;
    for (const selector of records(props.eventSelectors)) {
      if (selector.readWriteType !== undefined && selector.readWriteType !== "All")
        yield "reads or writes are left out";
      if (selector.includeManagementEvents === false) yield "management events are left out";
      const excluded = texts(selector.excludeManagementEventSources);
      if (excluded.length > 0) yield `events of ${excluded.join(", ")} are left out`;
      objects ||= records(selector.dataResources).some(({ type }) => type === "AWS::S3::Object");
    }
    for (const selector of records(props.advancedEventSelectors)) {
      for (const { field, equals, notEquals } of records(selector.fieldSelectors)) {
        if (field === "readOnly") yield "reads or writes are left out";
        if (field === "eventSource" && texts(notEquals).length > 0) {
          yield `events of ${texts(notEquals).join(", ")} are left out`;
        }
        objects ||= field === "resources.type" && texts(equals).includes("AWS::S3::Object");
      }
    }
    if (!objects) yield "what happens to objects of buckets is left out";
  },
};

const day = 86_400;

export const logsKept: ResourceRule = {
  name: "aws-logs-kept",
  sentence: "Logs are kept for a year or more, encrypted by a key of ours.",
  severity: "medium",
  fix: "Set retentionInDays to at least 365, and kmsKeyId.",
  controls: ["NIST-800-53r5/AU-11", "NIST-800-53r5/SC-28(1)", "R51"],
  types: [aws.logGroup],
  *judge({ props }) {
    const days = number(props.retentionInDays);
    // 0 is for ever.
    if (days === undefined) yield "retentionInDays is not said";
    else if (days !== 0 && days * day < 365 * day) yield `logs go after ${days} days`;
    if (text(props.kmsKeyId) === undefined) yield "kmsKeyId is not set";
  },
};

/** What CIS section 4 wants somebody to hear of, as far as the platform touches it, by what a pattern must name. */
const watched: [string, RegExp, control: `CIS-AWS-4.0.1/${string}`][] = [
  ["calls that are refused", /AccessDenied|Unauthorized/i, "CIS-AWS-4.0.1/4.1"],
  [
    "console logins without a second factor",
    /ConsoleLogin[\s\S]*MFAUsed|MFAUsed[\s\S]*ConsoleLogin/,
    "CIS-AWS-4.0.1/4.2",
  ],
  ["uses of the root user", /userIdentity\.type\s*=\s*"?Root/, "CIS-AWS-4.0.1/4.3"],
  ["changes of IAM policies", /PutRolePolicy/, "CIS-AWS-4.0.1/4.4"],
  ["changes of CloudTrail", /StopLogging/, "CIS-AWS-4.0.1/4.5"],
  ["keys that are disabled or deleted", /ScheduleKeyDeletion/, "CIS-AWS-4.0.1/4.7"],
  ["changes of bucket policies", /PutBucketPolicy/, "CIS-AWS-4.0.1/4.8"],
];

export const alarmsOfCis: StackRule = {
  name: "aws-alarms",
  sentence:
    "Somebody hears of refused calls, root, logins without a second factor and changes of IAM, trails, keys and buckets.",
  severity: "high",
  fix: "Declare a metric filter on CloudTrail's log group and an alarm with an action on its metric.",
  controls: [...watched.map(([, , control]) => control), "NIST-800-53r5/AU-6", "NIST-800-53r5/SI-4", "R48"],
  types: [aws.metricFilter, aws.alarm],
  *judgeStack(resources) {
    if (!resources.some(({ type }) => type === aws.trail)) return;
    const alarmed = new Set(
      resources
        .filter(({ type }) => type === aws.alarm)
        .filter(acts)
        .map(({ props }) => `${text(props.namespace)}/${text(props.metricName)}`),
    );
    const patterns = resources
      .filter(({ type }) => type === aws.metricFilter)
      .filter(({ props }) => {
        const { namespace, name } = record(props.metricTransformation);
        return alarmed.has(`${text(namespace)}/${text(name)}`);
      })
      .map(({ props }) => text(props.pattern) ?? "");
    for (const [what, form] of watched) {
      if (!patterns.some((pattern) => form.test(pattern))) yield { message: `nobody hears of ${what}` };
    }
  },
};

function acts({ props }: Resource): boolean {
  return texts(props.alarmActions).length > 0 && props.actionsEnabled !== false;
}

export const bucketPrivate: StackRule = {
  name: "aws-bucket-private",
  sentence: "Every bucket refuses public access, in all four ways.",
  severity: "critical",
  fix: "Declare a public access block with its four settings for each bucket.",
  controls: ["CIS-AWS-4.0.1/2.1.4", "NIST-800-53r5/AC-3", "NIST-800-53r5/AC-22", "R53"],
  types: [aws.bucket, aws.publicAccess, aws.accountPublicAccess],
  *judgeStack(resources) {
    const four = ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];
    const blocks = resources.filter(
      ({ type }) => type === aws.publicAccess || type === aws.accountPublicAccess,
    );
    for (const { urn, props } of blocks) {
      for (const name of four) if (props[name] !== true) yield { urn, message: `${name} is not true` };
    }
    yield* each(resources, aws.publicAccess, "nothing refuses public access to it");
  },
};

/** Buckets that none of a companion resource is about. */
function* each(resources: readonly Resource[], companion: string, message: string) {
  const buckets = resources.filter(({ type }) => type === aws.bucket);
  if (buckets.length === 0) return;
  const covered = resources.filter(({ type }) => type === companion).map(({ props }) => text(props.bucket));
  for (const { urn, name, props } of buckets) {
    if (!covered.includes(text(props.bucket) ?? name)) yield { urn, message };
  }
}

export const bucketVersioned: StackRule = {
  name: "aws-bucket-versioned",
  sentence: "Every bucket keeps versions and is encrypted by a key of ours.",
  severity: "high",
  fix: "Declare versioning and server-side encryption by aws:kms for each bucket.",
  controls: ["NIST-800-53r5/CP-9", "NIST-800-53r5/SC-28(1)", "R22", "R53"],
  types: [aws.bucketVersioning, aws.bucketEncryption],
  *judgeStack(resources) {
    for (const { urn, type, props } of resources) {
      if (type === aws.bucketVersioning && record(props.versioningConfiguration).status !== "Enabled") {
        yield { urn, message: "versioning is not enabled" };
      }
      if (type === aws.bucketEncryption) {
        const [rule] = records(props.rules);
        const { sseAlgorithm, kmsMasterKeyId } = record(record(rule).applyServerSideEncryptionByDefault);
        if (!/^aws:kms(:dsse)?$/.test(text(sseAlgorithm) ?? "") || text(kmsMasterKeyId) === undefined) {
          yield { urn, message: "the bucket is not encrypted by a key of ours" };
        }
      }
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
  controls: ["CIS-AWS-4.0.1/2.1.1", "NIST-800-53r5/SC-8", "R53"],
  types: [aws.bucketPolicy],
  *judge({ type, props }) {
    const all = statements(type, props);
    const refuses = all.some(
      (statement) =>
        !statement.allow &&
        covers(statement, "s3:GetObject") &&
        covers(statement, "s3:PutObject") &&
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

export const trailBucketDeclared: StackRule = {
  name: "aws-trail-bucket-declared",
  sentence: "The bucket of the trail is declared here, with a policy of its own.",
  severity: "high",
  fix: "Declare the trail's bucket and its policy in the same stack.",
  controls: ["NIST-800-53r5/AU-9", "R51"],
  *judgeStack(resources) {
    const of = (wanted: string) =>
      resources.filter(({ type }) => type === wanted).map(({ name, props }) => text(props.bucket) ?? name);
    const [buckets, policies] = [of(aws.bucket), of(aws.bucketPolicy)];
    for (const { urn, type, props } of resources) {
      if (type !== aws.trail) continue;
      const bucket = text(props.s3BucketName) ?? "";
      if (!buckets.includes(bucket)) yield { urn, message: "its bucket is not declared here" };
      else if (!policies.includes(bucket)) yield { urn, message: "its bucket has no policy" };
    }
  },
};

export const messagesEncrypted: ResourceRule = {
  name: "aws-messages-encrypted",
  sentence: "Topics and queues of alarms and failed rotations are encrypted.",
  severity: "medium",
  fix: "Set kmsMasterKeyId to a key of ours.",
  controls: ["NIST-800-53r5/SC-28(1)", "R53"],
  types: [aws.topic, aws.queue],
  *judge({ props }) {
    if (text(props.kmsMasterKeyId) === undefined) yield "kmsMasterKeyId is not set";
  },
};

export const topicNarrow: ResourceRule = {
  name: "aws-topic-narrow",
  sentence: "Only named services and accounts publish to a topic of alarms.",
  severity: "medium",
  fix: "Name the service, with aws:SourceAccount or aws:SourceArn.",
  controls: ["NIST-800-53r5/AC-3", "R48"],
  types: [aws.topicPolicy],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const keys = [...statement.conditions.values()].flatMap((map) => [...map.keys()]);
      const bound = keys.some((key) =>
        ["aws:sourceaccount", "aws:sourcearn", "aws:sourceowner"].includes(key),
      );
      if (statement.principals.includes("*") && !bound) yield "everyone may publish";
      if (statement.principals.some((principal) => principal.startsWith("Service ")) && !bound) {
        yield "a service may publish for any account";
      }
    }
  },
};

export const topicHeard: StackRule = {
  name: "aws-topic-heard",
  sentence: "Somebody gets the alarms: a topic has a subscription by e-mail or TLS.",
  severity: "medium",
  fix: "Declare a subscription of a contact for the topic.",
  controls: ["NIST-800-53r5/AU-5", "NIST-800-53r5/SI-4", "R48"],
  types: [aws.subscription],
  *judgeStack(resources) {
    const subscriptions = resources.filter(({ type }) => type === aws.subscription);
    for (const { urn, props } of subscriptions) {
      if (!["email", "email-json", "https", "sqs", "lambda"].includes(text(props.protocol) ?? ""))
        yield { urn, message: `it goes by ${text(props.protocol) ?? "nothing"}` };
      if ((text(props.endpoint) ?? "") === "") yield { urn, message: "it goes nowhere" };
    }
    const topic = resources.find(({ type }) => type === aws.topic);
    if (topic !== undefined && subscriptions.length === 0)
      yield { urn: topic.urn, message: "nobody gets what is published" };
  },
};

export const bucketLocked: ResourceRule = {
  name: "aws-bucket-lock",
  sentence: "Where the trail's files are locked, nobody unlocks them early.",
  severity: "high",
  fix: "Set rule.defaultRetention with mode COMPLIANCE and days.",
  controls: ["NIST-800-53r5/AU-9", "NIST-800-53r5/AU-11", "R51"],
  types: [aws.bucketLock],
  *judge({ props }) {
    const { mode, days, years } = record(record(props.rule).defaultRetention);
    if (mode !== "COMPLIANCE") yield "an administrator may unlock them: mode is not COMPLIANCE";
    if ((number(days) ?? 0) < 1 && (number(years) ?? 0) < 1) yield "they are locked for no time";
  },
};
