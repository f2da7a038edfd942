import type { Function as LambdaFunction } from "@pulumi/aws/lambda/function.js";
import { Schedule } from "@pulumi/aws/scheduler/schedule.js";
import { ScheduleGroup } from "@pulumi/aws/scheduler/scheduleGroup.js";
import type { Queue } from "@pulumi/aws/sqs/queue.js";
import type { AwsSchedule } from "../../model/aws.ts";
import type { DeclaredRole } from "./roles.ts";

/** What the schedules are in, and their role is taken for. */
export function declareScheduleGroup(name: string): ScheduleGroup {
  return new ScheduleGroup(name, { name });
}

/** Calls a function by the clock, tries again, and puts aside what fails. */
export function declareSchedule(
  { name, expression, window, attempts, oldest }: AwsSchedule,
  {
    group,
    target,
    role,
    deadLetters,
  }: { group: ScheduleGroup; target: LambdaFunction; role: DeclaredRole; deadLetters: Queue },
): Schedule {
  return new Schedule(
    name,
    {
      name,
      groupName: group.name,
      scheduleExpression: expression,
      scheduleExpressionTimezone: "UTC",
      flexibleTimeWindow: { mode: "FLEXIBLE", maximumWindowInMinutes: window },
      state: "ENABLED",
      target: {
        arn: target.arn,
        roleArn: role.role.arn,
        retryPolicy: { maximumRetryAttempts: attempts, maximumEventAgeInSeconds: oldest },
        deadLetterConfig: { arn: deadLetters.arn },
      },
    },
    { dependsOn: role.rights },
  );
}
