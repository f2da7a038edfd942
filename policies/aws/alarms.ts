import type { Control } from "../controls.ts";
import { ofType } from "../resource.ts";
import type { Props, Resource, ResourceRule, StackRule } from "../rule.ts";
import { count, number, record, text } from "../value.ts";
import { nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

interface Watched {
  what: string;
  control?: Control;
  /** A pattern hears of it that has all of these. */
  says: RegExp[];
}

const events = (...names: string[]) => names.map((name) => new RegExp(`eventName\\s*=\\s*"?${name}\\b`));

/**
 * What CIS section 4 wants somebody to hear of, as far as the platform touches it, event by event, and that a rotation
 * failed.
 */
const watched: Watched[] = [
  {
    what: "calls that are refused",
    control: "CIS-AWS-4.0.1/4.1",
    says: [/errorCode\s*=\s*"?\*UnauthorizedOperation/, /errorCode\s*=\s*"?AccessDenied\*/],
  },
  {
    what: "console logins without a second factor",
    control: "CIS-AWS-4.0.1/4.2",
    says: [...events("ConsoleLogin"), /MFAUsed\s*!=\s*"?Yes/],
  },
  {
    what: "uses of the root user",
    control: "CIS-AWS-4.0.1/4.3",
    says: [/userIdentity\.type\s*=\s*"?Root/, /invokedBy NOT EXISTS/, /eventType\s*!=\s*"?AwsServiceEvent/],
  },
  {
    what: "changes of IAM policies",
    control: "CIS-AWS-4.0.1/4.4",
    says: events(
      ..."DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy PutGroupPolicy PutRolePolicy PutUserPolicy".split(
        " ",
      ),
      ..."CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion AttachRolePolicy".split(" "),
      ..."DetachRolePolicy AttachUserPolicy DetachUserPolicy AttachGroupPolicy DetachGroupPolicy".split(" "),
    ),
  },
  {
    what: "changes of CloudTrail",
    control: "CIS-AWS-4.0.1/4.5",
    says: events("CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"),
  },
  {
    what: "console logins that fail",
    control: "CIS-AWS-4.0.1/4.6",
    says: [...events("ConsoleLogin"), /errorMessage\s*=\s*"Failed authentication"/],
  },
  {
    what: "keys that are disabled or deleted",
    control: "CIS-AWS-4.0.1/4.7",
    says: events("DisableKey", "ScheduleKeyDeletion"),
  },
  {
    what: "changes of bucket policies",
    control: "CIS-AWS-4.0.1/4.8",
    says: events(
      ..."PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication".split(" "),
      ..."DeleteBucketPolicy DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication".split(" "),
    ),
  },
  {
    what: "changes of second factors, passwords and identity providers",
    says: events(
      ..."DeactivateMFADevice UpdateAccountPasswordPolicy AddClientIDToOpenIDConnectProvider".split(" "),
      "UpdateOpenIDConnectProviderThumbprint",
    ),
  },
  {
    what: "alarms that are silenced",
    says: events(
      ..."DeleteAlarms DisableAlarmActions DeleteMetricFilter DeleteLogGroup PutRetentionPolicy Unsubscribe".split(
        " ",
      ),
    ),
  },
  { what: "schedules that are changed", says: events("DeleteSchedule", "UpdateSchedule") },
  { what: "rotations that fail or are ended", says: events("RotationFailed", "CancelRotateSecret") },
];

export const alarmsOfCis: StackRule = {
  name: "aws-alarms",
  sentence:
    "Somebody hears of refused calls, root, logins without a second factor, changes of IAM, trails, keys, buckets, schedules and alarms, and rotations that fail.",
  severity: "high",
  fix: "Declare a metric filter on CloudTrail's log group with every event, and an alarm with an action on its metric.",
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
        .filter(acts)
        .map(({ props }) => `${text(props.namespace)}/${text(props.metricName)}`),
    );
    const patterns = ofType(resources, aws.metricFilter)
      .filter(({ props }) => {
        const { namespace, name } = record(props.metricTransformation);
        return alarmed.has(`${text(namespace)}/${text(name)}`);
      })
      .map(({ props }) => text(props.pattern) ?? "");
    for (const { what, says } of watched) {
      if (!patterns.some((pattern) => says.every((part) => part.test(pattern))))
        yield { message: `nobody hears of ${what}` };
    }
  },
};

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
    if (!/^\{ .+ \}$/s.test(pattern) || pattern.length > 1024)
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
