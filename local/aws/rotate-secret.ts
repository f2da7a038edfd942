import { randomUUID } from "node:crypto";
import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";

export interface RotateSecret {
  secrets: SecretsManagerClient;
  lambda: LambdaClient;
  /** Name or ARN. */
  secret: string;
}

/** The rotation function failed in a step, or left labels where Secrets Manager would not take the rotation for done. */
export class RotationFailedError extends Error {
  override name = "RotationFailedError";
}

const steps = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;

/**
 * What Secrets Manager does at RotateSecret, with what the function said where it fails: it labels a version AWSPENDING, invokes the
 * secret's function once for each step, and sees that the version has come into force. A rotation that did not end is gone on
 * with, by the version that it had.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_how.html
 * @returns the id of the version that is in force now
 * @throws RotationFailedError with what the function said
 */
export async function rotateSecret({ secrets, lambda, secret }: RotateSecret): Promise<string> {
  const found = await describe(secrets, secret);
  const { arn, rotates, rotator } = found;
  if (!rotates || rotator === undefined) {
    throw new RotationFailedError(`${secret} does not rotate: it has no rotation, or no function`);
  }
  const open = versionWith(found, "AWSPENDING");
  const version = open !== undefined && open !== versionWith(found, "AWSCURRENT") ? open : randomUUID();
  if (version !== open) {
    if (open !== undefined) await takeLabel(secrets, arn, open);
    // A label without a value yet, as the function finds it at createSecret.
    await secrets.send(
      new PutSecretValueCommand({
        SecretId: arn,
        ClientRequestToken: version,
        VersionStages: ["AWSPENDING"],
      }),
    );
  }
  for (const step of steps) await invokeStep({ lambda, rotator, arn, version, step });
  const after = await describe(secrets, arn);
  const pending = versionWith(after, "AWSPENDING");
  if (versionWith(after, "AWSCURRENT") !== version || (pending !== undefined && pending !== version)) {
    throw new RotationFailedError(
      `every step of ${secret} succeeded, and version ${version} is not AWSCURRENT or AWSPENDING stayed on another one`,
    );
  }
  return version;
}

/** The emulator would leave a label that moves where it was as well. */
async function takeLabel(secrets: SecretsManagerClient, arn: string, version: string): Promise<void> {
  await secrets.send(
    new UpdateSecretVersionStageCommand({
      SecretId: arn,
      VersionStage: "AWSPENDING",
      RemoveFromVersionId: version,
    }),
  );
}

/** Sends one step's event to the function. @throws RotationFailedError */
export async function invokeStep(event: {
  lambda: LambdaClient;
  rotator: string;
  arn: string;
  version: string;
  step: (typeof steps)[number];
}): Promise<void> {
  const { lambda, rotator, arn, version, step } = event;
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({
      FunctionName: rotator,
      Payload: JSON.stringify({ SecretId: arn, ClientRequestToken: version, Step: step }),
    }),
  );
  if (FunctionError === undefined) return;
  const { errorMessage = FunctionError } = JSON.parse(Buffer.from(Payload ?? []).toString() || "{}") as {
    errorMessage?: string;
  };
  throw new RotationFailedError(errorMessage);
}

interface Described {
  arn: string;
  rotates: boolean;
  rotator: string | undefined;
  versions: Record<string, string[]>;
}

async function describe(secrets: SecretsManagerClient, secret: string): Promise<Described> {
  const found = await secrets.send(new DescribeSecretCommand({ SecretId: secret }));
  return {
    arn: found.ARN ?? secret,
    rotates: found.RotationEnabled === true,
    rotator: found.RotationLambdaARN,
    versions: found.VersionIdsToStages ?? {},
  };
}

function versionWith({ versions }: Described, label: string): string | undefined {
  return Object.keys(versions).find((version) => versions[version]?.includes(label));
}
