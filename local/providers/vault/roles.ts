import type {
  AuthBackendRole as AppRole,
  AuthBackendRoleArgs as AppRoleArgs,
} from "@pulumi/vault/approle/authBackendRole.js";
import type {
  AuthBackend as JwtBackend,
  AuthBackendArgs as JwtBackendArgs,
} from "@pulumi/vault/jwt/authBackend.js";
import type {
  AuthBackendRole as JwtRole,
  AuthBackendRoleArgs as JwtRoleArgs,
} from "@pulumi/vault/jwt/authBackendRole.js";
import type {
  AuthBackendConfig as KubernetesConfig,
  AuthBackendConfigArgs as KubernetesConfigArgs,
} from "@pulumi/vault/kubernetes/authBackendConfig.js";
import type {
  AuthBackendRole as KubernetesRole,
  AuthBackendRoleArgs as KubernetesRoleArgs,
} from "@pulumi/vault/kubernetes/authBackendRole.js";
import { type Fields, flag, fromVault, list, map, number, set, text, toVault } from "../fields.ts";
import { said } from "../kind.ts";
import { entry, kind, remove } from "./entry.ts";
import { describe, enableAuth, readMount, tune, tuneAuth, tuneOf } from "./mounts.ts";

/** What every role of every method says of the tokens it gives. */
export const tokens = {
  tokenPolicies: set(),
  tokenTtl: number(),
  tokenMaxTtl: number(),
  tokenExplicitMaxTtl: number(),
  tokenPeriod: number(),
  tokenNumUses: number(),
  tokenNoDefaultPolicy: flag(),
  // Vault writes an address alone where the network is one address.
  tokenBoundCidrs: set({ normal: (cidr) => cidr.replace(/\/(32|128)$/, "") }),
  tokenType: text({ otherwise: "default" }),
} satisfies Fields<AppRoleArgs & JwtRoleArgs & KubernetesRoleArgs>;

const rolePath = (inputs: { [key: string]: unknown }) => `auth/${inputs.backend}/role/${inputs.roleName}`;

export const jwtRole = entry<JwtRole, JwtRoleArgs>({
  type: "vault:jwt/authBackendRole:AuthBackendRole",
  path: rolePath,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    roleName: text({ required: true, replace: true, local: true }),
    roleType: text({ otherwise: "oidc", replace: true }),
    userClaim: text({ required: true }),
    userClaimJsonPointer: flag(),
    boundAudiences: set(),
    boundSubject: text(),
    boundClaims: map(),
    boundClaimsType: text({ otherwise: "string" }),
    claimMappings: map(),
    groupsClaim: text(),
    allowedRedirectUris: set(),
    oidcScopes: set(),
    clockSkewLeeway: number(),
    expirationLeeway: number(),
    notBeforeLeeway: number(),
    maxAge: number(),
    verboseOidcLogging: flag(),
    ...tokens,
  },
  // Several values of a claim are one text with commas in the SDK and a list in Vault.
  sent: (body) => ({
    ...body,
    ...(isRecord(body.bound_claims) && { bound_claims: split(body.bound_claims) }),
  }),
  returned: (data) => ({
    ...data,
    ...(isRecord(data.bound_claims) && { bound_claims: joined(data.bound_claims) }),
  }),
});

export const approleRole = entry<AppRole, AppRoleArgs>({
  type: "vault:appRole/authBackendRole:AuthBackendRole",
  path: rolePath,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    roleName: text({ required: true, replace: true, local: true }),
    bindSecretId: flag({ otherwise: true }),
    secretIdBoundCidrs: set(),
    secretIdNumUses: number(),
    secretIdTtl: number(),
    ...tokens,
  },
});

export const kubernetesRole = entry<KubernetesRole, KubernetesRoleArgs>({
  type: "vault:kubernetes/authBackendRole:AuthBackendRole",
  path: rolePath,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    roleName: text({ required: true, replace: true, local: true }),
    boundServiceAccountNames: set({ required: true }),
    boundServiceAccountNamespaces: set(),
    audience: text(),
    aliasNameSource: text({ otherwise: "serviceaccount_uid" }),
    ...tokens,
  },
});

export const kubernetesConfig = entry<KubernetesConfig, KubernetesConfigArgs>({
  type: "vault:kubernetes/authBackendConfig:AuthBackendConfig",
  path: ({ backend }) => `auth/${backend}/config`,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    kubernetesHost: text({ required: true }),
    kubernetesCaCert: text({ normal: (pem) => pem.trim() }),
    disableLocalCaJwt: flag(),
    disableIssValidation: flag({ chosen: true }),
    issuer: text(),
    pemKeys: list(),
  },
  deletes: false,
});

const jwtConfig = {
  boundIssuer: text(),
  defaultRole: text(),
  jwksUrl: text(),
  jwksCaPem: text({ normal: (pem) => pem.trim() }),
  jwtSupportedAlgs: list(),
  oidcDiscoveryUrl: text(),
  oidcDiscoveryCaPem: text({ normal: (pem) => pem.trim() }),
  oidcResponseMode: text(),
  oidcResponseTypes: list(),
} satisfies Fields<JwtBackendArgs>;

/** A JWT mount and its configuration, which the SDK makes one resource of. */
export const jwtBackend = kind<JwtBackend, JwtBackendArgs>({
  type: "vault:jwt/authBackend:AuthBackend",
  fields: {
    path: text({ required: true, replace: true, local: true }),
    type: text({ otherwise: "jwt", replace: true }),
    description: text(),
    local: flag({ replace: true }),
    ...jwtConfig,
    tune,
  },
  computed: ["accessor"],
  async create(vault, inputs) {
    const path = said(inputs, "path");
    await enableAuth(vault, path, typeof inputs.type === "string" ? inputs.type : "jwt", inputs);
    await vault.write(`auth/${path}/config`, toVault(jwtConfig as Fields, inputs));
    return path;
  },
  async read(vault, id) {
    const live = await readMount(vault, `sys/auth/${id}`);
    if (live === undefined) return undefined;
    const { sealWrap: _, ...described } = describe(live);
    const config = (await vault.read(`auth/${id}/config`)) ?? {};
    return { path: id, ...described, ...fromVault(jwtConfig as Fields, config), tune: tuneOf(live) };
  },
  async update(vault, id, inputs, changed) {
    if (changed.some((path) => path === "description" || path.startsWith("tune."))) {
      await tuneAuth(vault, id, inputs);
    }
    if (changed.some((path) => path in jwtConfig)) {
      await vault.write(`auth/${id}/config`, toVault(jwtConfig as Fields, inputs));
    }
  },
  delete: (vault, id) => remove(vault, `sys/auth/${id}`),
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function split(claims: Record<string, unknown>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(claims).map(([claim, values]) => [
      claim,
      String(values)
        .split(",")
        .map((one) => one.trim()),
    ]),
  );
}

function joined(claims: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(claims).map(([claim, value]) => [
      claim,
      Array.isArray(value) ? value.join(",") : String(value),
    ]),
  );
}
