import type { ResourceRule } from "../rule.ts";
import { number, record, text } from "../value.ts";
import { aws } from "./types.ts";

export const scheduleRetries: ResourceRule = {
  name: "aws-schedule-on",
  sentence: "A schedule of rotations is on, retries, and puts what fails aside.",
  severity: "high",
  fix: "Leave state ENABLED and set target.deadLetterConfig.",
  controls: ["OWASP-Secrets/2.7.2-rotation", "R14"],
  types: [aws.schedule],
  *judge({ props }) {
    if (props.state !== undefined && props.state !== "ENABLED") yield "the schedule is off";
    const target = record(props.target);
    if (text(record(target.deadLetterConfig).arn) === undefined) yield "target.deadLetterConfig is not set";
    // Without a policy EventBridge tries 185 times within a day.
    const { maximumRetryAttempts = 185, maximumEventAgeInSeconds = 86_400 } = record(target.retryPolicy);
    const [attempts, age] = [number(maximumRetryAttempts) ?? 0, number(maximumEventAgeInSeconds) ?? 0];
    if (attempts < 1) yield "it never tries again";
    if (attempts > 185 || age < 60 || age > 86_400) yield "it tries again as EventBridge cannot";
  },
};

export const scheduleOften: ResourceRule = {
  name: "aws-schedule-often",
  sentence:
    "What is due is looked for at least once an hour, by a clock that does not change with the season.",
  severity: "high",
  fix: "Write scheduleExpression as rate(15 minutes) or a cron of every hour, in UTC, with a window of 15 minutes at most.",
  controls: ["OWASP-Secrets/2.7.2-rotation", "R14"],
  types: [aws.schedule],
  *judge({ props }) {
    if (!isHourly(text(props.scheduleExpression) ?? ""))
      yield "scheduleExpression is not once an hour or oftener";
    if (props.scheduleExpressionTimezone !== undefined && props.scheduleExpressionTimezone !== "UTC")
      yield "scheduleExpressionTimezone is not UTC";
    const { mode, maximumWindowInMinutes } = record(props.flexibleTimeWindow);
    const window = number(maximumWindowInMinutes) ?? 0;
    if (mode !== "OFF" && (mode !== "FLEXIBLE" || window < 1 || window > 15))
      yield "flexibleTimeWindow is neither OFF nor of 1 to 15 minutes";
  },
};

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html */
function isHourly(expression: string): boolean {
  const [, count, unit] = /^rate\((\d+) (minutes?|hours?)\)$/.exec(expression) ?? [];
  if (count !== undefined)
    return Number(count) > 0 && (unit?.startsWith("minute") ? Number(count) <= 60 : count === "1");
  return /^cron\(([0-5]?\d(,[0-5]?\d)*|\*(\/\d+)?|0\/\d+) \* \* \* \? \*\)$/.test(expression);
}
