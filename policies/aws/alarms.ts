import type { Control } from "../controls.ts";
import { ofType } from "../resource.ts";
import type { Props, Resource, ResourceRule, StackRule } from "../rule.ts";
import { count, number, record, text } from "../value.ts";
import { type FilterPattern, FilterPatternError, filterPattern } from "./filter-pattern.ts";
import { nameIn, nameOf, trailsLog } from "./place.ts";
import { aws } from "./types.ts";

interface Watched {
  what: string;
  control?: Control;
  /** As CloudTrail writes them: what the alarms look at has to be true of each. */
  events: readonly object[];
}

/** What an event says of whoever and wherever: a pattern that is for one of these alone leaves the others out. */
const somebodies = [
  {
    userIdentity: {
      type: "IAMUser",
      accountId: "111122223333",
      userName: "eve",
      arn: "arn:aws:iam::111122223333:user/eve",
    },
    awsRegion: "eu-west-1",
    sourceIPAddress: "198.51.100.7",
    userAgent: "aws-cli/2.31",
  },
  {
    userIdentity: {
      type: "AssumedRole",
      accountId: "444455556666",
      arn: "arn:aws:sts::444455556666:assumed-role/a/b",
    },
    awsRegion: "us-east-1",
    sourceIPAddress: "203.0.113.9",
    userAgent: "console.amazonaws.com",
  },
];

const calls = (source: string, names: string, more: object = {}) =>
  names.split(" ").flatMap((eventName) =>
    somebodies.map((somebody) => ({
      ...somebody,
      eventType: "AwsApiCall",
      eventSource: `${source}.amazonaws.com`,
      eventName,
      ...more,
    })),
  );
const logins = (more: object) =>
  somebodies.map((somebody) => ({
    ...somebody,
    eventType: "AwsConsoleSignIn",
    eventSource: "signin.amazonaws.com",
    eventName: "ConsoleLogin",
    // Of who comes from an identity provider AWS does not see the second factor.
    userIdentity: somebodies[0]?.userIdentity,
    additionalEventData: { MFAUsed: "No" },
    ...more,
  }));
const root = { userIdentity: { type: "Root", accountId: "111122223333" } };

/**
 * What CIS section 4 wants somebody to hear of, as far as the platform touches it, event by event, and that a rotation
 * failed.
 */
const watched: Watched[] = [
  {
    what: "calls that are refused",
    control: "CIS-AWS-4.0.1/4.1",
    events: [
      ...calls("kms", "Decrypt", { errorCode: "AccessDenied" }),
      ...calls("secretsmanager", "GetSecretValue", { errorCode: "AccessDeniedException" }),
      ...calls("ec2", "RunInstances", { errorCode: "Client.UnauthorizedOperation" }),
    ],
  },
  {
    what: "console logins without a second factor",
    control: "CIS-AWS-4.0.1/4.2",
    events: logins({ responseElements: { ConsoleLogin: "Success" } }),
  },
  {
    what: "uses of the root user",
    control: "CIS-AWS-4.0.1/4.3",
    events: [...calls("s3", "ListBuckets", root), ...calls("iam", "CreateAccessKey", root), ...logins(root)],
  },
  {
    what: "changes of IAM policies, users and roles",
    control: "CIS-AWS-4.0.1/4.4",
    events: [
      ...calls("iam", "DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy PutGroupPolicy PutRolePolicy"),
      ...calls("iam", "PutUserPolicy CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion"),
      ...calls("iam", "AttachRolePolicy DetachRolePolicy AttachUserPolicy DetachUserPolicy"),
      ...calls("iam", "AttachGroupPolicy DetachGroupPolicy SetDefaultPolicyVersion UpdateAssumeRolePolicy"),
      ...calls("iam", "AddUserToGroup CreateAccessKey CreateLoginProfile CreateOpenIDConnectProvider"),
      ...calls("iam", "CreateRole CreateUser DeleteOpenIDConnectProvider DeleteRole"),
    ],
  },
  {
    what: "changes of CloudTrail",
    control: "CIS-AWS-4.0.1/4.5",
    events: calls(
      "cloudtrail",
      "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging PutEventSelectors",
    ),
  },
  {
    what: "console logins that fail",
    control: "CIS-AWS-4.0.1/4.6",
    events: logins({
      responseElements: { ConsoleLogin: "Failure" },
      errorMessage: "Failed authentication",
    }),
  },
  {
    what: "keys that are disabled, deleted or get another policy",
    control: "CIS-AWS-4.0.1/4.7",
    events: calls("kms", "DisableKey DisableKeyRotation PutKeyPolicy ScheduleKeyDeletion"),
  },
  {
    what: "changes of bucket policies",
    control: "CIS-AWS-4.0.1/4.8",
    events: [
      ...calls("s3", "PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication"),
      ...calls("s3", "DeleteBucketPolicy DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication"),
      ...calls("s3", "PutBucketPublicAccessBlock DeleteBucketPublicAccessBlock"),
    ],
  },
  {
    what: "changes of second factors, passwords and identity providers",
    events: [
      ...calls("iam", "DeactivateMFADevice DeleteVirtualMFADevice UpdateAccessKey UpdateLoginProfile"),
      ...calls("iam", "UpdateAccountPasswordPolicy DeleteAccountPasswordPolicy CreateSAMLProvider"),
      ...calls("iam", "UpdateSAMLProvider AddClientIDToOpenIDConnectProvider"),
      ...calls("iam", "UpdateOpenIDConnectProviderThumbprint"),
    ],
  },
  {
    what: "alarms that are silenced",
    events: [
      ...calls("monitoring", "DeleteAlarms DisableAlarmActions"),
      ...calls("logs", "DeleteMetricFilter DeleteLogGroup DeleteLogStream PutRetentionPolicy"),
      ...calls("sns", "DeleteTopic Unsubscribe"),
    ],
  },
  {
    what: "schedules that are changed",
    events: calls("scheduler", "DeleteSchedule DeleteScheduleGroup UpdateSchedule"),
  },
  {
    what: "rotations that fail or are ended",
    events: [
      ...calls("secretsmanager", "CancelRotateSecret DeleteSecret"),
      ...calls("secretsmanager", "RotationFailed", {
        eventType: "AwsServiceEvent",
        userIdentity: { accountId: "111122223333", invokedBy: "secretsmanager.amazonaws.com" },
      }),
    ],
  },
];

export const alarmsOfCis: StackRule = {
  name: "aws-alarms",
  sentence:
    "Somebody hears of refused calls, root, logins without a second factor, changes of IAM, trails, keys, buckets, schedules and alarms, and rotations that fail.",
  severity: "high",
  fix: "Declare a metric filter on CloudTrail's log group whose pattern is for every such event, and an alarm with an action on its metric.",
  controls: [
    ...watched.flatMap(({ control }) => control ?? []),
    "NIST-800-53r5/AU-6",
    "NIST-800-53r5/SI-4(5)",
    "R48",
  ],
  types: [aws.metricFilter, aws.alarm],
  *judgeStack(resources) {
    if (ofType(resources, aws.trail).length === 0) return;
    const alarmed = new Set(
      ofType(resources, aws.alarm)
        // A filter's metric has no dimensions: with one, it is another metric, which nothing counts.
        .filter((alarm) => acts(alarm) && Object.keys(record(alarm.props.dimensions)).length === 0)
        .map(({ props }) => `${text(props.namespace)}/${text(props.metricName)}`),
    );
    const patterns = ofType(resources, aws.metricFilter)
      .filter(({ urn, props }) => {
        const { namespace, name } = record(props.metricTransformation);
        return alarmed.has(`${text(namespace)}/${text(name)}`) && props.logGroupName === trailsLog(urn);
      })
      .flatMap(({ props }) => patternIn(props) ?? []);
    for (const { what, events } of watched)
      if (!areHeard(events, patterns)) yield { message: `nobody hears of ${what}` };
  },
};

/** Whether each event is met by some pattern; first by the one that met the event before. */
function areHeard(events: readonly object[], patterns: readonly FilterPattern[]): boolean {
  let last: FilterPattern | undefined;
  return events.every((event) => {
    if (last?.(event) === true) return true;
    last = patterns.find((pattern) => pattern(event));
    return last !== undefined;
  });
}

/** Read once, whichever rule asks. */
const read = new WeakMap<Props, FilterPattern | undefined>();

/** The pattern of a filter; undefined where it cannot be read. */
function patternIn(props: Props): FilterPattern | undefined {
  if (read.has(props)) return read.get(props);
  let found: FilterPattern | undefined;
  try {
    found = filterPattern(text(props.pattern) ?? "");
  } catch (error) {
    if (!(error instanceof FilterPatternError)) throw error;
  }
  read.set(props, found);
  return found;
}

function acts({ props }: Resource): boolean {
  return count(props.alarmActions) > 0 && props.actionsEnabled !== false;
}

export const alarmRings: ResourceRule = {
  name: "aws-alarm-rings",
  sentence:
    "An alarm rings at the first event, within five minutes, and again at the next one; one of runs, when none came in two hours at most.",
  severity: "high",
  fix: "Sum over 300 seconds, once, at 1 or more, with missing data taken for notBreaching; of runs over 1800, under 1, for breaching.",
  controls: ["NIST-800-53r5/SI-4(5)", "R48"],
  types: [aws.alarm],
  *judge({ props }) {
    const period = number(props.period);
    if (isOfRuns(props)) {
      // A schedule calls once an hour at least; CloudWatch takes whole minutes.
      if (period === undefined || period < 1200 || period > 7200 || period % 60 !== 0)
        yield "period is not 1200 to 7200 seconds";
    } else if (period === undefined || period < 10 || period > 300) yield "period is not 300 seconds or less";
    if (number(props.evaluationPeriods) !== 1) yield "evaluationPeriods is not 1";
    if (number(props.threshold) !== 1) yield "threshold is not 1";
    const operator = isOfRuns(props) ? "LessThanThreshold" : "GreaterThanOrEqualToThreshold";
    if (props.comparisonOperator !== operator) yield `comparisonOperator is not ${operator}`;
    if (props.statistic !== "Sum" && props.statistic !== "Maximum")
      yield "statistic is neither Sum nor Maximum";
    // Of a function that is not called nothing is counted. Any other alarm would stay in alarm after the last event, and the
    // next one would be no change that is told.
    const missing = isOfRuns(props) ? "breaching" : "notBreaching";
    if (props.treatMissingData !== missing) yield `treatMissingData is not ${missing}`;
    if (props.actionsEnabled === false || count(props.alarmActions) === 0) yield "nobody is told";
  },
};

/** That something happened is what is right: the alarm is for when it did not. */
function isOfRuns({ namespace, metricName }: Props): boolean {
  return text(namespace) === "AWS/Lambda" && text(metricName) === "Invocations";
}

export const filterCounts: ResourceRule = {
  name: "aws-metric-counts",
  sentence: "A metric filter counts each event once, by a pattern that CloudWatch takes.",
  severity: "high",
  fix: 'Set metricTransformation.value to "1", defaultValue to "0", and a pattern in braces of at most 1,024 characters.',
  controls: ["NIST-800-53r5/AU-6", "NIST-800-53r5/SI-4", "R48"],
  types: [aws.metricFilter],
  *judge({ props }) {
    const pattern = text(props.pattern) ?? "";
    // https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
    if (!/^\{ .+ \}$/s.test(pattern) || pattern.length > 1024 || patternIn(props) === undefined)
      yield "pattern is not one that CloudWatch takes";
    const { value, defaultValue } = record(props.metricTransformation);
    if (value !== "1") yield "an event does not count one";
    if (defaultValue !== undefined && defaultValue !== "0") yield "no event does not count nothing";
  },
};

export const functionsWatched: StackRule = {
  name: "aws-failures-alarmed",
  sentence:
    "Somebody hears of each function that fails, waits or is no longer called, and of each queue where something was put aside.",
  severity: "high",
  fix: "Declare alarms on Errors and Throttles of each function, on Invocations of each that a schedule calls, and on ApproximateNumberOfMessagesVisible of each queue.",
  controls: ["NIST-800-53r5/SI-4", "R48"],
  *judgeStack(resources) {
    const heard = new Set(
      ofType(resources, aws.alarm)
        .filter(acts)
        .map(({ props }) => {
          const { FunctionName, QueueName } = record(props.dimensions);
          return `${text(props.namespace)}/${text(props.metricName)} ${text(FunctionName) ?? text(QueueName)}`;
        }),
    );
    const functions = ofType(resources, aws.function);
    const wanted: [what: string, metric: string, of: () => readonly Resource[]][] = [
      ["when it fails", "AWS/Lambda/Errors", () => functions],
      ["when it has to wait", "AWS/Lambda/Throttles", () => functions],
      [
        "when something is put aside",
        "AWS/SQS/ApproximateNumberOfMessagesVisible",
        () => ofType(resources, aws.queue),
      ],
      // Last: what a schedule calls may be known only after the update.
      [
        "when nothing calls it any more",
        "AWS/Lambda/Invocations",
        () => functions.filter(scheduled(resources)),
      ],
    ];
    for (const [what, metric, of] of wanted) {
      for (const each of of()) {
        if (!heard.has(`${metric} ${nameOf(each)}`)) yield { urn: each.urn, message: `nobody hears ${what}` };
      }
    }
  },
};

/** Tells the functions that a schedule calls. */
function scheduled(resources: readonly Resource[]): (each: Resource) => boolean {
  const called = ofType(resources, aws.schedule).map(({ props }) =>
    nameIn(text(record(props.target).arn) ?? ""),
  );
  return (each) => called.includes(nameOf(each));
}
