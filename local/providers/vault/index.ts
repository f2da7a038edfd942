import type { Vault } from "../../../clients/vault.ts";
import type { Kind } from "../kind.ts";
import { audit } from "./audit.ts";
import { databaseConnection, databaseRole } from "./database.ts";
import { endpoint } from "./endpoint.ts";
import { awsClient, awsRole } from "./functions.ts";
import { entity, entityAlias, group, mfaLoginEnforcement, mfaTotp } from "./identity.ts";
import { authBackend, kvBackend, mount } from "./mounts.ts";
import { policy, quotaRateLimit } from "./policies.ts";
import { approleRole, jwtBackend, jwtRole, kubernetesConfig, kubernetesRole } from "./roles.ts";
import { transitKey } from "./transit.ts";

/** Every resource type that `infra/` declares. */
export const vaultKinds: readonly Kind<Vault>[] = [
  audit,
  mount,
  authBackend,
  kvBackend,
  policy,
  quotaRateLimit,
  jwtBackend,
  jwtRole,
  approleRole,
  kubernetesConfig,
  kubernetesRole,
  awsClient,
  awsRole,
  entity,
  entityAlias,
  group,
  mfaTotp,
  mfaLoginEnforcement,
  databaseConnection,
  databaseRole,
  transitKey,
  endpoint,
];
