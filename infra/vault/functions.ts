import type { CustomResourceOptions } from "@pulumi/pulumi";
import { AuthBackendClient } from "@pulumi/vault/aws/authBackendClient.js";
import { AuthBackendRole } from "@pulumi/vault/aws/authBackendRole.js";
import type { AwsModel } from "../../model/aws.ts";
import type { VaultSettings } from "../../model/vault.ts";
import type { DeclaredRole } from "../aws/roles.ts";
import { short } from "./lifetime.ts";
import { login } from "./mounts.ts";

/** A run of a function lasts a quarter of an hour at most; so does its token. */
const longest = 900;

/**
 * Functions log in to Vault as the IAM role that they run as, by a signed request for their identity: nothing is stored
 * anywhere. The signed header names this Vault, so that a login to another server is worth nothing here.
 */
export function declareFunctionLogins(
  { auth }: VaultSettings,
  aws: AwsModel,
  roles: ReadonlyMap<string, DeclaredRole>,
  opts: CustomResourceOptions,
): void {
  const { emulator } = aws;
  const mount = login(auth.aws, "aws", "Functions of AWS, by the IAM role that they run as.", short, opts);
  const config = new AuthBackendClient(
    auth.aws,
    {
      backend: auth.aws,
      iamServerIdHeaderValue: aws.vault.serverId,
      stsRegion: aws.region,
      stsEndpoint: emulator ?? `https://sts.${aws.region}.amazonaws.com`,
      ...(emulator !== undefined && { iamEndpoint: emulator }),
    },
    { dependsOn: [mount] },
  );
  // Vault asks IAM who a role is when its own is written: both must be there by then.
  const asks = [...roles.values()].filter(({ of }) => of === "vault").flatMap(({ rights }) => rights);
  for (const { role, vault } of aws.functions) {
    const bound = roles.get(role)?.role;
    if (bound === undefined) throw new Error(`${role} is a role of a function and is not declared`);
    new AuthBackendRole(
      vault.role,
      {
        backend: auth.aws,
        role: vault.role,
        authType: "iam",
        boundIamPrincipalArns: [`arn:aws:iam::${aws.account}:role/${role}`],
        // The id of the role, which one that is made again under its name does not have. The emulator's IAM is not
        // asked: Vault would need credentials for it.
        resolveAwsUniqueIds: emulator === undefined,
        tokenPolicies: [vault.policy],
        tokenType: "service",
        tokenTtl: longest,
        tokenMaxTtl: longest,
        tokenExplicitMaxTtl: longest,
      },
      {
        dependsOn: [config, bound, ...asks],
        // Vault keeps the id that it was told then: one that is made again under its name is told anew.
        replacementTrigger: bound.uniqueId,
        // Both are one path in Vault.
        deleteBeforeReplace: true,
      },
    );
  }
}
