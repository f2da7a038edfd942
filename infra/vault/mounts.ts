import type { CustomResourceOptions, Resource } from "@pulumi/pulumi";
import { AuthBackend } from "@pulumi/vault/authBackend.js";
import { AuthBackend as JwtBackend } from "@pulumi/vault/jwt/authBackend.js";
import { AuthBackendConfig } from "@pulumi/vault/kubernetes/authBackendConfig.js";
import { SecretBackendV2 } from "@pulumi/vault/kv/secretBackendV2.js";
import { Mount } from "@pulumi/vault/mount.js";
import type { GitHubSettings } from "../../model/model.ts";
import type { VaultSettings } from "../../model/vault.ts";
import { dataHolding } from "../retention.ts";
import { ci, duration, host, type Lifetime, service, short } from "./lifetime.ts";

/** How many versions of a value stay readable: the live ones of a rotation and the way back from it. */
const keptVersions = 10;

export interface Mounts {
  kv: Mount;
  transit: Mount;
  database: Mount;
  github: JwtBackend;
  approle: AuthBackend;
  /** Only where the environment has a Kubernetes. */
  kubernetes?: AuthBackend;
}

/** Every secrets engine and machine login of the platform; each survives its removal from the program. */
export function declareMounts(
  vault: VaultSettings,
  github: GitHubSettings,
  opts: CustomResourceOptions,
  beforeKubernetes: Resource[],
): Mounts {
  const { mounts, auth } = vault;
  const kv = secretsEngine(mounts.kv, "kv", "Secret values: a source each, and a path per consumer.", opts, {
    version: "2",
  });
  new SecretBackendV2(
    mounts.kv,
    {
      mount: mounts.kv,
      maxVersions: keptVersions,
      // Two writers never overwrite each other unseen: every write names the version that it follows.
      casRequired: true,
      deleteVersionAfter: 0,
    },
    { dependsOn: [kv] },
  );
  return {
    kv,
    transit: secretsEngine(mounts.transit, "transit", "Encryption keys that never leave Vault.", opts),
    database: secretsEngine(mounts.database, "database", "Database credentials that expire.", opts),
    github: githubLogin(auth.github, github, opts),
    approle: login(auth.approle, "approle", "Hosts that run services without Kubernetes.", host, opts),
    ...(vault.kubernetes !== undefined && {
      kubernetes: kubernetesLogin(auth.kubernetes, vault.kubernetes, {
        ...opts,
        dependsOn: beforeKubernetes,
      }),
    }),
  };
}

/** Pods log in with the tokens of their service accounts, which the cluster reviews. */
function kubernetesLogin(
  path: string,
  { host, certificate }: NonNullable<VaultSettings["kubernetes"]>,
  opts: CustomResourceOptions,
): AuthBackend {
  const mount = login(path, "kubernetes", "Service accounts of Kubernetes.", service, opts);
  new AuthBackendConfig(
    path,
    {
      backend: path,
      kubernetesHost: host,
      // With a CA given, Vault is not in that cluster and has no token of a pod to ask for reviews with. Whoever
      // runs it gives it one: a login's own token, which is for Vault alone, may not ask Kubernetes anything.
      ...(certificate !== undefined && { kubernetesCaCert: certificate, disableLocalCaJwt: true }),
    },
    { dependsOn: [mount] },
  );
  return mount;
}

/** GitHub Actions jobs log in with their OIDC tokens (R11); the roles say which may. */
function githubLogin(path: string, github: GitHubSettings, opts: CustomResourceOptions): JwtBackend {
  return new JwtBackend(
    path,
    {
      path,
      type: "jwt",
      description: "GitHub Actions jobs, by their OIDC tokens.",
      oidcDiscoveryUrl: github.issuer,
      ...(github.issuerCertificate !== undefined && { oidcDiscoveryCaPem: github.issuerCertificate }),
      boundIssuer: github.issuer,
      jwtSupportedAlgs: ["RS256"],
      local: false,
      tune: tuning(ci),
    },
    { ...opts, ...dataHolding() },
  );
}

/** A login that needs no more than its mount. */
export function login(
  path: string,
  type: string,
  description: string,
  lifetime: Lifetime,
  opts: CustomResourceOptions,
): AuthBackend {
  return new AuthBackend(
    path,
    { path, type, description, local: false, tune: tuning(lifetime) },
    { ...opts, ...dataHolding() },
  );
}

function secretsEngine(
  path: string,
  type: string,
  description: string,
  opts: CustomResourceOptions,
  options?: Record<string, string>,
): Mount {
  return new Mount(
    path,
    {
      path,
      type,
      description,
      ...(options !== undefined && { options }),
      local: false,
      defaultLeaseTtlSeconds: short.least,
      maxLeaseTtlSeconds: short.most,
      listingVisibility: "hidden",
      // Said although it is Vault's default: a key that someone exempts from hashing is then seen as drift (R52).
      auditNonHmacRequestKeys: [],
      auditNonHmacResponseKeys: [],
    },
    { ...opts, ...dataHolding() },
  );
}

function tuning({ least, most }: Lifetime) {
  return {
    defaultLeaseTtl: duration(least),
    maxLeaseTtl: duration(most),
    listingVisibility: "hidden",
    tokenType: "default-service",
    auditNonHmacRequestKeys: [],
    auditNonHmacResponseKeys: [],
  };
}
