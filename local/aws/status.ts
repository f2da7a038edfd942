import { DescribeTrailsCommand, GetTrailStatusCommand } from "@aws-sdk/client-cloudtrail";
import { paginateDescribeAlarms } from "@aws-sdk/client-cloudwatch";
import { GetScheduleCommand, paginateListSchedules } from "@aws-sdk/client-scheduler";
import { paginateListSecrets } from "@aws-sdk/client-secrets-manager";
import { GetQueueAttributesCommand, paginateListQueues } from "@aws-sdk/client-sqs";
import { type Aws, clientsOf } from "../providers/aws/clients.ts";
import { isBuilt } from "../services/emulator/built.ts";
import { account, region } from "../services/emulator/index.ts";

/** One thing of the account that somebody looks at to see whether it works. */
export interface AccountStatus {
  what: "account" | "trail" | "alarms" | "schedule" | "secret" | "queue";
  /** Its name in AWS; the number of alarms. */
  name: string;
  state:
    | "not built"
    | "recording"
    | "stopped"
    | "quiet"
    | "ringing"
    | "enabled"
    | "disabled"
    | "rotates"
    | "empty"
    | "holds";
  /** When a schedule runs, since when a value is in force, which alarms ring, what to do. */
  detail: string;
  isWell: boolean;
}

/**
 * What the account in a running emulator does: whether it is recorded, what rings, what is called when, what rotates,
 * what was put aside. Changes nothing and reads no value.
 * @param home the state folder
 */
export async function accountStatus(home: string, endpoint: string): Promise<AccountStatus[]> {
  if (!(await isBuilt(home))) {
    const detail = "the emulator was started anew, or its update did not end: npm run up builds it";
    return [{ what: "account", name: account, state: "not built", detail, isWell: false }];
  }
  const aws = clientsOf({ endpoint, account, region });
  try {
    const parts = await Promise.all([trails(aws), alarms(aws), schedules(aws), secrets(aws), queues(aws)]);
    return parts.flat();
  } finally {
    aws.close();
  }
}

async function trails({ trail }: Aws): Promise<AccountStatus[]> {
  const { trailList = [] } = await trail.send(new DescribeTrailsCommand({}));
  return Promise.all(
    trailList.map(async ({ Name = "" }) => {
      const { IsLogging: isWell = false } = await trail.send(new GetTrailStatusCommand({ Name }));
      return { what: "trail", name: Name, state: isWell ? "recording" : "stopped", detail: "", isWell };
    }),
  );
}

async function alarms({ metrics: client }: Aws): Promise<AccountStatus[]> {
  let count = 0;
  const ringing: string[] = [];
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client }, {})) {
    count += MetricAlarms.length;
    for (const { AlarmName = "", StateValue } of MetricAlarms)
      if (StateValue === "ALARM") ringing.push(AlarmName);
  }
  if (count === 0) return [];
  const isWell = ringing.length === 0;
  const state = isWell ? "quiet" : "ringing";
  return [{ what: "alarms", name: String(count), state, detail: ringing.sort().join(", "), isWell }];
}

async function schedules({ scheduler: client }: Aws): Promise<AccountStatus[]> {
  const found: AccountStatus[] = [];
  for await (const { Schedules = [] } of paginateListSchedules({ client }, {})) {
    for (const { Name = "", GroupName, State } of Schedules) {
      const { ScheduleExpression = "" } = await client.send(new GetScheduleCommand({ Name, GroupName }));
      const isWell = State === "ENABLED";
      const state = isWell ? "enabled" : "disabled";
      found.push({ what: "schedule", name: Name, state, detail: ScheduleExpression, isWell });
    }
  }
  return found;
}

async function secrets({ secrets: client }: Aws): Promise<AccountStatus[]> {
  const found: AccountStatus[] = [];
  for await (const { SecretList = [] } of paginateListSecrets({ client }, {})) {
    for (const { Name = "", RotationEnabled: isWell = false, LastChangedDate } of SecretList) {
      const detail =
        LastChangedDate === undefined ? "no value yet" : `since ${LastChangedDate.toISOString()}`;
      found.push({ what: "secret", name: Name, state: isWell ? "rotates" : "stopped", detail, isWell });
    }
  }
  return found;
}

async function queues({ sqs: client }: Aws): Promise<AccountStatus[]> {
  const found: AccountStatus[] = [];
  for await (const { QueueUrls = [] } of paginateListQueues({ client }, {})) {
    for (const QueueUrl of QueueUrls) {
      const asked = new GetQueueAttributesCommand({
        QueueUrl,
        AttributeNames: ["ApproximateNumberOfMessages"],
      });
      const held = Number((await client.send(asked)).Attributes?.ApproximateNumberOfMessages ?? 0);
      const name = QueueUrl.slice(QueueUrl.lastIndexOf("/") + 1);
      const detail = held === 0 ? "" : `${held} that failed`;
      found.push({ what: "queue", name, state: held === 0 ? "empty" : "holds", detail, isWell: held === 0 });
    }
  }
  return found;
}
