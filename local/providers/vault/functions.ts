import type { AuthBackendClient, AuthBackendClientArgs } from "@pulumi/vault/aws/authBackendClient.js";
import type { AuthBackendRole, AuthBackendRoleArgs } from "@pulumi/vault/aws/authBackendRole.js";
import { flag, list, set, text } from "../fields.ts";
import { said } from "../kind.ts";
import { entry } from "./entry.ts";
import { tokens } from "./roles.ts";

/** How Vault's AWS login asks who somebody is. It holds no key: Vault has its own identity, or needs none. */
export const awsClient = entry<AuthBackendClient, AuthBackendClientArgs>({
  type: "vault:aws/authBackendClient:AuthBackendClient",
  path: ({ backend }) => `auth/${backend}/config/client`,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    iamServerIdHeaderValue: text(),
    iamEndpoint: text(),
    stsEndpoint: text(),
    stsRegion: text(),
    useStsRegionFromClient: flag({ chosen: true }),
    allowedStsHeaderValues: list({ chosen: true }),
  },
});

export const awsRole = entry<AuthBackendRole, AuthBackendRoleArgs>({
  type: "vault:aws/authBackendRole:AuthBackendRole",
  path: (inputs) => `auth/${inputs.backend}/role/${said(inputs, "role")}`,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    role: text({ required: true, replace: true, local: true }),
    authType: text({ otherwise: "iam", replace: true }),
    boundIamPrincipalArns: set({ api: "bound_iam_principal_arn" }),
    resolveAwsUniqueIds: flag({ otherwise: true, replace: true }),
    ...tokens,
  },
});
