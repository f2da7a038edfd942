import { seconds } from "../duration.ts";
import type { GitHubSettings } from "../model.ts";
import type { AuditDevice, RateLimitQuota, VaultSettings } from "../vault.ts";
import { type Context, given, ordered } from "./context.ts";
import { evidenceKey, followersOf } from "./followers.ts";

/** An environment that names no Vault is the local one: its stack fills in what it learns at run time. */
const localVault = "https://127.0.0.1:8200";
const localAudit = {
  first: { type: "file", path: "audit-1/audit.log" },
  second: { type: "file", path: "audit-2/audit.log" },
} as const;

/** The environment's Vault: its address, mounts, login methods and audit devices; the local one where none is named. */
export function deriveVault(context: Context): VaultSettings {
  const { vault } = context.block;
  return {
    address: vault?.address ?? localVault,
    mounts: { kv: "kv", transit: "transit", database: "database" },
    auth: {
      github: "github",
      approle: "approle",
      kubernetes: "kubernetes",
      aws: "aws",
      human: vault?.["human-login"] ?? "userpass",
    },
    audit: ordered(vault?.audit ?? localAudit).map(([name, device]) => auditDevice(name, device)),
    ...given(
      "oidc",
      vault?.oidc && { discoveryUrl: vault.oidc["discovery-url"], clientId: vault.oidc["client-id"] },
    ),
    ...given(
      "kubernetes",
      vault?.kubernetes && {
        host: vault.kubernetes.host,
        ...given("certificate", vault.kubernetes.certificate),
      },
    ),
    fingerprintKey: "keyplane.fingerprint",
    ...given("evidenceKey", followersOf(context).length > 0 ? evidenceKey : undefined),
  };
}

type AuditEntry = NonNullable<NonNullable<Context["block"]["vault"]>["audit"]>[string];

function auditDevice(name: string, device: AuditEntry): AuditDevice {
  if (device.type === "file") return { name, type: "file", options: { file_path: device.path } };
  if (device.type === "socket") return { name, type: "socket", options: { address: device.address } };
  return { name, type: "syslog", options: { facility: device.facility } };
}

/**
 * Whose tokens the environment takes: GitHub's own issuer, the organization's audience and the branch main, where nothing
 * else is written. Branches are ordered.
 */
export function deriveGitHub({ organization, environment, block }: Context): GitHubSettings {
  const { github } = block;
  return {
    issuer: github?.issuer ?? "https://token.actions.githubusercontent.com",
    ...given("issuerCertificate", github?.certificate),
    audience: github?.audience ?? `https://github.com/${organization.organization}`,
    environment: github?.environment ?? environment,
    branches: [...(github?.branches ?? ["main"])].sort(),
  };
}

/**
 * Rate limits per client address: a wide one for the whole server, narrow ones where a login can be guessed. Only there:
 * one on a whole mount turns an update away that declares more roles than it lets through in a minute.
 * Quotas on the number of leases are of Vault Enterprise.
 */
export function deriveQuotas(
  context: Context,
  { approle, aws, github, human }: VaultSettings["auth"],
): RateLimitQuota[] {
  const given = context.block.vault?.quotas ?? {};
  const quota = (
    name: string,
    path: string,
    entry: { rate: number; per: string } | undefined,
    rate: number,
    per: string,
  ) => ({
    name: `keyplane.${name}`,
    path,
    rate: entry?.rate ?? rate,
    interval: seconds(entry?.per ?? per),
  });
  return [
    quota("approle", `auth/${approle}/login`, given.approle, 600, "1m"),
    // Functions log in some times a quarter of an hour, all from the network's few addresses.
    ...(context.block.aws === undefined ? [] : [quota("aws", `auth/${aws}/login`, undefined, 600, "1m")]),
    quota("github", `auth/${github}/login`, given.github, 600, "1m"),
    quota("global", "", given.global, 5000, "1s"),
    quota("human", `auth/${human}/${human === "oidc" ? "oidc" : "login"}/*`, given.human, 60, "1m"),
  ];
}
