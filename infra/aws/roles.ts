import { OpenIdConnectProvider } from "@pulumi/aws/iam/openIdConnectProvider.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import type { AwsModel, AwsRole } from "../../model/aws.ts";

/** GitHub as an issuer of identities, for roles to trust. */
export function declareGitHub({ url, audience }: AwsModel["github"]): OpenIdConnectProvider {
  return new OpenIdConnectProvider("github", { url, clientIdLists: [audience] });
}

export interface DeclaredRole {
  role: Role;
  of: AwsRole["of"];
  /** What must be there before somebody can act in the role. */
  rights: RolePolicy[];
}

/** Roles with their trust and their rights, by name. Sessions last an hour at most. */
export function declareRoles(roles: AwsRole[], github: OpenIdConnectProvider): Map<string, DeclaredRole> {
  return new Map(
    roles.map(({ name, purpose, of, trust, rights }) => {
      const role = new Role(
        name,
        {
          name,
          description: purpose,
          assumeRolePolicy: JSON.stringify(trust),
          maxSessionDuration: 3600,
        },
        of === "github" ? { dependsOn: [github] } : {},
      );
      const policies =
        rights === undefined
          ? []
          : [new RolePolicy(name, { name: "rights", role: role.name, policy: JSON.stringify(rights) })];
      return [name, { role, of, rights: policies }];
    }),
  );
}
