import { ofType } from "../resource.ts";
import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { number, record, records, text, texts } from "../value.ts";
import { covers, demanded, type Statement } from "./document.ts";
import { statements } from "./documents.ts";
import { nameIn, nameOf, trailsLog } from "./place.ts";
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
  controls: ["CIS-AWS-4.0.1/3.5", "NIST-800-53r5/AU-9", "NIST-800-53r5/SC-28(1)", "R51", "R53"],
  types: [aws.trail],
  *judge({ urn, props }) {
    for (const name of ["kmsKeyId", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn"]) {
      if (text(props[name]) === undefined) yield `${name} is not set`;
    }
    const log = text(props.cloudWatchLogsGroupArn);
    if (log !== undefined && nameIn(log) !== trailsLog(urn))
      yield `its events reach another log than ${trailsLog(urn)}, which alarms look at`;
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
    if (!areRecords(props.eventSelectors) || !areRecords(props.advancedEventSelectors))
      yield "a selector selects nothing that is known";
    for (const selector of records(props.eventSelectors)) {
      if (!areRecords(selector.dataResources)) yield "a selector selects nothing that is known";
      if (selector.readWriteType !== undefined && selector.readWriteType !== "All")
        yield "reads or writes are left out";
      if (selector.includeManagementEvents === false) yield "management events are left out";
      const excluded = texts(selector.excludeManagementEventSources);
      if (excluded.length > 0) yield `events of ${excluded.join(", ")} are left out`;
      objects ||= records(selector.dataResources).some(({ type }) => type === "AWS::S3::Object");
    }
    // These replace the others, and without one for them no management event is recorded.
    const advanced = records(props.advancedEventSelectors);
    const areManaged = advanced.some(({ fieldSelectors }) =>
      records(fieldSelectors).some(
        ({ field, equals }) => field === "eventCategory" && texts(equals).includes("Management"),
      ),
    );
    if (advanced.length > 0 && !areManaged) yield "management events are left out";
    for (const selector of advanced) {
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

function areRecords(list: unknown): boolean {
  return (
    list === undefined || (Array.isArray(list) && list.every((item) => Object.keys(record(item)).length > 0))
  );
}

export const trailSeesData: StackRule = {
  name: "aws-trail-sees-data",
  sentence:
    "CloudTrail records who reads its own files and Pulumi's state, and who calls each function, by name.",
  severity: "high",
  fix: "Select data events of the trail's bucket and of the state's, whole, and of every function that is declared.",
  controls: ["CIS-AWS-4.0.1/3.8", "CIS-AWS-4.0.1/3.9", "NIST-800-53r5/AU-12", "R51"],
  *judgeStack(resources) {
    const functions = ofType(resources, aws.function);
    for (const { urn, props } of ofType(resources, aws.trail)) {
      const values = (wanted: string) =>
        records(props.eventSelectors)
          .flatMap(({ dataResources }) => records(dataResources))
          .filter(({ type }) => type === wanted)
          .flatMap((resource) => texts(resource.values));
      const whole = `arn:aws:s3:::${text(props.s3BucketName) ?? ""}/`;
      const files = values("AWS::S3::Object");
      if (!files.some((value) => value === whole || value === "arn:aws:s3"))
        yield { urn, message: "who reads its files is left out" };
      for (const bucket of stateBuckets(resources)) {
        if (!files.some((value) => value === `arn:aws:s3:::${bucket}/` || value === "arn:aws:s3"))
          yield { urn, message: `who reads the state in ${bucket} is left out` };
      }
      const calls = values("AWS::Lambda::Function");
      for (const each of functions) {
        const name = nameOf(each);
        if (!calls.some((value) => value === "arn:aws:lambda" || value.endsWith(`:function:${name}`)))
          yield { urn, message: `who calls ${name} is left out` };
      }
      for (const value of [...files, ...calls]) {
        if (!/^arn:aws(:s3(:::[a-z0-9.-]+\/)?|:lambda(:[\w-]+:\d{12}:function:[\w-]+)?)$/.test(value))
          yield { urn, message: `it selects ${value || "nothing"}, which there is not` };
      }
    }
  },
};

/** Where Pulumi's state is, as far as roles may read it. */
function stateBuckets(resources: readonly Resource[]): Set<string> {
  const found = new Set<string>();
  for (const { type, props } of ofType(resources, aws.rolePolicy)) {
    for (const { allow, resources: named } of statements(type, props)) {
      for (const name of allow ? named : []) {
        const [, bucket] = /^arn:aws:s3:::([^/]+)\/\.pulumi\//.exec(name) ?? [];
        if (bucket !== undefined) found.add(bucket);
      }
    }
  }
  return found;
}

/** Days that CloudWatch keeps a log for, a year and more; 0 is for ever. */
const retentions: readonly number[] = [0, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

export const logsKept: ResourceRule = {
  name: "aws-logs-kept",
  sentence: "Logs are kept for a year or more, encrypted by a key of ours; no update deletes one.",
  severity: "medium",
  fix: "Set retentionInDays to at least 365, kmsKeyId, and skipDestroy to true.",
  controls: ["NIST-800-53r5/AU-11", "NIST-800-53r5/SC-28(1)", "R51"],
  types: [aws.logGroup],
  *judge({ props }) {
    const days = number(props.retentionInDays);
    if (days === undefined) yield "retentionInDays is not said";
    else if (days !== 0 && days < 365) yield `logs go after ${days} days`;
    else if (!retentions.includes(days)) yield `CloudWatch keeps no log for ${days} days`;
    if (text(props.kmsKeyId) === undefined) yield "kmsKeyId is not set";
    if (props.skipDestroy !== true) yield "skipDestroy is not true";
  },
};

export const trailBucketDeclared: StackRule = {
  name: "aws-trail-bucket-declared",
  sentence:
    "The bucket of the trail is declared here, and its policy lets CloudTrail write, as the bucket's own.",
  severity: "high",
  fix: "Declare the trail's bucket and its policy in the same stack, with s3:PutObject on s3:x-amz-acl bucket-owner-full-control.",
  controls: ["NIST-800-53r5/AU-9", "R51"],
  *judgeStack(resources) {
    const of = (wanted: string) => ofType(resources, wanted);
    for (const { urn, props } of ofType(resources, aws.trail)) {
      const bucket = text(props.s3BucketName) ?? "";
      const policies = of(aws.bucketPolicy).filter((each) => nameOf(each, "bucket") === bucket);
      if (!of(aws.bucket).some((each) => nameOf(each, "bucket") === bucket))
        yield { urn, message: "its bucket is not declared here" };
      else if (policies.length === 0) yield { urn, message: "its bucket has no policy" };
      else if (!policies.some((policy) => lets(statements(policy.type, policy.props))))
        yield { urn, message: "its bucket does not let it write" };
    }
  },
};

/** What CloudTrail asks for. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html */
function lets(all: Statement[]): boolean {
  const may = all.filter(
    ({ allow, principals }) => allow && principals.includes("Service cloudtrail.amazonaws.com"),
  );
  return (
    may.some((statement) => covers(statement, "s3:GetBucketAcl")) &&
    may.some(
      (statement) =>
        covers(statement, "s3:PutObject") &&
        statement.resources.some((resource) => /\/AWSLogs\/\d{12}\/\*$/.test(resource)) &&
        demanded(statement, "s3:x-amz-acl", "stringequals")?.join() === "bucket-owner-full-control",
    )
  );
}
