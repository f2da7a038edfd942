import type { Key } from "@pulumi/aws/kms/key.js";
import { Secret } from "@pulumi/aws/secretsmanager/secret.js";
import { SecretPolicy } from "@pulumi/aws/secretsmanager/secretPolicy.js";
import { SecretRotation } from "@pulumi/aws/secretsmanager/secretRotation.js";
import { ComponentResource } from "@pulumi/pulumi";
import type { AwsSecret } from "../../model/aws.ts";
import { dataHolding } from "../retention.ts";
import type { RotationFunction } from "./functions.ts";

/**
 * The place of a database user's password, for the roles that read it there. The function makes and rotates the value; of a
 * retired user, who has none, it stays, and nobody reads it.
 */
export class DatabaseUserSecret extends ComponentResource {
  constructor(
    name: string,
    { secret, key, rotator }: { secret: AwsSecret; key: Key; rotator?: RotationFunction },
  ) {
    super("keyplane:aws:DatabaseUserSecret", name);
    const opts = { parent: this };
    const place = new Secret(
      `${name}-secret`,
      {
        name: secret.name,
        description: described(secret),
        kmsKeyId: key.arn,
        recoveryWindowInDays: 30,
      },
      { ...opts, ...dataHolding(secret.retired) },
    );
    if (rotator === undefined) {
      this.registerOutputs();
      return;
    }
    new SecretPolicy(
      `${name}-readers`,
      { secretArn: place.arn, policy: JSON.stringify(secret.policy), blockPublicPolicy: true },
      opts,
    );
    new SecretRotation(
      `${name}-rotation`,
      {
        secretId: place.id,
        rotationLambdaArn: rotator.resource.arn,
        // At a time of its own within three hours, so that not all rotate at once.
        rotationRules: { automaticallyAfterDays: secret.every, duration: "3h" },
      },
      { ...opts, dependsOn: rotator.callable },
    );
    this.registerOutputs();
  }
}

/** Says so where the entry is retired: a rule lets the place lose its protection by these words alone. */
function described({ user, retired }: AwsSecret): string {
  if (retired === undefined) return `The Postgres user ${user}, which rotates.`;
  return `The Postgres user ${user}, retired since ${retired.since}${retired.delete ? ", to be deleted" : ""}.`;
}
