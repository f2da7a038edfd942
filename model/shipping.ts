import type { LambdaName } from "./aws.ts";
import type { Model, RotationModel } from "./model.ts";

/** What a function reads of the model; stands beside its code, since its variables have room for little. */
export interface Shipping<Name extends LambdaName = LambdaName> {
  model: Shipped[Name];
  /** Of the catalogue that the model is of; evidence is bound to it. */
  commit?: string;
}

export interface Shipped {
  "rotate-due": RotationModel;
  "rotate-postgres": RotatedUsers;
}

/** The users that Secrets Manager keeps, for the functions that rotate them. */
export interface RotatedUsers {
  environment: string;
  /** By the name that Vault knows the database under. */
  databases: Record<string, UsersOfDatabase>;
}

export interface UsersOfDatabase {
  groups: { name: string }[];
  /** By the name of their secret. */
  users: Record<string, { user: string; memberOf: string; logins: string[] }>;
}

/** What of a model is shipped with each function: a change of people or of rights makes no new code. */
export function shippings(model: Model): { [Name in LambdaName]: Shipping<Name> } {
  return { "rotate-due": { model: shipped(model) }, "rotate-postgres": { model: shippedUsers(model) } };
}

/** What the runner rotates by. */
export function shipped({
  organization,
  environment,
  promotion,
  vault,
  services,
  ciJobs,
  secrets,
  databases,
  encryptionKeys,
  appRoles,
  kubernetesRoles,
  settings,
  rotation,
}: Model): RotationModel {
  return {
    ...{ organization, environment, ...(promotion !== undefined && { promotion }), vault, services, ciJobs },
    ...{ secrets, databases, encryptionKeys, appRoles, kubernetesRoles, settings, rotation },
  };
}

function shippedUsers({ environment, databases, aws }: Model): RotatedUsers {
  const rotated = databases.flatMap(({ id, connection, groups }) => {
    const users =
      aws?.secrets.filter(({ database, retired }) => database === id && retired === undefined) ?? [];
    if (users.length === 0) return [];
    const shipped: UsersOfDatabase = {
      groups: groups.map(({ name }) => ({ name })),
      users: Object.fromEntries(
        users.map(({ name, user, memberOf, logins }) => [name, { user, memberOf, logins }]),
      ),
    };
    return [[knownAs(connection), shipped] as const];
  });
  return { environment, databases: Object.fromEntries(rotated) };
}

/** system/database as Vault's connection has it, which a renamed entry keeps. */
export function knownAs(connection: string): string {
  return connection.replace(".", "/");
}
