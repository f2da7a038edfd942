import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from "@aws-sdk/client-cloudwatch";
import { InvokeCommand, PutFunctionEventInvokeConfigCommand } from "@aws-sdk/client-lambda";
import { CreateScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { here, type ScheduledRunner, startScheduledRunner } from "./scheduled-runner.ts";

let stack: ScheduledRunner;
const ends: (() => Promise<void>)[] = [];

before(async () => {
  stack = await startScheduledRunner({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

function clients() {
  const { endpoint, region, account } = stack.aws;
  const options = { endpoint, region, credentials: { accessKeyId: account, secretAccessKey: "test" } };
  return {
    sqs: new SQSClient(options),
    scheduler: new SchedulerClient(options),
    metrics: new CloudWatchClient(options),
  };
}

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(250)) {
    const found = await ask();
    if (found !== undefined) return found;
  }
  return assert.fail(`${what} did not come within two minutes`);
}

test("the schedule starts a run; one that fails sets the alarm, is tried again, and reaches the dead-letter queue", async () => {
  const { aws, role, model, env } = stack;
  const { sqs, scheduler, metrics } = clients();
  const queue = async (QueueName: string) => {
    const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName }));
    const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] });
    return { url: QueueUrl, arn: (await sqs.send(asked)).Attributes?.QueueArn ?? "" };
  };
  const letters = await queue("rotate-due-failed");

  const well = await aws.function("rotate-due", { as: "well", role, env, shipping: { model } });
  const access = JSON.parse(env.KEYPLANE_VAULT ?? "") as Record<string, string>;
  const cutOff = { KEYPLANE_VAULT: JSON.stringify({ ...access, address: "https://127.0.0.1:1" }) };
  const ill = await aws.function("rotate-due", { as: "ill", role, env: cutOff, shipping: { model } });
  await aws.lambda.send(
    new PutFunctionEventInvokeConfigCommand({
      FunctionName: "ill",
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: letters.arn } },
    }),
  );
  await metrics.send(
    new PutMetricAlarmCommand({
      AlarmName: "rotate-due-fails",
      Namespace: "AWS/Lambda",
      MetricName: "Errors",
      Dimensions: [{ Name: "FunctionName", Value: "ill" }],
      Statistic: "Sum",
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
    }),
  );
  for (const [Name, Arn] of [
    ["well", well],
    ["ill", ill],
  ] as const) {
    await scheduler.send(
      new CreateScheduleCommand({
        Name,
        ScheduleExpression: `at(${new Date().toISOString().slice(0, 19)})`,
        FlexibleTimeWindow: { Mode: "OFF" },
        Target: { Arn, RoleArn: role, RetryPolicy: { MaximumRetryAttempts: 2 } },
      }),
    );
  }

  await until("the values that the scheduled run makes", async () => {
    const found = await Promise.all(here.map((id) => stack.source(id)));
    return found.includes(undefined) ? undefined : found;
  });
  // The emulator counts the errors of invocations that are waited for, and looks at alarms when a number is sent.
  assert.equal((await aws.invoke("ill", {})).failed, true);
  await metrics.send(
    new PutMetricDataCommand({ Namespace: "keyplane", MetricData: [{ MetricName: "any", Value: 1 }] }),
  );
  await until("the alarm", async () => {
    const { MetricAlarms = [] } = await metrics.send(
      new DescribeAlarmsCommand({ AlarmNames: ["rotate-due-fails"] }),
    );
    return MetricAlarms[0]?.StateValue === "ALARM" ? true : undefined;
  });
  // Scheduler hands its event to Lambda's queue, which tries again; the emulator's runs the function once and drops it. So
  // the same event comes the way that Scheduler sends it.
  const sent = new InvokeCommand({ FunctionName: ill, InvocationType: "Event", Payload: "{}" });
  await aws.lambda.send(sent);
  const { Body = "" } = await until("the dead letter", async () => {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: letters.url }));
    return Messages[0];
  });
  const letter = JSON.parse(Body) as {
    requestContext: { functionArn: string; condition: string };
    responsePayload: { errorMessage: string };
  };
  assert.deepEqual(
    [letter.requestContext.functionArn, letter.requestContext.condition],
    [ill, "RetriesExhausted"],
  );
  assert.match(
    letter.responsePayload.errorMessage,
    /^Vault at https:\/\/127\.0\.0\.1:1 could not be reached/,
  );
});
