import type { Catalogue, EnvironmentOverrides } from "./catalogue.ts";
import { deriveAws } from "./derive/aws/index.ts";
import { contextOf, given, ordered } from "./derive/context.ts";
import { deriveDatabases } from "./derive/databases.ts";
import { deriveEncryptionKeys } from "./derive/encryption-keys.ts";
import { deriveJwtRoles } from "./derive/jwt-roles.ts";
import { deriveGroups, derivePeople } from "./derive/people.ts";
import { derivePolicies } from "./derive/policies.ts";
import { derivePromotion } from "./derive/promotion.ts";
import { deriveRotation } from "./derive/rotation.ts";
import type { Parts } from "./derive/rules.ts";
import { deriveSecrets } from "./derive/secrets.ts";
import { deriveAppRoles, deriveCiJobs, deriveKubernetesRoles, deriveServices } from "./derive/services.ts";
import { deriveGitHub, deriveQuotas, deriveVault } from "./derive/settings.ts";
import { deriveExceptions, deriveSettings, deriveSystems } from "./derive/systems.ts";
import type { Model } from "./model.ts";

/**
 * The model of one environment of a checked catalogue. Pure: the same catalogue gives the same model, in
 * whatever order its files are written. `overrides` is what the local stack learns only at run time, as an
 * environment block that is merged over the catalogue's.
 * @throws {RangeError} for an environment that the catalogue does not declare
 */
export function derive(catalogue: Catalogue, environment: string, overrides?: EnvironmentOverrides): Model {
  const context = contextOf(catalogue, environment, overrides);
  const { organization, block } = context;
  const { repository } = organization.platform;
  const vault = deriveVault(context);
  const github = deriveGitHub(context);
  const people = derivePeople(context);
  const systems = deriveSystems(context);
  const databases = deriveDatabases(context);
  const parts: Parts = {
    organization: organization.organization,
    environment,
    ...given("after", block.after),
    ...given("promotion", derivePromotion(context)),
    platform: {
      repository: { name: repository.name, id: repository.id, ownerId: repository["owner-id"] },
    },
    vault,
    github,
    people,
    groups: deriveGroups(context, people),
    systems,
    services: deriveServices(context),
    secrets: deriveSecrets(context),
    databases,
    encryptionKeys: deriveEncryptionKeys(context),
    ciJobs: deriveCiJobs(context),
    jwtRoles: deriveJwtRoles(context, github),
    appRoles: deriveAppRoles(context),
    kubernetesRoles: deriveKubernetesRoles(context),
    quotas: deriveQuotas(context, vault.auth),
    recipients: ordered(organization.people).flatMap(([person, { age }]) =>
      age === undefined ? [] : [{ person, age }],
    ),
    contacts: { security: organization.contacts.security, onCall: organization.contacts["on-call"] },
    settings: deriveSettings(context),
    exceptions: deriveExceptions(context),
    parts: [...new Set(systems.map(({ part }) => part))].sort(),
    rotation: deriveRotation(context),
    ...given("aws", deriveAws(context, { vault, github, databases, people })),
  };
  return { ...parts, policies: derivePolicies(context, parts) };
}
