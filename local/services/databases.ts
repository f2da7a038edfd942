import { createHash, randomBytes } from "node:crypto";
import pg from "pg";
import { makersOf, usersSchema } from "../../model/derive/databases.ts";
import type { Database } from "../../model/model.ts";
import { scramVerifier } from "../../operations/database/scram.ts";
import { memberships, rolesOf } from "../../operations/database/setup.ts";
import { userFunctions } from "../../operations/database/user-functions.ts";
import { type Grant, parseGrant } from "./grants.ts";
import { connectAsSuperuser, superuser } from "./postgres-server.ts";

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
 * Makes what Vault and rotation need to manage a database's users: the database, its group roles with exactly the
 * catalogue's grants (also on later tables), the manager and its makers, and the role that rotation acts as. Repeating it changes nothing.
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
    await waitForEarlierRun(client);
    const found = await existing(client);
    const statements = present.flatMap((database) => roleStatements(database, found));
    for (const { connection, manager } of present) {
      if ((await exists(connection)) && found.withPassword.has(manager)) continue;
      const password = randomBytes(32).toString("base64url");
      passwords[connection] = password;
      statements.push(`ALTER ROLE ${id(manager)} PASSWORD ${text(scramVerifier(password))}`);
    }
    await runTogether(client, statements);
    for (const { database } of present) {
      if (!found.databases.has(database)) await client.query(`CREATE DATABASE ${id(database)}`);
      found.databases.add(database);
    }
    await runTogether(client, present.flatMap(connectStatements));
  } finally {
    await client.end();
  }
  for (const [index, database] of present.entries()) await grantWithin(server, database, grants[index] ?? []);
  return passwords;
}

/**
 * A server carries on with the statement of a run that was killed: its session ends, and with it this lock, when the
 * statement is done. Each database has locks of its own.
 */
async function waitForEarlierRun(client: pg.Client): Promise<void> {
  await client.query("SELECT pg_advisory_lock(hashtext('keyplane'))");
}

interface Existing {
  roles: Set<string>;
  withPassword: Set<string>;
  databases: Set<string>;
  /** Comments on roles: on a manager, which of our statements were run for its makers. */
  marks: Map<string, string>;
}

async function existing(client: pg.Client): Promise<Existing> {
  const roles = await client.query<{ rolname: string; password: boolean; mark: string | null }>(
    "SELECT rolname, rolpassword IS NOT NULL AS password, shobj_description(oid, 'pg_authid') AS mark FROM pg_authid",
  );
  const databases = await client.query<{ datname: string }>("SELECT datname FROM pg_database");
  return {
    roles: new Set(roles.rows.map(({ rolname }) => rolname)),
    withPassword: new Set(roles.rows.filter(({ password }) => password).map(({ rolname }) => rolname)),
    databases: new Set(databases.rows.map(({ datname }) => datname)),
    marks: new Map(roles.rows.map(({ rolname, mark }) => [rolname, mark ?? ""])),
  };
}

/** One round trip and one transaction: all of it or none. */
async function runTogether(client: pg.Client, statements: string[]): Promise<void> {
  if (statements.length > 0) await client.query(statements.join(";\n"));
}

/** What is found already is not made again, and `found` learns what will be made. */
function roleStatements(database: Database, found: Existing): string[] {
  const roles = rolesOf(database);
  const missing = roles.filter(([name]) => !found.roles.has(name));
  for (const [name] of missing) found.roles.add(name);
  const altered = ([name, attributes]: (typeof roles)[number]) =>
    `ALTER ROLE ${id(name)} ${attributes} NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS INHERIT`;
  const makers = new Set(makersOf(database));
  // A hundred roles in a few groups each: only when something about them is new.
  const ofMakers = [...roles.filter(([name]) => makers.has(name)).map(altered), ...memberships(database)];
  const mark = markOf(ofMakers);
  const known = missing.length === 0 && found.marks.get(database.manager) === mark;
  return [
    ...missing.map(([name]) => `CREATE ROLE ${id(name)} NOLOGIN`),
    ...roles.filter(([name]) => !makers.has(name)).map(altered),
    ...(known ? [] : [...ofMakers, `COMMENT ON ROLE ${id(database.manager)} IS ${text(mark)}`]),
  ];
}

/** Tells whether the same statements were run before. */
function markOf(statements: string[]): string {
  return `keyplane ${createHash("sha256").update(statements.join("\n")).digest("hex").slice(0, 16)}`;
}

/** Postgres lets everybody into every database; a user of one system has no business in another's (R8). */
function connectStatements({ database, manager, rotation: { actsAs }, groups }: Database): string[] {
  return [
    `REVOKE ALL ON DATABASE ${id(database)} FROM PUBLIC`,
    ...[manager, actsAs, ...groups.map(({ name }) => name)].map(
      (role) => `GRANT CONNECT ON DATABASE ${id(database)} TO ${id(role)}`,
    ),
  ];
}

/** Sets the groups' rights inside one database to what the catalogue says, and the manager's functions, in one transaction. */
async function grantWithin(
  server: PostgresServer,
  described: Database,
  grants: { group: string; grants: Grant[] }[],
): Promise<void> {
  const { database, manager } = described;
  const groups = grants.map(({ group }) => group);
  const creators = [superuser, manager, ...groups];
  const named = new Set(["public", ...grants.flatMap(({ grants }) => grants.flatMap(schemaOf))]);
  const client = await connectAsSuperuser({ ...server, database });
  try {
    await client.query("SET log_statement = 'none'");
    await waitForEarlierRun(client);
    const { rows } = await client.query<{ nspname: string }>(
      "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
    );
    const functions = userFunctions(described);
    const mark = markOf(functions);
    const { rows: marks } = await client.query<{ mark: string | null }>(
      "SELECT obj_description(oid, 'pg_namespace') AS mark FROM pg_namespace WHERE nspname = $1",
      [usersSchema],
    );
    const schemas = [...new Set([...named, ...rows.map(({ nspname }) => nspname)])];
    await runTogether(client, [
      "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
      ...[...named].flatMap(sampleStatements),
      // What an earlier catalogue gave goes; what is still right is given again in the same transaction.
      ...groups.flatMap((group) => revokeStatements({ group, creators, database, schemas })),
      ...grants.flatMap(({ group, grants }) =>
        grants.flatMap((grant) => grantStatements(grant, { group, creators, database })),
      ),
      ...(marks[0]?.mark === mark ? [] : [...functions, `COMMENT ON SCHEMA ${usersSchema} IS ${text(mark)}`]),
    ]);
  } finally {
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

function revokeStatements({
  group,
  creators,
  database,
  schemas,
}: {
  group: string;
  creators: string[];
  database: string;
  schemas: string[];
}): string[] {
  const from = `FROM ${id(group)}`;
  return [
    `REVOKE CREATE, TEMPORARY ON DATABASE ${id(database)} ${from}`,
    ...schemas.flatMap((schema) => [
      `REVOKE ALL ON SCHEMA ${id(schema)} ${from}`,
      ...["TABLES", "SEQUENCES", "FUNCTIONS"].flatMap((objects) => [
        `REVOKE ALL ON ALL ${objects} IN SCHEMA ${id(schema)} ${from}`,
        ...creators.map(
          (creator) =>
            `ALTER DEFAULT PRIVILEGES FOR ROLE ${id(creator)} IN SCHEMA ${id(schema)} REVOKE ALL ON ${objects} ${from}`,
        ),
      ]),
    ]),
  ];
}

function sampleStatements(schema: string): string[] {
  const table = `${id(schema)}.${id(sampleTable)}`;
  return [
    `CREATE SCHEMA IF NOT EXISTS ${id(schema)}`,
    `CREATE TABLE IF NOT EXISTS ${table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL)`,
    `INSERT INTO ${table} (note) SELECT 'made by keyplane' WHERE NOT EXISTS (SELECT FROM ${table})`,
  ];
}
