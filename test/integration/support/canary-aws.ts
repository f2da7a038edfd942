import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { LookupEventsCommand } from "@aws-sdk/client-cloudtrail";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { GetQueueUrlCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { stepNames } from "../../../lambdas/rotate-postgres/event.ts";
import { invokeStep, rotateSecret } from "../../../local/aws/rotate-secret.ts";
import { type Aws, clientsOf } from "../../../local/providers/aws/clients.ts";
import type { AwsModel } from "../../../model/aws.ts";

export interface CanaryAws {
  place: Parameters<typeof clientsOf>[0];
  account: AwsModel;
  add(name: string, value: string): void;
  /** Keeps what was said or written down somewhere. */
  said(where: string, text: string): void;
}

/**
 * Has the functions of AWS rotate: a database user in Secrets Manager twice, what is due once, and both with events that
 * fail. Keeps their answers and logs, the account's trail, and what was put aside.
 */
export async function useFunctions(canary: CanaryAws): Promise<void> {
  const { place, account, said } = canary;
  const aws = clientsOf(place);
  try {
    for (const { name, function: rotator } of account.secrets) {
      await addValues(canary, aws, name);
      for (let turn = 0; turn < 2; turn++) {
        const version = await rotateSecret({ ...aws, secret: name });
        await addValues(canary, aws, name);
        // Once more, for what is said of it.
        for (const step of stepNames) {
          const event = { SecretId: name, ClientRequestToken: version, Step: step };
          await invoke(canary, aws, rotator, event);
        }
      }
      const wrong = { lambda: aws.lambda, rotator, arn: name, version: "of-no-rotation", step: stepNames[1] };
      const error: unknown = await invokeStep(wrong).catch((error: unknown) => error);
      assert.ok(error instanceof Error);
      said(`error of ${rotator}`, `${error.message}\n${error.stack}`);
      await putAside(canary, aws, rotator);
    }
    for (const { function: runner } of account.schedules) await invoke(canary, aws, runner, {});
    said("events of CloudTrail", JSON.stringify(await events(aws)));
  } finally {
    aws.close();
  }
}

async function invoke({ said }: CanaryAws, { lambda }: Aws, name: string, event: unknown): Promise<void> {
  const { Payload, LogResult } = await lambda.send(
    new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event), LogType: "Tail" }),
  );
  said(`answer of ${name}`, Buffer.from(Payload ?? []).toString());
  said(`log of ${name}`, Buffer.from(LogResult ?? "", "base64").toString());
}

/** An event that fails three times, and what then lies among the dead letters. */
async function putAside({ account, said }: CanaryAws, { lambda, sqs }: Aws, name: string): Promise<void> {
  await lambda.send(new InvokeCommand({ FunctionName: name, InvocationType: "Event", Payload: "{}" }));
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: account.deadLetters }));
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(250)) {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    if (Messages.length === 0) continue;
    return said("messages that were put aside", JSON.stringify(Messages));
  }
  assert.fail("no message was put aside within a minute");
}

async function addValues({ add }: CanaryAws, { secrets }: Aws, name: string): Promise<void> {
  for (const label of ["AWSCURRENT", "AWSPREVIOUS"]) {
    const asked = new GetSecretValueCommand({ SecretId: name, VersionStage: label });
    const { SecretString } = await secrets.send(asked).catch(() => ({ SecretString: undefined }));
    if (SecretString !== undefined) {
      add(`${name} ${label}`, (JSON.parse(SecretString) as { password: string }).password);
    }
  }
}

/** All that the trail has, page after page. */
async function events({ trail }: Aws): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let NextToken: string | undefined; ; ) {
    const page = await trail.send(
      new LookupEventsCommand({
        LookupAttributes: [{ AttributeKey: "EventSource", AttributeValue: "secretsmanager.amazonaws.com" }],
        ...(NextToken !== undefined && { NextToken }),
      }),
    );
    found.push(...(page.Events ?? []));
    NextToken = page.NextToken;
    if (NextToken === undefined) return found;
  }
}
