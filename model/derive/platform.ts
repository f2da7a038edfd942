import type { Policy, PolicyRule } from "../vault.ts";
import { functionPolicies } from "./aws/vault.ts";
import { rotationLogins } from "./databases.ts";
import { promotionPolicies, sealing } from "./promotion.ts";
import { handOver, inOrder, type Parts, rule } from "./rules.ts";

/** The platform's own roles; each runs in the workflow of its name. */
export const platformRoles = ["deploy", "rotate", "drift", "enrol"] as const;
export type PlatformRole = (typeof platformRoles)[number];

/** The platform's own policies. `sudo` stands only where Vault demands it, at exact paths but for the names of audit devices. */
export function platformPolicies(parts: Parts): Policy[] {
  const policy = (name: PlatformRole, purpose: string, rules: PolicyRule[]): Policy => ({
    name: `keyplane.${name}`,
    purpose,
    of: { kind: "platform", id: `keyplane.${name}` },
    rules: inOrder(rules),
  });
  return [
    defaultPolicy,
    policy(
      "deploy",
      "Builds the platform. Who writes policies can take any right: its GitHub environment's reviewers decide.",
      deploy(parts),
    ),
    policy("rotate", "Makes, delivers and retires values.", rotate(parts)),
    policy(
      "drift",
      "Sees configuration and metadata; writes nothing and reads no value.",
      configuration(parts),
    ),
    policy(
      "enrol",
      "Makes a person's login and second factor, and a host's wrapped secret id.",
      enrol(parts),
    ),
    ...promotionPolicies(parts),
    ...functionPolicies(parts),
  ];
}

/**
 * Vault gives it to every token that does not refuse it, so what stands in it is declared as well: its own text
 * without the tools that nobody here uses. https://developer.hashicorp.com/vault/docs/concepts/policies#default-policy
 */
const defaultPolicy: Policy = {
  name: "default",
  purpose: "What every token may do: look at itself, renew and end itself and its leases, unwrap.",
  of: { kind: "platform", id: "default" },
  rules: inOrder([
    rule("auth/token/lookup-self", "read"),
    rule("auth/token/renew-self", "update"),
    rule("auth/token/revoke-self", "update"),
    rule("sys/capabilities-self", "update"),
    rule("sys/internal/ui/resultant-acl", "read"),
    rule("identity/entity/id/{{identity.entity.id}}", "read"),
    rule("identity/entity/name/{{identity.entity.name}}", "read"),
    rule("sys/leases/renew", "update"),
    rule("sys/leases/lookup", "update"),
    rule("cubbyhole/*", "create", "read", "update", "delete", "list"),
    rule("sys/wrapping/wrap", "update"),
    rule("sys/wrapping/lookup", "update"),
    rule("sys/wrapping/unwrap", "update"),
  ]),
};

function authMounts({ vault, aws }: Parts): string[] {
  const { github, approle, kubernetes, human } = vault.auth;
  return [
    github,
    approle,
    human,
    ...(usesKubernetes({ vault }) ? [kubernetes] : []),
    ...(aws === undefined ? [] : [vault.auth.aws]),
  ];
}

function usesKubernetes({ vault }: Pick<Parts, "vault">): boolean {
  return vault.kubernetes !== undefined;
}

/** Mounts and audit devices may be made and tuned; what holds data may not be deleted by a deploy. */
function deploy(parts: Parts): PolicyRule[] {
  const { vault } = parts;
  const { kv, transit, database } = vault.mounts;
  const { github, approle, kubernetes, human } = vault.auth;
  const crud = ["create", "read", "update", "delete"] as const;
  return [
    rule("sys/auth", "read"),
    ...authMounts(parts).flatMap((mount) => [
      rule(`sys/auth/${mount}`, "create", "read", "update", "sudo"),
      rule(`sys/auth/${mount}/tune`, "read", "update", "sudo"),
      // The same settings again: tools reach auth mounts through sys/mounts as well.
      rule(`sys/mounts/auth/${mount}/tune`, "read", "update"),
    ]),
    rule("sys/mounts", "read"),
    ...[kv, transit, database].flatMap((mount) => [
      rule(`sys/mounts/${mount}`, "create", "read", "update"),
      rule(`sys/mounts/${mount}/tune`, "read", "update"),
    ]),
    rule("sys/audit", "read", "sudo"),
    // Any name: a device that the catalogue adds or drops is not yet, or no longer, in the policy that is in force.
    rule("sys/audit/+", "create", "update", "delete", "sudo"),
    rule("sys/policies/acl", "list"),
    rule("sys/policies/acl/*", ...crud),
    rule("sys/quotas/rate-limit", "list"),
    rule("sys/quotas/rate-limit/+", ...crud),
    rule(`auth/${github}/config`, "create", "read", "update"),
    rule(`auth/${github}/role`, "list"),
    rule(`auth/${github}/role/+`, ...crud),
    rule(`auth/${approle}/role`, "list"),
    rule(`auth/${approle}/role/+`, ...crud),
    rule(`auth/${approle}/role/+/role-id`, "read"),
    ...(usesKubernetes(parts)
      ? [
          rule(`auth/${kubernetes}/config`, "create", "read", "update"),
          rule(`auth/${kubernetes}/role`, "list"),
          rule(`auth/${kubernetes}/role/+`, ...crud),
        ]
      : []),
    ...(parts.aws === undefined
      ? []
      : [
          rule(`auth/${vault.auth.aws}/config/client`, ...crud),
          rule(`auth/${vault.auth.aws}/role/+`, ...crud),
        ]),
    ...(human === "oidc"
      ? [rule("auth/oidc/config", "create", "read", "update"), rule("auth/oidc/role/+", ...crud)]
      : []),
    ...["entity", "entity-alias", "group", "group-alias"].flatMap((noun) => [
      rule(`identity/${noun}`, "create", "update"),
      rule(`identity/${noun}/id`, "list"),
      rule(`identity/${noun}/id/+`, ...crud),
    ]),
    rule("identity/entity/name/+", ...crud),
    rule("identity/group/name/+", ...crud),
    rule("identity/lookup/entity", "update"),
    rule("identity/lookup/group", "update"),
    rule("identity/mfa/method/totp", "create", "update", "list"),
    rule("identity/mfa/method/totp/+", ...crud),
    rule("identity/mfa/login-enforcement", "list"),
    rule("identity/mfa/login-enforcement/+", ...crud),
    rule(`${database}/config`, "list"),
    rule(`${database}/config/+`, ...crud),
    rule(`${database}/roles`, "list"),
    rule(`${database}/roles/+`, ...crud),
    rule(`${database}/rotate-root/+`, "update"),
    rule(`${transit}/keys`, "list"),
    // Vault itself refuses to delete a key until its entry was retired with `delete: true` (deletion_allowed).
    rule(`${transit}/keys/+`, "create", "read", "update", "delete"),
    rule(`${transit}/keys/+/config`, "create", "update"),
    rule(`${kv}/config`, "create", "read", "update"),
  ];
}

/** The engine alone sees sources; it writes each consumer's own path and keeps its journal beside them. */
function rotate(parts: Parts): PolicyRule[] {
  const { vault, databases } = parts;
  const { kv, transit, database } = vault.mounts;
  const metadata = ["create", "read", "update", "patch", "list"] as const;
  return [
    ...["source", "services", "ci", "rotation"].flatMap((root) => [
      rule(`${kv}/data/${root}/*`, "create", "read", "update"),
      rule(`${kv}/metadata/${root}/*`, ...metadata),
    ]),
    // Old versions are destroyed once their overlap has passed; a path as a whole is never deleted.
    ...["source", "services", "ci"].map((root) => rule(`${kv}/destroy/${root}/*`, "create", "update")),
    rule(`${transit}/hmac/${vault.fingerprintKey}`, "update"),
    rule(`${transit}/hmac/${vault.fingerprintKey}/sha2-256`, "update"),
    rule(`${transit}/verify/${vault.fingerprintKey}`, "update"),
    rule(`${transit}/verify/${vault.fingerprintKey}/sha2-256`, "update"),
    rule(`${transit}/keys/+`, "read"),
    rule(`${transit}/keys/+/rotate`, "update"),
    // Not whether a key may be exported, backed up in clear or deleted, nor how often it rotates.
    {
      ...rule(`${transit}/keys/+/config`, "create", "update"),
      parameters: ["min_decryption_version", "min_encryption_version"],
    },
    { ...rule(`${transit}/keys/+/trim`, "update"), parameters: ["min_available_version"] },
    rule(`${transit}/rewrap/+`, "update"),
    ...sealing(parts),
    ...databases.flatMap((each) => [
      rule(`${database}/config/${each.connection}`, "read"),
      rule(`${database}/rotate-root/${each.connection}`, "update"),
      ...[...each.users, ...rotationLogins(each)].flatMap(({ role }) => [
        rule(`sys/leases/revoke-prefix/${database}/creds/${role}`, "update", "sudo"),
        // A database user that no lease owns is dropped.
        rule(`sys/leases/lookup/${database}/creds/${role}`, "list", "sudo"),
      ]),
      // Static users are made and altered with a login that ends with the work.
      ...rotationLogins(each).flatMap(({ role }) => [
        rule(`${database}/creds/${role}`, "read"),
        rule(`sys/leases/revoke/${database}/creds/${role}/+`, "update"),
      ]),
    ]),
    rule("sys/leases/lookup", "update"),
    rule("sys/leases/renew", "update"),
  ];
}

/** Everything that can be seen without seeing a value: what drift compares and auditors look at. */
export function configuration(parts: Parts): PolicyRule[] {
  const { vault } = parts;
  const { kv, transit, database } = vault.mounts;
  const { github, approle, kubernetes, human } = vault.auth;
  const roles = [
    `auth/${github}/role`,
    `auth/${approle}/role`,
    ...(usesKubernetes(parts) ? [`auth/${kubernetes}/role`] : []),
    ...(parts.aws === undefined ? [] : [`auth/${vault.auth.aws}/role`]),
  ];
  return [
    rule("auth/token/accessors", "list", "sudo"),
    rule("sys/auth", "read"),
    ...authMounts(parts).flatMap((mount) => [
      rule(`sys/auth/${mount}`, "read", "sudo"),
      rule(`sys/auth/${mount}/tune`, "read", "sudo"),
      rule(`auth/${mount}/config`, "read"),
    ]),
    rule("sys/mounts", "read"),
    ...[kv, transit, database].flatMap((mount) => [
      rule(`sys/mounts/${mount}`, "read"),
      rule(`sys/mounts/${mount}/tune`, "read"),
    ]),
    rule("sys/audit", "read", "sudo"),
    rule("sys/policies/acl", "list"),
    rule("sys/policies/acl/*", "read"),
    rule("sys/quotas/rate-limit", "list"),
    rule("sys/quotas/rate-limit/+", "read"),
    ...roles.flatMap((path) => [rule(path, "list"), rule(`${path}/+`, "read")]),
    ...(parts.aws === undefined ? [] : [rule(`auth/${vault.auth.aws}/config/client`, "read")]),
    rule(`auth/${approle}/role/+/role-id`, "read"),
    ...(human === "userpass"
      ? [rule("auth/userpass/users", "list"), rule("auth/userpass/users/+", "read")]
      : [rule("auth/oidc/role/+", "read")]),
    ...["entity", "entity-alias", "group", "group-alias"].flatMap((noun) => [
      rule(`identity/${noun}/id`, "list"),
      rule(`identity/${noun}/id/+`, "read"),
    ]),
    rule("identity/entity/name", "list"),
    rule("identity/entity/name/+", "read"),
    rule("identity/group/name", "list"),
    rule("identity/group/name/+", "read"),
    rule("identity/mfa/method/totp", "list"),
    rule("identity/mfa/method/totp/+", "read"),
    rule("identity/mfa/login-enforcement", "list"),
    rule("identity/mfa/login-enforcement/+", "read"),
    rule(`${database}/config`, "list"),
    rule(`${database}/config/+`, "read"),
    rule(`${database}/roles`, "list"),
    rule(`${database}/roles/+`, "read"),
    rule(`${transit}/keys`, "list"),
    rule(`${transit}/keys/+`, "read"),
    rule(`${kv}/config`, "read"),
    rule(`${kv}/metadata/*`, "read", "list"),
  ];
}

function enrol(parts: Parts): PolicyRule[] {
  const { vault, appRoles } = parts;
  const login =
    vault.auth.human === "userpass"
      ? [
          rule("auth/userpass/users", "list"),
          // A password and nothing else: a policy given here would make the job whatever it likes.
          { ...rule("auth/userpass/users/+", "create", "update", "delete"), parameters: ["password"] },
        ]
      : [];
  return [
    ...login,
    ...appRoles.flatMap(({ name }) => handOver(parts, name)),
    rule("sys/auth", "read"),
    rule("identity/lookup/entity", "update"),
    rule("identity/entity/name/+", "read"),
    rule("identity/mfa/method/totp", "list"),
    rule("identity/mfa/method/totp/+", "read"),
    rule("identity/mfa/method/totp/admin-generate", "create", "update"),
    rule("identity/mfa/method/totp/admin-destroy", "create", "update"),
    rule("sys/wrapping/wrap", "update"),
  ];
}
