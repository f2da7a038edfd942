import { randomBytes } from "node:crypto";
import pg from "pg";
import type { Database } from "../../model/model.ts";
import { type Grant, parseGrant } from "./grants.ts";
import { connectAsSuperuser, superuser } from "./postgres-server.ts";
import { scramVerifier } from "./scram.ts";

const id = pg.escapeIdentifier;
const text = pg.escapeLiteral;

/** A small table in each schema of the catalogue's grants, so that there is something to query on a fresh machine. */
export const sampleTable = "keyplane_sample";

export interface PostgresServer {
  home: string;
  port: number;
  ca: string;
}

/**
 * Makes what Vault needs to manage a database's users: the database, its group roles with exactly the catalogue's
 * grants (also on later tables), and the manager role. Repeating it changes nothing.
 * @param exists Whether Vault has a connection of that name already: its manager's password is Vault's own by then.
 * @returns connection → fresh bootstrap password, for each manager whose password nobody has yet.
 */
export async function makeDatabases(
  server: PostgresServer,
  databases: Database[],
  { exists }: { exists: (connection: string) => Promise<boolean> },
): Promise<Record<string, string>> {
  const present = databases.filter(({ retired }) => retired?.delete !== true);
  if (present.length === 0) return {};
  // Every grant is understood before anything is done.
  const grants = present.map(({ groups }) =>
    groups.map(({ name, grants }) => ({ group: name, grants: grants.map(parseGrant) })),
  );
  const passwords: Record<string, string> = {};
  const client = await connectAsSuperuser(server);
  try {
    // The log is for what others do; ours would fill it with every start, and a verifier is best kept out of it.
    await client.query("SET log_statement = 'none'");
    for (const database of present) {
      await makeRoles(client, database);
      if (!(await exists(database.connection)) || !(await hasPassword(client, database.manager))) {
        const password = randomBytes(32).toString("base64url");
        await client.query(`ALTER ROLE ${id(database.manager)} PASSWORD ${text(scramVerifier(password))}`);
        passwords[database.connection] = password;
      }
      await makeDatabase(client, database);
    }
  } finally {
    await client.end();
  }
  for (const [index, database] of present.entries()) await grantWithin(server, database, grants[index] ?? []);
  return passwords;
}

async function makeRoles(client: pg.Client, { manager, groups }: Database): Promise<void> {
  await makeRole(client, manager);
  await client.query(
    `ALTER ROLE ${id(manager)} LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS INHERIT`,
  );
  // Revoking a user ends its sessions and hands over what it owns: that takes the rights of the users it made.
  await client.query(`ALTER ROLE ${id(manager)} SET createrole_self_grant = 'inherit'`);
  for (const { name } of groups) {
    await makeRole(client, name);
    await client.query(
      `ALTER ROLE ${id(name)} NOLOGIN NOCREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS INHERIT`,
    );
    // It hands the group out, and hands a revoked user's things over to it: that takes the group's rights.
    await client.query(`GRANT ${id(name)} TO ${id(manager)} WITH ADMIN TRUE, INHERIT TRUE, SET FALSE`);
  }
}

async function makeRole(client: pg.Client, name: string): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${id(name)} NOLOGIN`);
}

async function hasPassword(client: pg.Client, role: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_authid WHERE rolname = $1 AND rolpassword IS NOT NULL",
    [role],
  );
  return rowCount === 1;
}

async function makeDatabase(client: pg.Client, { database, manager, groups }: Database): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [database]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${id(database)}`);
  // Postgres lets everybody into every database; a user of one system has no business in another's (R8).
  await client.query(`REVOKE ALL ON DATABASE ${id(database)} FROM PUBLIC`);
  for (const role of [manager, ...groups.map(({ name }) => name)]) {
    await client.query(`GRANT CONNECT ON DATABASE ${id(database)} TO ${id(role)}`);
  }
}

/** Sets the groups' rights inside one database to what the catalogue says, in one transaction. */
async function grantWithin(
  server: PostgresServer,
  database: Database,
  grants: { group: string; grants: Grant[] }[],
): Promise<void> {
  const client = await connectAsSuperuser({ ...server, database: database.database });
  try {
    await client.query("SET log_statement = 'none'");
    await client.query("BEGIN");
    const schemas = new Set(["public", ...grants.flatMap(({ grants }) => grants.flatMap(schemaOf))]);
    await client.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    for (const schema of schemas) {
      await client.query(`CREATE SCHEMA IF NOT EXISTS ${id(schema)}`);
      await makeSample(client, schema);
    }
    const groups = grants.map(({ group }) => group);
    const creators = [superuser, database.manager, ...groups];
    for (const group of groups) await revokeAll(client, { group, creators, database: database.database });
    for (const { group, grants: of } of grants) {
      for (const grant of of) {
        for (const sql of grantStatements(grant, { group, creators, database: database.database })) {
          await client.query(sql);
        }
      }
    }
    await client.query("COMMIT");
  } finally {
    // Ending the connection rolls an unfinished transaction back.
    await client.end();
  }
}

/** The statements that give a group what one grant of the catalogue says, on what is there and on what comes. */
export function grantStatements(
  { privileges, on }: Grant,
  { group, creators, database }: { group: string; creators: string[]; database: string },
): string[] {
  const list = privileges.join(", ");
  const to = `TO ${id(group)}`;
  switch (on.kind) {
    case "schema":
      return [`GRANT ${list} ON SCHEMA ${id(on.schema)} ${to}`];
    case "database":
      return [`GRANT ${list} ON DATABASE ${id(database)} ${to}`];
    case "table":
    case "sequence":
      return [
        `GRANT USAGE ON SCHEMA ${id(on.schema)} ${to}`,
        `GRANT ${list} ON ${on.kind === "table" ? "TABLE" : "SEQUENCE"} ${id(on.schema)}.${id(on.name)} ${to}`,
      ];
    case "all":
      return [
        `GRANT USAGE ON SCHEMA ${id(on.schema)} ${to}`,
        `GRANT ${list} ON ALL ${on.objects} IN SCHEMA ${id(on.schema)} ${to}`,
        ...creators.map(
          (creator) =>
            `ALTER DEFAULT PRIVILEGES FOR ROLE ${id(creator)} IN SCHEMA ${id(on.schema)} GRANT ${list} ON ${on.objects} ${to}`,
        ),
      ];
  }
}

function schemaOf({ on }: Grant): string[] {
  return "schema" in on ? [on.schema] : [];
}

/** Takes from a group what an earlier catalogue gave it; what is still right is given again in the same transaction. */
async function revokeAll(
  client: pg.Client,
  { group, creators, database }: { group: string; creators: string[]; database: string },
): Promise<void> {
  const { rows } = await client.query<{ nspname: string }>(
    "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
  );
  const from = `FROM ${id(group)}`;
  await client.query(`REVOKE CREATE, TEMPORARY ON DATABASE ${id(database)} ${from}`);
  for (const { nspname } of rows) {
    await client.query(`REVOKE ALL ON SCHEMA ${id(nspname)} ${from}`);
    for (const objects of ["TABLES", "SEQUENCES", "FUNCTIONS"]) {
      await client.query(`REVOKE ALL ON ALL ${objects} IN SCHEMA ${id(nspname)} ${from}`);
      for (const creator of creators) {
        await client.query(
          `ALTER DEFAULT PRIVILEGES FOR ROLE ${id(creator)} IN SCHEMA ${id(nspname)} REVOKE ALL ON ${objects} ${from}`,
        );
      }
    }
  }
}

async function makeSample(client: pg.Client, schema: string): Promise<void> {
  const table = `${id(schema)}.${id(sampleTable)}`;
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL)`,
  );
  await client.query(
    `INSERT INTO ${table} (note) SELECT 'made by keyplane' WHERE NOT EXISTS (SELECT FROM ${table})`,
  );
}
