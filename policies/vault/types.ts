/** Pulumi's type tokens of what the platform declares in Vault. */
export const vault = {
  audit: "vault:index/audit:Audit",
  mount: "vault:index/mount:Mount",
  kv: "vault:kv/secretBackendV2:SecretBackendV2",
  auth: "vault:index/authBackend:AuthBackend",
  jwt: "vault:jwt/authBackend:AuthBackend",
  jwtRole: "vault:jwt/authBackendRole:AuthBackendRole",
  appRole: "vault:appRole/authBackendRole:AuthBackendRole",
  kubernetes: "vault:kubernetes/authBackendConfig:AuthBackendConfig",
  kubernetesRole: "vault:kubernetes/authBackendRole:AuthBackendRole",
  awsRole: "vault:aws/authBackendRole:AuthBackendRole",
  awsClient: "vault:aws/authBackendClient:AuthBackendClient",
  policy: "vault:index/policy:Policy",
  connection: "vault:database/secretBackendConnection:SecretBackendConnection",
  databaseRole: "vault:database/secretBackendRole:SecretBackendRole",
  key: "vault:transit/secretBackendKey:SecretBackendKey",
  endpoint: "vault:generic/endpoint:Endpoint",
  entity: "vault:identity/entity:Entity",
  alias: "vault:identity/entityAlias:EntityAlias",
  group: "vault:identity/group:Group",
  totp: "vault:identity/mfaTotp:MfaTotp",
  enforcement: "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement",
  quota: "vault:index/quotaRateLimit:QuotaRateLimit",
} as const;

/** What mounts an engine or a login. */
export const mounts: readonly string[] = [vault.mount, vault.auth, vault.jwt];

/** Kinds of login where a person types or clicks; everything else is a machine's. */
export const humanLogins: readonly string[] = ["userpass", "oidc", "ldap", "okta", "radius"];
