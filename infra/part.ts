import type { Database, EncryptionKey, Model } from "../model/model.ts";
import type { AppRole, JwtRole, KubernetesRole, Policy } from "../model/vault.ts";

/** What one stack builds. */
export interface Part {
  /** Mounts, logins, people, quotas and audit: once per environment. */
  platform: boolean;
  policies: Policy[];
  jwtRoles: JwtRole[];
  appRoles: AppRole[];
  kubernetesRoles: KubernetesRole[];
  databases: Database[];
  encryptionKeys: EncryptionKey[];
}

/**
 * The slice of the model that a part builds: "all", "platform", or the part of some systems.
 * @throws for a part that no system names.
 */
export function partOf(model: Model, part: "all" | "platform" | (string & {})): Part {
  const platform = part === "all" || part === "platform";
  const systems = new Set(
    model.systems.filter((system) => part === "all" || system.part === part).map(({ name }) => name),
  );
  if (!platform && systems.size === 0) {
    const parts = [...new Set(model.systems.map((system) => system.part))].sort();
    throw new Error(
      `No system belongs to the part "${part}": set keyplane:part to all, platform, ${parts.join(", ")}`,
    );
  }
  const here = (id: string) => systems.has(id.split("/")[0] ?? "");
  const ours = (of: { kind: string; id: string }) =>
    of.kind === "platform" || of.kind === "group" ? platform : here(of.id);
  return {
    platform,
    policies: model.policies.filter(({ of }) => ours(of)),
    jwtRoles: model.jwtRoles.filter(({ of }) => ours(of)),
    appRoles: model.appRoles.filter((role) => here(role.service)),
    kubernetesRoles: model.kubernetesRoles.filter((role) => here(role.service)),
    databases: model.databases.filter(({ id }) => here(id)),
    encryptionKeys: model.encryptionKeys.filter(({ id }) => here(id)),
  };
}
