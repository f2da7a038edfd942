import type { Kind } from "../kind.ts";
import { audit } from "./audit.ts";
import { databaseConnection, databaseRole } from "./database.ts";
import { endpoint } from "./endpoint.ts";
import { entity, entityAlias, group, mfaLoginEnforcement, mfaTotp } from "./identity.ts";
import { authBackend, kvBackend, mount } from "./mounts.ts";
import { policy, quotaRateLimit } from "./policies.ts";
import { approleRole, jwtBackend, jwtRole, kubernetesConfig, kubernetesRole } from "./roles.ts";
import { transitKey } from "./transit.ts";

/** Every resource type that `infra/` declares. */
export const vaultKinds: readonly Kind[] = [
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
