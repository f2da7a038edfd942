import { CloudTrailClient } from "@aws-sdk/client-cloudtrail";
import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { IAMClient } from "@aws-sdk/client-iam";
import { KMSClient } from "@aws-sdk/client-kms";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { S3Client } from "@aws-sdk/client-s3";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";

/** AWS' own clients, all against one endpoint. */
export interface Aws {
  account: string;
  region: string;
  iam: IAMClient;
  kms: KMSClient;
  s3: S3Client;
  trail: CloudTrailClient;
  logs: CloudWatchLogsClient;
  metrics: CloudWatchClient;
  sns: SNSClient;
  sqs: SQSClient;
  lambda: LambdaClient;
  scheduler: SchedulerClient;
  secrets: SecretsManagerClient;
  close(): void;
}

/** Clients of the emulator, with the key of the account as a whole: its number, and any secret. */
export function clientsOf({
  endpoint,
  account,
  region,
}: {
  endpoint: string;
  account: string;
  region: string;
}): Aws {
  const settings = { endpoint, region, credentials: { accessKeyId: account, secretAccessKey: account } };
  const clients = {
    iam: new IAMClient(settings),
    kms: new KMSClient(settings),
    s3: new S3Client({ ...settings, forcePathStyle: true }),
    trail: new CloudTrailClient(settings),
    logs: new CloudWatchLogsClient(settings),
    metrics: new CloudWatchClient(settings),
    sns: new SNSClient(settings),
    sqs: new SQSClient(settings),
    lambda: new LambdaClient(settings),
    scheduler: new SchedulerClient(settings),
    secrets: new SecretsManagerClient(settings),
  };
  return {
    account,
    region,
    ...clients,
    close: () => {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}
