import { Alias } from "@pulumi/aws/kms/alias.js";
import { Key } from "@pulumi/aws/kms/key.js";
import type { Resource } from "@pulumi/pulumi";
import type { AwsKey, KeyName } from "../../model/aws.ts";
import { dataHolding } from "../retention.ts";

/**
 * The KMS keys with their names. AWS refuses a key policy that names a role which is not there, so roles come first; its
 * own check against a lockout stays on.
 */
export function declareKeys(keys: AwsKey[], roles: Resource[]): Record<KeyName, Key> {
  const declared = keys.map(({ name, alias, purpose, policy }) => {
    const key = new Key(
      name,
      {
        description: purpose,
        policy: JSON.stringify(policy),
        enableKeyRotation: true,
        rotationPeriodInDays: 90,
        deletionWindowInDays: 30,
        isEnabled: true,
      },
      { dependsOn: roles, ...dataHolding() },
    );
    new Alias(name, { name: alias, targetKeyId: key.keyId });
    return [name, key] as const;
  });
  return Object.fromEntries(declared) as Record<KeyName, Key>;
}
