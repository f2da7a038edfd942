import { readFile } from "node:fs/promises";
import pg from "pg";
import { Vault } from "../../../clients/vault.ts";
import {
  environmentOf,
  type LocalServices,
  prepareDatabases,
  type StartOptions,
} from "../../../local/services/index.ts";
import { connectAsSuperuser } from "../../../local/services/postgres-server.ts";
import { type Catalogue, loadCatalogue } from "../../../model/catalogue.ts";
import { rotationLogins } from "../../../model/derive/databases.ts";
import { derive } from "../../../model/derive.ts";
import type { Database, Model, Secret } from "../../../model/model.ts";
import { renderPolicy } from "../../../model/policies.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import type { Reach, Reason, RotatorContext } from "../../../operations/rotation/rotator.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { type TestServices, testServices } from "../../integration/running-services.ts";
import { settlesAtOnce } from "../vault.ts";

/**
 * Postgres and Vault as rotation meets them: the catalogue's databases and an empty store of values, and nothing else
 * of the platform. Every statement is logged.
 */
export interface DatabaseServer {
  test: TestServices;
  services: LocalServices;
  model: Model;
  /** With the rotation role's policy. */
  rotator: Vault;
  root: Vault;
  reach: Reach;
  secret(id: string): Secret;
  database(secret: Secret): Database;
  context(secret: Secret, given?: { rotation?: string; reason?: Reason; reach?: Reach }): RotatorContext;
  /**
   * A secret like another, with a user, paths and one consumer of its own, so that no test meets another one's logins.
   */
  like(secret: Secret, user: string): Secret;
  /** Asks as the superuser, inside a secret's database. */
  query<Row extends pg.QueryResultRow>(secret: Secret, text: string, values?: unknown[]): Promise<Row[]>;
  /** Logs in as a client would. The caller ends it. */
  connect(secret: Secret, fields: Fields, application?: string): Promise<pg.Client>;
  /** The SQLSTATE with which a login is refused; undefined where it gets in. */
  refusal(secret: Secret, fields: Fields): Promise<string | undefined>;
  /** Logins that Vault made for the engine and that are there now. */
  engineLogins(): Promise<string[]>;
  log(): Promise<string>;
}

const usual: Partial<StartOptions> = {
  postgresSettings: { log_statement: "all", log_min_duration_statement: "0" },
  only: ["vault", "postgres"],
};

/**
 * @param more what a test meets beside Vault and Postgres
 * @param catalogue the repository's own where none is given
 */
export async function startDatabaseServer(
  t: { after(end: () => Promise<void>): void },
  more: Partial<StartOptions> = {},
  catalogue?: Catalogue,
): Promise<DatabaseServer> {
  const test = await testServices(t, { ...usual, ...more });
  const services = await test.start();
  const declared = catalogue ?? (await loadCatalogue("catalogue"));
  const model = settlesAtOnce(derive(declared, "local", environmentOf(services)));
  const root = new Vault({
    address: services.vault.address,
    ca: services.vault.ca,
    token: services.vault.rootToken ?? "",
  });
  t.after(() => root.close());
  const passwords = await prepareDatabases(services, model.databases, { exists: async () => false });
  const rotator = await prepareVault(root, model, passwords);
  const reach: Reach = { ...databaseReach({ vault: rotator, model, ca: services.issuer.ca }), fetch };
  const database = (secret: Secret) => {
    const found = model.databases.find(({ id }) => id === secret.databaseUser?.database);
    if (found === undefined) throw new Error(`${secret.id} has no database`);
    return found;
  };
  const connect = async (secret: Secret, { user, password }: Fields, application = "client") => {
    const { host, port, database: name } = database(secret);
    const client = new pg.Client({
      ...{ host, port, database: name },
      user: user ?? "",
      password: password ?? "",
      application_name: application,
    });
    client.on("error", () => {});
    await client.connect();
    return client;
  };
  const asSuperuser = async <Row extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: unknown[] = [],
  ) => {
    const { home, postgres, issuer } = services;
    const client = await connectAsSuperuser({ home, port: postgres.port, ca: issuer.ca, database: name });
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    test,
    services,
    model,
    rotator,
    root,
    reach,
    database,
    connect,
    secret(id) {
      const found = model.secrets.find((secret) => secret.id === id);
      if (found === undefined) throw new Error(`no secret ${id}`);
      return found;
    },
    like(secret, user) {
      const { databaseUser, system, consumers } = secret;
      if (databaseUser === undefined) throw new Error(`${secret.id} is no database user`);
      const logins = databaseUser.logins.length === 2 ? [`${user}_a`, `${user}_b`] : [user];
      return {
        ...secret,
        id: `${system}/${user}`,
        source: `source/${system}/${user}`,
        journal: `rotation/${system}/${user}`,
        databaseUser: { ...databaseUser, user, logins },
        consumers: consumers.map((one) => ({ ...one, path: `services/${system}/${one.name}/${user}` })),
      };
    },
    context: (secret, given = {}) => ({
      vault: rotator,
      model,
      secret,
      rotation: "first-rotation",
      reason: "scheduled",
      reach,
      now: () => new Date(),
      report: () => {},
      signal: new AbortController().signal,
      async uninterrupted() {
        throw new Error("what a database has is found there again");
      },
      ...given,
    }),
    query: (secret, text, values) => asSuperuser(database(secret).database, text, values),
    async refusal(secret, fields) {
      try {
        await (await connect(secret, fields)).end();
        return undefined;
      } catch (error) {
        if (error instanceof pg.DatabaseError) return error.code;
        throw error;
      }
    },
    async engineLogins() {
      const rows = await asSuperuser<{ rolname: string }>(
        "postgres",
        "select rolname from pg_roles where rolname like 'v-%' order by 1",
      );
      return rows.map(({ rolname }) => rolname);
    },
    log: () => readFile(services.postgres.logFile, "utf8"),
  };
}

/** Lets Vault make logins of a database's rotation role. */
export async function connectVault(root: Vault, database: Database, password: string): Promise<void> {
  const { connection, host, port, manager } = database;
  await root.write(`database/config/${connection}`, {
    plugin_name: "postgresql-database-plugin",
    connection_url: `postgresql://{{username}}:{{password}}@${host}:${port}/${database.database}?sslmode=disable`,
    username: manager,
    password,
    password_authentication: "scram-sha-256",
    allowed_roles: ["*"],
  });
  for (const login of rotationLogins(database)) {
    await root.write(`database/roles/${login.role}`, {
      db_name: connection,
      creation_statements: login.creationStatements,
      renew_statements: login.renewStatements,
      revocation_statements: login.revocationStatements,
      default_ttl: login.ttl,
      max_ttl: login.maxTtl,
    });
  }
}

/** The same connections, roles and policy as the program makes. */
async function prepareVault(root: Vault, model: Model, passwords: Record<string, string>): Promise<Vault> {
  const { database, kv, transit } = model.vault.mounts;
  await root.write(`sys/mounts/${database}`, { type: "database" });
  await root.write(`sys/mounts/${kv}`, { type: "kv", options: { version: "2" } });
  await root.write(`sys/mounts/${transit}`, { type: "transit" });
  await root.write(`${transit}/keys/${model.vault.fingerprintKey}`, { type: "hmac", key_size: 32 });
  for (const each of model.databases) await connectVault(root, each, passwords[each.connection] ?? "");
  for (const policy of model.policies.filter(({ name }) => ["default", "keyplane.rotate"].includes(name))) {
    await root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
  }
  const { auth } = await root.write("auth/token/create", { policies: ["keyplane.rotate"], no_parent: true });
  return root.with(auth?.client_token);
}
