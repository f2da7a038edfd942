import type { CustomResourceOptions } from "@pulumi/pulumi";
import { AuthBackendRole as AppRoleRole } from "@pulumi/vault/approle/authBackendRole.js";
import { AuthBackendRole as JwtAuthRole } from "@pulumi/vault/jwt/authBackendRole.js";
import { AuthBackendRole as KubernetesAuthRole } from "@pulumi/vault/kubernetes/authBackendRole.js";
import type { AppRole, JwtRole, KubernetesRole } from "../../model/vault.ts";
import { ci, host, service, within } from "./lifetime.ts";

/** Clocks of GitHub and of Vault may differ by so much; the token says when it begins and ends. */
const clockSkew = 10;

/**
 * Claims that the audit log shows with every request of the job. Naming one also makes Vault insist on a single
 * text: a list, of which one value matches, satisfies a bound claim or audience otherwise.
 */
const audited = [
  "aud",
  "repository",
  "repository_owner_id",
  "environment",
  "event_name",
  "ref",
  "sha",
  "workflow",
  "job_workflow_ref",
  "run_id",
  "actor",
];

/** What GitHub Actions jobs may log in as; every bound claim is compared exactly (R11). */
export function declareJwtRoles(backend: string, roles: JwtRole[], opts: CustomResourceOptions): void {
  for (const role of roles) {
    new JwtAuthRole(
      role.name,
      {
        backend,
        roleName: role.name,
        roleType: "jwt",
        userClaim: role.userClaim,
        boundAudiences: [role.audience],
        boundClaims: exactClaims(role),
        boundClaimsType: "string",
        claimMappings: Object.fromEntries(audited.map((claim) => [claim, claim])),
        clockSkewLeeway: clockSkew,
        // -1: none. They only stand in for an end or a beginning that the token does not have.
        expirationLeeway: -1,
        notBeforeLeeway: -1,
        tokenPolicies: role.policies,
        tokenType: role.tokenType,
        tokenTtl: role.ttl,
        tokenMaxTtl: within(ci, role.name, role.maxTtl),
        tokenExplicitMaxTtl: role.maxTtl,
        // A job's token can do what its policy says and nothing else.
        tokenNoDefaultPolicy: role.tokenType === "batch",
      },
      opts,
    );
  }
}

/**
 * Bound claims as the SDK takes them: several admitted values are one text with commas.
 * @throws for a value with a comma, which would be read as two values, and for a claim without a value.
 */
function exactClaims({ name, boundClaims }: JwtRole): Record<string, string> {
  return Object.fromEntries(
    Object.entries(boundClaims).map(([claim, values]) => {
      if (
        values.length === 0 ||
        values.some((value) => value === "" || value.includes(",") || value !== value.trim())
      ) {
        throw new Error(
          `The role "${name}" must bind claim "${claim}" to values without commas, spaces around them or emptiness: rename the branch or the workflow`,
        );
      }
      return [claim, values.join(",")];
    }),
  );
}

/** What hosts without Kubernetes log in as; their secret ids are handed over wrapped, outside the program. */
export function declareAppRoles(backend: string, roles: AppRole[], opts: CustomResourceOptions): void {
  for (const role of roles) {
    new AppRoleRole(
      role.name,
      {
        backend,
        roleName: role.name,
        bindSecretId: true,
        secretIdBoundCidrs: role.cidrs,
        secretIdNumUses: role.secretIdUses,
        secretIdTtl: within(host, role.name, role.secretIdTtl),
        // Vault writes one address back without its mask, which the official provider takes for a change.
        tokenBoundCidrs: role.cidrs.map((cidr) => cidr.replace(/\/(32|128)$/, "")),
        tokenPolicies: role.policies,
        tokenType: "service",
        tokenTtl: role.ttl,
        tokenMaxTtl: within(service, role.name, role.maxTtl),
        tokenExplicitMaxTtl: role.maxTtl,
      },
      opts,
    );
  }
}

/** What pods log in as: one service account of one namespace each. */
export function declareKubernetesRoles(
  backend: string,
  roles: KubernetesRole[],
  opts: CustomResourceOptions,
): void {
  for (const role of roles) {
    new KubernetesAuthRole(
      role.name,
      {
        backend,
        roleName: role.name,
        boundServiceAccountNames: [role.serviceAccount],
        boundServiceAccountNamespaces: [role.namespace],
        audience: role.audience,
        // The account's uid, so that one that is made again under the same name is another one.
        aliasNameSource: "serviceaccount_uid",
        tokenPolicies: role.policies,
        tokenType: "service",
        tokenTtl: role.ttl,
        tokenMaxTtl: within(service, role.name, role.maxTtl),
        tokenExplicitMaxTtl: role.maxTtl,
      },
      opts,
    );
  }
}
