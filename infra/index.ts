import type { Resource } from "@pulumi/pulumi";
import type { LambdaName } from "../model/aws.ts";
import type { Model } from "../model/model.ts";
import { declareAws } from "./aws/index.ts";
import { partOf } from "./part.ts";
import { AuditDevices } from "./vault/audit.ts";
import { DatabaseCredentials } from "./vault/databases.ts";
import { declareFunctionLogins } from "./vault/functions.ts";
import { declareEncryptionKeys, declareHashingKey } from "./vault/keys.ts";
import { declareMounts, type Mounts } from "./vault/mounts.ts";
import { declarePeople, HumanLogin } from "./vault/people.ts";
import { declarePolicies } from "./vault/policies.ts";
import { declareQuotas } from "./vault/quotas.ts";
import { declareAppRoles, declareJwtRoles, declareKubernetesRoles } from "./vault/roles.ts";

export interface PlatformOptions {
  /** Everything in one stack, the platform alone, or the systems of one part. */
  part: "all" | "platform" | (string & {});
  /** Connection → first password of its manager, for connections that Vault does not have yet. */
  bootstrapPasswords: Record<string, string>;
  /** Folder of each function's bundle; needed where the environment has an AWS account. */
  lambdaCode?: Record<LambdaName, string>;
}

/** Declares the Vault and the AWS account of an environment, or a part of it, from the model alone. */
export function platform(model: Model, { part, bootstrapPasswords, lambdaCode }: PlatformOptions): void {
  const { mounts, auth, fingerprintKey, evidenceKey } = model.vault;
  const ours = partOf(model, part);

  // Audit first, so that everything after it is on record; then rights, the places, and what lies in them.
  const audit = ours.platform ? [new AuditDevices("audit", model.vault.audit)] : [];
  const policies = declarePolicies(ours.policies, { dependsOn: audit });
  // Kubernetes may come later: the update itself then needs the new right to its mount.
  const rights = [policies.get("keyplane.deploy")].filter((policy) => policy !== undefined);
  const made = ours.platform
    ? declareMounts(model.vault, model.github, { dependsOn: audit }, [...audit, ...rights])
    : undefined;
  const on = (place: keyof Mounts): { dependsOn: Resource[] } => {
    const mount = made?.[place];
    return { dependsOn: mount === undefined ? [] : [mount] };
  };

  declareJwtRoles(auth.github, ours.jwtRoles, on("github"));
  declareAppRoles(auth.approle, ours.appRoles, on("approle"));
  if (model.vault.kubernetes !== undefined) {
    declareKubernetesRoles(auth.kubernetes, ours.kubernetesRoles, on("kubernetes"));
  }

  for (const database of ours.databases) {
    const bootstrapPassword = bootstrapPasswords[database.connection];
    new DatabaseCredentials(database.connection, {
      backend: mounts.database,
      database,
      ...(bootstrapPassword !== undefined && { bootstrapPassword }),
      after: on("database").dependsOn,
    });
  }
  declareEncryptionKeys(mounts.transit, ours.encryptionKeys, on("transit"));

  if (ours.platform) {
    declareHashingKey(mounts.transit, fingerprintKey, on("transit"));
    if (evidenceKey !== undefined) declareHashingKey(mounts.transit, evidenceKey, on("transit"));
    const people = new HumanLogin("people", model, { dependsOn: audit });
    // Nobody is anyone before their login asks for a second factor, also when the first update is killed.
    declarePeople(model, people, { dependsOn: [people] });
    if (model.aws !== undefined) {
      if (lambdaCode === undefined) throw new Error("lambdaCode is missing: name the folders of the bundles");
      const roles = declareAws(model.aws, lambdaCode);
      declareFunctionLogins(model.vault, model.aws, roles, { dependsOn: [...audit, ...rights] });
    }
    // Vault takes a quota only for a path that is mounted.
    declareQuotas(model.quotas, { dependsOn: [people, ...Object.values(made ?? {})] });
  }
}
