import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeAlarmsCommand, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { GetRolePolicyCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { CreateScheduleCommand, GetScheduleCommand, UpdateScheduleCommand } from "@aws-sdk/client-scheduler";
import { ListTopicsCommand, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
} from "@aws-sdk/client-sqs";
import { accountStatus } from "../../local/aws/status.ts";
import { type Aws, clientsOf } from "../../local/providers/aws/clients.ts";
import { auditFiles } from "../../local/services/index.ts";
import type { AwsModel } from "../../model/aws.ts";
import { AuditTrail } from "../../operations/audit/trail.ts";
import { startStack, type TestStack } from "./stack.ts";
import { copyCatalogue } from "./support/catalogue-copy.ts";
import { asRoot } from "./support/credentials.ts";

let catalogue: Awaited<ReturnType<typeof copyCatalogue>>;
let stack: TestStack;
let aws: Aws;
let account: AwsModel;
const runner = "keyplane-local-rotate-due";

before(async () => {
  // What a job alone reads is delivered from anywhere, so the function rotates it.
  catalogue = await copyCatalogue(
    /\nsecrets:\n([\s\S]*)reads: \[openai, secret-key\]/,
    `\nsecrets:
  deploy-key: { class: critical, kind: jwt, rotate: { every: 30d }, impact: The next deployment signs anew, consumers: {} }
$1reads: [openai, secret-key, deploy-key]`,
    "systems/solo.yaml",
  );
  stack = await startStack({ catalogue: catalogue.folder });
  aws = clientsOf(stack.first.services.aws);
  assert.ok(stack.first.model.aws);
  account = stack.first.model.aws;
});
after(async () => {
  aws?.close();
  await stack?.[Symbol.asyncDispose]();
  await catalogue?.[Symbol.asyncDispose]();
});

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 180_000; Date.now() < end; await sleep(250)) {
    const found = await ask();
    if (found !== undefined) return found;
  }
  return assert.fail(`${what} did not come within three minutes`);
}

/** The next message of a queue in which a text stands. */
async function messageOf(QueueUrl: string | undefined, text: string): Promise<string> {
  return until(`a message with ${text}`, async () => {
    const asked = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 });
    const { Messages = [] } = await aws.sqs.send(asked);
    return Messages.find(({ Body }) => Body?.includes(text))?.Body;
  });
}

async function stateOf(alarm: string): Promise<string | undefined> {
  const { MetricAlarms = [] } = await aws.metrics.send(new DescribeAlarmsCommand({ AlarmNames: [alarm] }));
  return MetricAlarms[0]?.StateValue;
}

const asked = "ApproximateNumberOfMessages";

/**
 * Tells CloudWatch how many messages lie in the queue for dead letters, as SQS does every minute and the emulator's never
 * does; the alarm that is declared is then looked at by the emulator. @returns how many
 */
async function countDeadLetters(QueueUrl: string | undefined): Promise<number> {
  const { Attributes } = await aws.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [asked] }),
  );
  const Value = Number(Attributes?.[asked]);
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
  const MetricName = "ApproximateNumberOfMessagesVisible";
  const Dimensions = [{ Name: "QueueName", Value: account.deadLetters }];
  await aws.metrics.send(
    new PutMetricDataCommand({ Namespace: "AWS/SQS", MetricData: [{ MetricName, Dimensions, Value }] }),
  );
  return Value;
}

/** Takes the value of a secret away, lets something happen, and waits until the runner has made another one. */
async function madeAgain(happen: () => Promise<unknown>): Promise<void> {
  const { model, services } = stack.first;
  const secret = model.secrets.find(({ id }) => id === "solo/deploy-key");
  assert.ok(secret);
  const { root, end } = await asRoot(stack.running);
  try {
    const { kv } = model.vault.mounts;
    await root.delete(`${kv}/metadata/${secret.source}`);
    const trail = await AuditTrail.follow(auditFiles(services));
    await happen();
    const read = () => root.read<{ metadata: { version: number } }>(`${kv}/data/${secret.source}`);
    const { metadata } = await until(`a value of ${secret.id}`, read);
    assert.equal(metadata.version, 1);
    const who = `aws-${runner}/${runner}`;
    assert.ok(await trail.find({ path: "auth/aws/login", who, outcome: "allowed" }));
  } finally {
    await end();
  }
}

/** A schedule with the declared target, role and what becomes of failures; its time is now. */
async function callNow(as: string): Promise<string> {
  const declared = { Name: runner, GroupName: account.scheduleGroup };
  const { Target, State } = await aws.scheduler.send(new GetScheduleCommand(declared));
  assert.deepEqual([State, Target?.RetryPolicy?.MaximumRetryAttempts], ["ENABLED", 3]);
  const { ScheduleArn = "" } = await aws.scheduler.send(
    new CreateScheduleCommand({
      ...{ ...declared, Name: `${runner}-${as}`, Target },
      ScheduleExpression: `at(${new Date().toISOString().slice(0, 19)})`,
      FlexibleTimeWindow: { Mode: "OFF" },
    }),
  );
  return ScheduleArn;
}

test("a schedule calls the runner as the declared one does: what has no value gets one (R14)", async () => {
  await madeAgain(() => callNow("now"));
});

test("what a schedule's role may not call lies among the dead letters, with why", async () => {
  const rights = { RoleName: "keyplane-local-scheduler", PolicyName: "rights" };
  const { PolicyDocument = "" } = await aws.iam.send(new GetRolePolicyCommand(rights));
  const written = decodeURIComponent(PolicyDocument);
  const without = written.replace("lambda:InvokeFunction", "lambda:GetFunction");
  assert.notEqual(without, written);
  const { QueueUrl } = await aws.sqs.send(new GetQueueUrlCommand({ QueueName: account.deadLetters }));
  await aws.iam.send(new PutRolePolicyCommand({ ...rights, PolicyDocument: without }));
  try {
    const schedule = await callNow("refused");
    const letter = await until("a dead letter of the schedule", async () => {
      const asked = new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ["All"] });
      return (await aws.sqs.send(asked)).Messages?.[0];
    });
    const { ERROR_CODE, SCHEDULE_ARN } = letter.MessageAttributes ?? {};
    assert.deepEqual(
      [ERROR_CODE?.StringValue, SCHEDULE_ARN?.StringValue],
      ["AccessDeniedException", schedule],
    );
    await aws.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: letter.ReceiptHandle }));
  } finally {
    await aws.iam.send(new PutRolePolicyCommand({ ...rights, PolicyDocument: written }));
  }
});

test("the declared schedule calls the runner as it is declared, but for its minute, which is the next one (R14)", async () => {
  const declared = await aws.scheduler.send(
    new GetScheduleCommand({ Name: runner, GroupName: account.scheduleGroup }),
  );
  const { Name, GroupName, Target, State, ScheduleExpressionTimezone, FlexibleTimeWindow } = declared;
  const written = declared.ScheduleExpression ?? "";
  assert.match(written, /^cron\([\d,]+ \* \* \* \? \*\)$/);
  assert.equal(written, account.schedules[0]?.expression);
  const callAt = (ScheduleExpression: string) =>
    aws.scheduler.send(
      new UpdateScheduleCommand({
        ...{
          Name,
          GroupName,
          Target,
          State,
          ScheduleExpressionTimezone,
          FlexibleTimeWindow,
          ScheduleExpression,
        },
      }),
    );
  const minute = (new Date().getUTCMinutes() + 1) % 60;
  await madeAgain(() => callAt(written.replace(/^cron\([\d,]+/, `cron(${minute}`)));
  await callAt(written);
});

async function invoke() {
  const { FunctionError, Payload } = await aws.lambda.send(new InvokeCommand({ FunctionName: runner }));
  const answer = JSON.parse(Buffer.from(Payload ?? []).toString()) as unknown;
  return { failed: FunctionError !== undefined, answer };
}

test("a run that fails sets the declared alarm, which tells the topic; tried three times, it lies in the dead-letter queue, whose alarm tells it as well", async () => {
  const { root, end } = await asRoot(stack.running);
  const role = "auth/aws/role/keyplane.rotate";
  const arn = `arn:aws:iam::${account.account}:role/${runner}`;
  const Policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: "*",
      },
    ],
  });
  const { QueueUrl: heard } = await aws.sqs.send(
    new CreateQueueCommand({ QueueName: "heard", Attributes: { Policy } }),
  );
  const asked = new GetQueueAttributesCommand({ QueueUrl: heard, AttributeNames: ["QueueArn"] });
  const { QueueArn } = (await aws.sqs.send(asked)).Attributes ?? {};
  const { Topics = [] } = await aws.sns.send(new ListTopicsCommand({}));
  const topic = Topics.find(({ TopicArn }) => TopicArn?.endsWith(`:${account.topic.name}`));
  assert.ok(topic);
  await aws.sns.send(new SubscribeCommand({ TopicArn: topic.TopicArn, Protocol: "sqs", Endpoint: QueueArn }));
  const queue = new GetQueueUrlCommand({ QueueName: account.deadLetters });
  const { QueueUrl: letters } = await aws.sqs.send(queue);
  const aside = "keyplane-local-put-aside";
  try {
    assert.equal(await countDeadLetters(letters), 0);
    await until("the alarm's first look", async () => ((await stateOf(aside)) === "OK" ? true : undefined));
    // Vault lets the function in no longer.
    await root.write(role, { bound_iam_principal_arn: [`${arn}-of-somebody-else`] });
    assert.equal((await invoke()).failed, true);
    // The emulator counts the errors of invocations that are waited for, and looks at alarms when a number is sent.
    await aws.metrics.send(
      new PutMetricDataCommand({ Namespace: "any", MetricData: [{ MetricName: "any", Value: 1 }] }),
    );
    const alarm = `${runner}-failed`;
    await until("the alarm", async () => ((await stateOf(alarm)) === "ALARM" ? true : undefined));
    // The emulator looks at no dimension of a metric: the other function's alarm rings as well.
    const told = JSON.parse(await messageOf(heard, alarm)) as { Message: string };
    const { AlarmName, NewStateValue } = JSON.parse(told.Message) as Record<string, string>;
    assert.deepEqual([AlarmName, NewStateValue], [alarm, "ALARM"]);

    // Scheduler hands its event to Lambda's queue, which tries it again and puts it aside.
    await callNow("failing");
    assert.equal(await stateOf(aside), "OK");
    // Counted before anybody takes it out.
    const count = async () => ((await countDeadLetters(letters)) > 0 ? true : undefined);
    await until("a dead letter", count);
    await until("the alarm of dead letters", async () =>
      (await stateOf(aside)) === "ALARM" ? true : undefined,
    );
    await messageOf(heard, aside);
    const letter = JSON.parse(await messageOf(letters, "RetriesExhausted")) as {
      requestContext: { functionArn: string; condition: string };
      responsePayload: { errorMessage: string };
    };
    assert.match(letter.requestContext.functionArn, new RegExp(`:function:${runner}$`));
    assert.equal(letter.requestContext.condition, "RetriesExhausted");
    assert.match(letter.responsePayload.errorMessage, /auth\/aws\/login: 400/);

    const status = await accountStatus(stack.home, stack.first.services.aws.endpoint);
    const ringing = status.find(({ what }) => what === "alarms");
    const rung = ringing?.detail.split(", ") ?? [];
    assert.deepEqual([ringing?.isWell, rung.includes(alarm), rung.includes(aside)], [false, true, true]);
  } finally {
    await root.write(role, { bound_iam_principal_arn: [arn] });
    await end();
  }
  assert.equal((await invoke()).failed, false);
});
