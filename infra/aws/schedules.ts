import type { Function as LambdaFunction } from "@pulumi/aws/lambda/function.js";
import { Schedule } from "@pulumi/aws/scheduler/schedule.js";
import type { Queue } from "@pulumi/aws/sqs/queue.js";
import type { AwsSchedule } from "../../model/aws.ts";
import type { DeclaredRole } from "./roles.ts";

/** Calls a function by the clock, tries again, and puts aside what fails. */
export function declareSchedule(
  { name, group, expression, window, attempts, oldest }: AwsSchedule,
  { target, role, deadLetters }: { target: LambdaFunction; role: DeclaredRole; deadLetters: Queue },
): Schedule {
  return new Schedule(
    name,
    {
      name,
      groupName: group,
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
