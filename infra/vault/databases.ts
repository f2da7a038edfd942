import { createHash } from "node:crypto";
import {
  ComponentResource,
  type ComponentResourceOptions,
  type Input,
  type Resource,
  secret,
} from "@pulumi/pulumi";
import { SecretBackendConnection } from "@pulumi/vault/database/secretBackendConnection.js";
import { SecretBackendRole } from "@pulumi/vault/database/secretBackendRole.js";
import { Endpoint } from "@pulumi/vault/generic/endpoint.js";
import { rotationLogins } from "../../model/derive/databases.ts";
import type { Database } from "../../model/model.ts";
import { dataHolding } from "../retention.ts";
import { short, within } from "./lifetime.ts";

export interface DatabaseArgs {
  /** Path of the database engine. */
  backend: string;
  database: Database;
  /** The manager's first password; absent once Vault knows the connection and has replaced it. */
  bootstrapPassword?: string;
  after: Resource[];
}

/**
 * A database whose credentials Vault makes (R12). The bootstrap password that the connection is made with is
 * dead before the update ends: Vault replaces it with one that nobody else knows.
 */
export class DatabaseCredentials extends ComponentResource {
  constructor(
    name: string,
    { backend, database, bootstrapPassword, after }: DatabaseArgs,
    opts?: ComponentResourceOptions,
  ) {
    super("keyplane:vault:DatabaseCredentials", name, {}, opts);
    const roles = [...database.users, ...rotationLogins(database)];
    const connection = new SecretBackendConnection(
      `${name}-connection`,
      {
        backend,
        name: database.connection,
        allowedRoles: roles.map(({ role }) => role),
        verifyConnection: true,
        postgresql: {
          connectionUrl: connectionUrl(database),
          username: database.manager,
          // Vault sends verifiers, so that no password passes through Postgres' log.
          passwordAuthentication: "scram-sha-256",
          ...(bootstrapPassword !== undefined && { password: secret(bootstrapPassword) }),
        },
      },
      {
        parent: this,
        dependsOn: after,
        ...dataHolding(database.retired),
        ...(bootstrapPassword === undefined && { ignoreChanges: ["postgresql.password"] }),
      },
    );
    new Endpoint(
      `${name}-rotate-root`,
      {
        path: `${backend}/rotate-root/${database.connection}`,
        // Made from the connection's own output, so that it comes after it.
        dataJson: connection.postgresql.apply((postgresql) => rotation(postgresql?.password)),
        disableRead: true,
        disableDelete: true,
      },
      { parent: this },
    );
    for (const user of roles) {
      new SecretBackendRole(
        `${name}-${user.role}`,
        {
          backend,
          name: user.role,
          dbName: database.connection,
          creationStatements: user.creationStatements,
          renewStatements: user.renewStatements,
          revocationStatements: user.revocationStatements,
          defaultTtl: user.ttl,
          maxTtl: within(short, user.role, user.maxTtl),
        },
        { parent: this, dependsOn: [connection] },
      );
    }
    this.registerOutputs({});
  }
}

/** Vault fills in the credentials; see https://developer.hashicorp.com/vault/docs/secrets/databases/postgresql */
export function connectionUrl({ host, port, database, tls }: Database): string {
  return `postgresql://{{username}}:{{password}}@${host}:${port}/${database}?sslmode=${tls}`;
}

/**
 * The body of the call that replaces the password. Vault ignores it; it changes with the password that the
 * connection was last written with, so that the call is made again exactly then, also after a crash between both.
 */
export function rotation(password: Input<string> | undefined): string {
  if (typeof password !== "string") return "{}";
  const replaces = createHash("sha256").update(`keyplane bootstrap ${password}`).digest("hex").slice(0, 16);
  return JSON.stringify({ replaces });
}
