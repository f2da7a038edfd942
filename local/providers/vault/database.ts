import type {
  SecretBackendConnection,
  SecretBackendConnectionArgs,
} from "@pulumi/vault/database/secretBackendConnection.js";
import type { SecretBackendRole, SecretBackendRoleArgs } from "@pulumi/vault/database/secretBackendRole.js";
import type { database } from "@pulumi/vault/types/input.js";
import {
  block,
  type Fields,
  flag,
  fromVault,
  isObject,
  list,
  map,
  number,
  type Properties,
  set,
  text,
  toVault,
} from "../fields.ts";
import { entry, kind, remove } from "./entry.ts";

const postgres: Fields<database.SecretBackendConnectionPostgresql> = {
  connectionUrl: text(),
  username: text(),
  password: text({ writeOnly: true }),
  passwordAuthentication: text({ otherwise: "password" }),
  disableEscaping: flag(),
  usernameTemplate: text(),
  maxOpenConnections: number({ chosen: true }),
  maxIdleConnections: number({ chosen: true }),
  maxConnectionLifetime: number({ chosen: true }),
  tlsCa: text({ normal: (pem) => pem.trim() }),
};

const connection: Fields<SecretBackendConnectionArgs> = {
  backend: text({ required: true, replace: true, local: true }),
  name: text({ required: true, replace: true, local: true }),
  allowedRoles: set(),
  rootRotationStatements: list({ api: "root_credentials_rotate_statements" }),
  verifyConnection: flag({ otherwise: true }),
  postgresql: block(postgres),
};

/** The bootstrap password goes to Vault only when it changed: Vault has replaced it with its own since. */
export const databaseConnection = kind<SecretBackendConnection, SecretBackendConnectionArgs>({
  type: "vault:database/secretBackendConnection:SecretBackendConnection",
  fields: connection,
  async create(vault, inputs) {
    const id = `${inputs.backend}/config/${inputs.name}`;
    await vault.write(id, connectionBody(inputs));
    return id;
  },
  async read(vault, id, known) {
    const data = await vault.read<{ connection_details: Record<string, unknown> }>(id);
    if (data === undefined) return undefined;
    return {
      backend: known.backend ?? "",
      name: known.name ?? "",
      ...fromVault(connection as Fields, data),
      postgresql: fromVault(postgres as Fields, data.connection_details),
    };
  },
  async update(vault, id, inputs, changed) {
    const body = connectionBody(inputs);
    if (!changed.includes("postgresql.password")) delete body.password;
    await vault.write(id, body);
  },
  delete: (vault, id) => remove(vault, id),
});

function connectionBody(inputs: Properties): Properties {
  return {
    plugin_name: "postgresql-database-plugin",
    ...toVault(connection as Fields, inputs),
    ...(isObject(inputs.postgresql) && toVault(postgres as Fields, inputs.postgresql)),
  };
}

export const databaseRole = entry<SecretBackendRole, SecretBackendRoleArgs>({
  type: "vault:database/secretBackendRole:SecretBackendRole",
  path: (inputs) => `${inputs.backend}/roles/${inputs.name}`,
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    name: text({ required: true, replace: true, local: true }),
    dbName: text({ required: true, replace: true }),
    creationStatements: list({ required: true }),
    revocationStatements: list(),
    renewStatements: list(),
    rollbackStatements: list(),
    defaultTtl: number(),
    maxTtl: number(),
    credentialType: text({ otherwise: "password" }),
    credentialConfig: map(),
  },
});
