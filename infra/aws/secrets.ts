import type { Key } from "@pulumi/aws/kms/key.js";
import { Secret } from "@pulumi/aws/secretsmanager/secret.js";
import { SecretPolicy } from "@pulumi/aws/secretsmanager/secretPolicy.js";
import { SecretRotation } from "@pulumi/aws/secretsmanager/secretRotation.js";
import { ComponentResource } from "@pulumi/pulumi";
import type { AwsSecret } from "../../model/aws.ts";
import { dataHolding } from "../retention.ts";
import type { RotationFunction } from "./functions.ts";

/** The place of a database user's password, for the roles that read it there. The function makes and rotates the value. */
export class DatabaseUserSecret extends ComponentResource {
  constructor(
    name: string,
    { secret, key, rotator }: { secret: AwsSecret; key: Key; rotator: RotationFunction },
  ) {
    super("keyplane:aws:DatabaseUserSecret", name);
    const opts = { parent: this };
    const place = new Secret(
      `${name}-secret`,
      {
        name: secret.name,
        description: `The Postgres user ${secret.user}, which rotates.`,
        kmsKeyId: key.arn,
        recoveryWindowInDays: 30,
      },
      { ...opts, ...dataHolding() },
    );
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
