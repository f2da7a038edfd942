import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { afterEach, before, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { Vault } from "../../clients/vault.ts";
import { type LocalServices, prepareDatabases, sampleTable } from "../../local/services/index.ts";
import { connectAsSuperuser } from "../../local/services/postgres-server.ts";
import {
  creationStatements,
  makersOf,
  renewStatements,
  revocationStatements,
} from "../../model/derive/databases.ts";
import type { Database } from "../../model/model.ts";
import { scramVerifier } from "../../operations/database/scram.ts";
import { testServices } from "./running-services.ts";
import { endedWithFile } from "./support/ended-with-file.ts";

const ledger: Database = {
  id: "titan/ledger",
  system: "titan",
  name: "ledger",
  engine: "postgres",
  connection: "titan.ledger",
  host: "127.0.0.1",
  port: 5432,
  database: "titan_ledger",
  tls: "disable",
  manager: "keyplane_titan_ledger",
  rotation: { role: "titan.ledger.keyplane.rotate", actsAs: "keyplane_titan_ledger__rotation" },
  groups: [
    {
      name: "ledger_reader",
      grants: ['USAGE ON SCHEMA "public"', 'SELECT ON ALL TABLES IN SCHEMA "public"'],
    },
    {
      name: "ledger_writer",
      grants: [
        'USAGE ON SCHEMA "public"',
        'CREATE ON SCHEMA "public"',
        'SELECT, INSERT ON ALL TABLES IN SCHEMA "public"',
        'USAGE ON ALL SEQUENCES IN SCHEMA "public"',
      ],
    },
  ],
  users: [],
};
const other: Database = {
  ...ledger,
  id: "soma/agents",
  connection: "soma.agents",
  database: "soma_agents",
  manager: "keyplane_soma_agents",
  rotation: { role: "soma.agents.keyplane.rotate", actsAs: "keyplane_soma_agents__rotation" },
  groups: [{ name: "agents_reader", grants: ['SELECT ON ALL TABLES IN SCHEMA "books"'] }],
};
const text = pg.escapeLiteral;
const id = pg.escapeIdentifier;
const unknown = { exists: async () => false };
const known = { exists: async () => true };

let services: LocalServices;
const shared = endedWithFile();

before(async () => {
  const own = await testServices(shared);
  services = await own.start({ postgresSettings: { log_statement: "all" } });
});

/** One server for all: what a test made in it goes with the test. */
afterEach(async () => {
  const { home, postgres, issuer } = services;
  const client = await connectAsSuperuser({ home, port: postgres.port, ca: issuer.ca, database: "postgres" });
  try {
    const databases = await client.query<{ datname: string }>(
      "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'",
    );
    for (const { datname } of databases.rows) await client.query(`DROP DATABASE ${id(datname)} WITH (FORCE)`);
    const roles = await client.query<{ rolname: string }>(
      "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'",
    );
    if (roles.rows.length > 0) {
      await client.query(`DROP ROLE ${roles.rows.map(({ rolname }) => id(rolname)).join(", ")}`);
    }
  } finally {
    await client.end();
  }
});

async function connected(t: TestContext, options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", ...options });
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end().catch(() => {}));
  return client;
}

async function superuser(t: TestContext, database: string): Promise<pg.Client> {
  const { postgres } = services;
  const password = (await readFile(postgres.passwordFile, "utf8")).trim();
  return connected(t, { port: postgres.port, user: postgres.superuser, password, database });
}

/** As Vault asks for a user, whose password here is its name. */
function create(login: string, group: string, given: { verifier?: string; ends?: string } = {}): string {
  const { verifier = text(scramVerifier(login)), ends = "now() + interval '1 hour'" } = given;
  return `SELECT keyplane.create_user(${text(login)}, ${verifier}, ${ends}, ${text(group)})`;
}

function extend(login: string, by: string): string {
  return `SELECT keyplane.extend_user(${text(login)}, now() + interval '${by}')`;
}

test("groups hold exactly the catalogue's grants, today and after a grant was taken away (R8)", async (t) => {
  await prepareDatabases(services, [ledger], unknown);
  const admin = await superuser(t, ledger.database);
  await admin.query("CREATE TABLE later (note text)");
  const privileges = async (group: string) => {
    const { rows } = await admin.query<{ held: string }>(
      `SELECT c.relname || ' ' || p AS held FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p
       WHERE c.relname IN ('later', '${sampleTable}') AND has_table_privilege($1, c.oid, p) ORDER BY 1`,
      [group],
    );
    return rows.map(({ held }) => held);
  };
  assert.deepEqual(await privileges("ledger_reader"), [`${sampleTable} SELECT`, "later SELECT"]);
  assert.deepEqual(await privileges("ledger_writer"), [
    `${sampleTable} INSERT`,
    `${sampleTable} SELECT`,
    "later INSERT",
    "later SELECT",
  ]);

  const less = structuredClone(ledger);
  less.groups = [{ name: "ledger_writer", grants: ['SELECT ON ALL TABLES IN SCHEMA "public"'] }];
  await prepareDatabases(services, [less], known);
  await admin.query("CREATE TABLE last (note text)");
  assert.deepEqual(await privileges("ledger_writer"), [`${sampleTable} SELECT`, "later SELECT"]);
  const { rows } = await admin.query(
    "SELECT has_table_privilege('ledger_writer', 'last', 'INSERT') AS insert, has_schema_privilege('ledger_writer', 'public', 'CREATE') AS create",
  );
  assert.deepEqual(rows, [{ insert: false, create: false }]);
});

test("repeating it changes nothing: same rights, same roles, same password, same sample", async (t) => {
  const [password] = Object.values(await prepareDatabases(services, [ledger, other], unknown));
  const admin = await superuser(t, ledger.database);
  const snapshot = async () => {
    const queries = [
      "SELECT rolname, rolsuper, rolcreaterole, rolcanlogin, rolpassword, setconfig FROM pg_authid LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid WHERE rolname !~ '^pg_' ORDER BY 1",
      "SELECT roleid::regrole, member::regrole, admin_option, inherit_option, set_option FROM pg_auth_members ORDER BY 1, 2",
      "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
      "SELECT nspname, nspacl FROM pg_namespace ORDER BY 1",
      "SELECT defaclrole::regrole, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2",
      "SELECT datname, datacl FROM pg_database ORDER BY 1",
      `SELECT * FROM ${sampleTable}`,
    ];
    const answers: unknown[][] = [];
    for (const text of queries) answers.push((await admin.query({ text, rowMode: "array" })).rows);
    return answers;
  };
  const before = await snapshot();
  assert.deepEqual(await prepareDatabases(services, [ledger, other], known), {});
  assert.deepEqual(await snapshot(), before);
  await connected(t, {
    port: services.postgres.port,
    user: ledger.manager,
    password: password ?? "",
    database: ledger.database,
  });
});

test("a bootstrap password is made where Vault has no connection, and left alone where it has one", async (t) => {
  const first = await prepareDatabases(services, [ledger, other], unknown);
  assert.deepEqual(Object.keys(first).sort(), ["soma.agents", "titan.ledger"]);
  assert.notEqual(first["soma.agents"], first["titan.ledger"]);
  const second = await prepareDatabases(services, [ledger, other], {
    exists: async (name) => name === "titan.ledger",
  });
  assert.deepEqual(Object.keys(second), ["soma.agents"]);
  assert.notEqual(second["soma.agents"], first["soma.agents"]);
  const login = (user: string, password: string | undefined, database: string) =>
    connected(t, { port: services.postgres.port, user, password: password ?? "", database });
  await login(ledger.manager, first["titan.ledger"], ledger.database);
  await login(other.manager, second["soma.agents"], other.database);
  await assert.rejects(login(other.manager, first["soma.agents"], other.database), { code: "28P01" });
});

test("a manager's password makes, extends and drops users of its groups for an hour, and can do nothing else (R8, R12)", async (t) => {
  const passwords = await prepareDatabases(services, [ledger, other], unknown);
  const login = { port: services.postgres.port, database: ledger.database };
  const asManager = { ...login, user: ledger.manager, password: passwords["titan.ledger"] ?? "" };
  const manager = await connected(t, asManager);
  const admin = await superuser(t, ledger.database);
  const made = "v-approle-titan.le-first-1700000000";
  await manager.query(create(made, "ledger_reader"));
  await manager.query(extend(made, "60 minutes"));
  // What others made, however it is called.
  await admin.query(
    `CREATE ROLE bystander LOGIN; CREATE ROLE "v-approle-other-1700000001" LOGIN IN ROLE ledger_reader; GRANT "${made}" TO bystander WITH ADMIN TRUE`,
  );
  const { rows: makers } = await admin.query<{ own: string }>(
    `SELECT right(rolname, 2) AS own FROM pg_auth_members JOIN pg_roles maker ON maker.oid = member
      WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND rolname ~ '__maker_'`,
    [made],
  );
  assert.equal(makers.length, 1);
  // The one that made the user administers it.
  const maker = (arguments_: string) => `SELECT keyplane.as_maker_${makers[0]?.own}(${arguments_})`;
  const inAnHour = "now() + interval '1 hour'";
  for (const [statement, code] of [
    ["CREATE ROLE evil", "42501"],
    [`GRANT ledger_reader TO bystander`, "42501"],
    [`ALTER ROLE "${made}" VALID UNTIL 'infinity'`, "42501"],
    [`ALTER ROLE "${made}" SUPERUSER`, "42501"],
    [`DROP ROLE "${made}"`, "42501"],
    [`SET ROLE "${ledger.manager}__maker_07"`, "42501"],
    [`SET ROLE ledger_reader`, "42501"],
    [`SET ROLE "${made}"`, "42501"],
    [`GRANT ${other.manager} TO ${ledger.manager}`, "42501"],
    [`ALTER ROLE ${other.manager} PASSWORD 'x'`, "42501"],
    [`SELECT * FROM ${sampleTable}`, "42501"],
    ["CREATE TABLE keyplane.mine ()", "42501"],
    ["ALTER FUNCTION keyplane.as_maker_07 SECURITY INVOKER", "42501"],
    ["CREATE OR REPLACE FUNCTION keyplane.drop_user(text, text) RETURNS void LANGUAGE sql AS ''", "42501"],
    // A name that Vault gives, one group of this database, a verifier, an hour: anything else is refused.
    [create("evil", "ledger_reader"), "42501"],
    [create('v-x"; ALTER ROLE postgres NOLOGIN; --1', "ledger_reader"), "42501"],
    [create(`v-${"x".repeat(70)}-1`, "ledger_reader"), "42501"],
    [create("v-evil-1", "agents_reader"), "42501"],
    [create("v-evil-1", "pg_read_all_data"), "42501"],
    [create("v-evil-1", "postgres"), "42501"],
    [create("v-evil-1", ledger.manager), "42501"],
    [create("v-evil-1", `${ledger.manager}__maker_07`), "42501"],
    [create("v-evil-1", made), "42501"],
    [create("v-evil-1", "bystander"), "42501"],
    [create("v-evil-1", "ledger_reader", { verifier: "'a password'" }), "28P01"],
    [create("v-evil-1", "ledger_reader", { verifier: "NULL" }), "28P01"],
    [create("v-evil-1", "ledger_reader", { ends: "'infinity'" }), "42501"],
    [create("v-evil-1", "ledger_reader", { ends: "NULL" }), "42501"],
    [create("v-evil-1", "ledger_reader", { ends: "now() + interval '66 minutes'" }), "42501"],
    [extend(made, "66 minutes"), "42501"],
    [extend("bystander", "1 minute"), "42501"],
    [extend("v-approle-other-1700000001", "1 minute"), "42501"],
    [extend("v-approle-nobody-1700000000", "1 minute"), "42704"],
    ["SELECT keyplane.drop_user('bystander', 'ledger_reader')", "42501"],
    ["SELECT keyplane.drop_user('postgres', 'ledger_reader')", "42501"],
    ["SELECT keyplane.drop_user('v-approle-other-1700000001', 'ledger_reader')", "42501"],
    [`SELECT keyplane.drop_user('${made}', 'postgres')`, "42501"],
    // The makers' own functions check for themselves.
    [maker(`'extend', 'bystander', NULL, ${inAnHour}, NULL`), "42501"],
    [maker(`'extend', 'v-approle-other-1700000001', NULL, ${inAnHour}, NULL`), "42501"],
    [maker("'drop', 'postgres', NULL, NULL, 'ledger_reader'"), "42501"],
    [maker("'drop', 'v-approle-other-1700000001', NULL, NULL, 'ledger_reader'"), "42501"],
    [maker(`'create', 'v-evil-1', ${text(scramVerifier("x"))}, ${inAnHour}, '${made}'`), "42501"],
    [maker(`'grant', '${made}', NULL, NULL, 'ledger_writer'`), "20000"],
    [maker(`NULL, '${made}', NULL, NULL, NULL`), "20000"],
  ] as const) {
    await assert.rejects(manager.query(statement), { code }, statement);
  }
  await assert.rejects(connected(t, { ...asManager, database: other.database }), { code: "42501" });
  // Nobody else may call them, a user that they made least of all.
  const session = await connected(t, { ...login, user: made, password: made });
  await assert.rejects(session.query(create("v-evil-1", "ledger_writer")), { code: "42501" });
  await assert.rejects(session.query(maker("'drop', 'postgres', NULL, NULL, 'x'")), { code: "42501" });
  await manager.query(`SELECT keyplane.drop_user('${made}', 'ledger_reader')`);
  await manager.query(`SELECT keyplane.drop_user('${made}', 'ledger_reader')`);
  await assert.rejects(session.query("SELECT 1"));
  const { rows: callable } = await admin.query<{ proname: string }>(
    "SELECT proname FROM pg_proc WHERE pronamespace = 'keyplane'::regnamespace AND has_function_privilege('bystander', oid, 'EXECUTE')",
  );
  assert.deepEqual(callable, [], "they say so themselves, whoever may look into the schema");
  const { rows } = await admin.query(
    "SELECT rolname FROM pg_roles WHERE rolname IN ('evil', 'bystander') OR rolname ~ '^v-' ORDER BY 1",
  );
  assert.deepEqual(rows, [{ rolname: "bystander" }, { rolname: "v-approle-other-1700000001" }]);
});

test("users are made by many roles, so that the cost of one does not grow with all, and their names fit (R12)", async (t) => {
  const long: Database = { ...ledger, manager: `keyplane_${"m".repeat(50)}` };
  const passwords = await prepareDatabases(services, [long], unknown);
  const manager = await connected(t, {
    ...{ port: services.postgres.port, database: long.database },
    ...{ user: long.manager, password: passwords["titan.ledger"] ?? "" },
  });
  for (let number = 0; number < 100; number++) {
    await manager.query(create(`v-many-${number}`, "ledger_reader"));
  }
  const admin = await superuser(t, long.database);
  const { rows } = await admin.query<{ rolname: string; made: number }>(
    `SELECT rolname, count(*)::int AS made FROM pg_auth_members JOIN pg_roles maker ON maker.oid = member
      WHERE roleid IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'v-many-%') GROUP BY 1`,
  );
  assert.ok(rows.length > 32, `${rows.length} makers`);
  assert.ok(rows.every(({ rolname }) => makersOf(long).includes(rolname)));
  for (let number = 0; number < 100; number++) {
    await manager.query(`SELECT keyplane.drop_user('v-many-${number}', 'ledger_reader')`);
  }
  assert.equal((await admin.query("SELECT FROM pg_roles WHERE rolname ~ '^v-'")).rowCount, 0);
});

test("the role that rotation acts as makes logins of its database's groups and no more, and leaves the ones it did not make alone (R8)", async (t) => {
  const passwords = await prepareDatabases(services, [ledger, other], unknown);
  const login = { port: services.postgres.port, database: ledger.database };
  const { actsAs } = ledger.rotation;
  const manager = await connected(t, {
    ...login,
    user: ledger.manager,
    password: passwords["titan.ledger"] ?? "",
  });
  const [own, dynamic] = ["v-rotate-engine-1700000000", "v-approle-dynamic-1700000000"];
  await manager.query(create(own, actsAs));
  await manager.query(create(dynamic, "ledger_writer"));
  const engine = await connected(t, { ...login, user: own, password: own });
  await assert.rejects(engine.query("CREATE ROLE static"), { code: "42501" });
  await engine.query(`SET ROLE "${actsAs}"`);
  await engine.query("CREATE ROLE static LOGIN PASSWORD 'static' IN ROLE ledger_writer");
  await engine.query("ALTER ROLE static SET role = 'ledger_writer'");
  await engine.query("ALTER ROLE static CONNECTION LIMIT 1 PASSWORD 'other'");
  for (const statement of [
    "CREATE ROLE evil SUPERUSER",
    "CREATE ROLE evil CREATEDB",
    "CREATE ROLE evil IN ROLE agents_reader",
    `CREATE ROLE evil IN ROLE "${actsAs}"`,
    `CREATE ROLE evil IN ROLE "${ledger.manager}"`,
    "GRANT pg_read_all_data TO static",
    `ALTER ROLE "${dynamic}" PASSWORD 'x'`,
    `ALTER ROLE "${own}" VALID UNTIL 'infinity'`,
    `ALTER ROLE "${ledger.manager}__maker_07" LOGIN`,
    create("v-evil-1", "ledger_writer"),
    `ALTER ROLE "${ledger.manager}" PASSWORD 'x'`,
    "ALTER ROLE postgres PASSWORD 'x'",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "CREATE DATABASE evil",
  ]) {
    await assert.rejects(engine.query(statement), { code: "42501" }, statement);
  }
  await assert.rejects(connected(t, { ...login, user: own, password: own, database: other.database }), {
    code: "42501",
  });
  await engine.end();
  await manager.query(`SELECT keyplane.drop_user('${own}', '${actsAs}')`);
  const admin = await superuser(t, ledger.database);
  const { rows } = await admin.query("SELECT rolname FROM pg_roles WHERE rolname IN ($1, 'static')", [own]);
  assert.deepEqual(rows, [{ rolname: "static" }]);
});

test("Vault manages users through the manager, and no password reaches Postgres' log (R12, R54)", async (t) => {
  const { vault: at, postgres } = services;
  const passwords = await prepareDatabases(services, [ledger], unknown);
  const bootstrap = passwords["titan.ledger"] ?? "";
  const vault = new Vault({ address: at.address, ca: at.ca, token: at.rootToken ?? "" });
  t.after(() => vault.close());
  await vault.write("sys/mounts/database", { type: "database" });
  await vault.write("database/config/titan.ledger", {
    plugin_name: "postgresql-database-plugin",
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/${ledger.database}?sslmode=disable`,
    username: ledger.manager,
    password: bootstrap,
    password_authentication: "scram-sha-256",
    allowed_roles: ["*"],
  });
  await vault.write("database/rotate-root/titan.ledger");
  const login = (user: string, password: string) =>
    connected(t, { port: postgres.port, database: ledger.database, user, password });
  await assert.rejects(login(ledger.manager, bootstrap), { code: "28P01" });

  for (const group of ["ledger_reader", "ledger_writer"]) {
    await vault.write(`database/roles/${group}`, {
      db_name: "titan.ledger",
      creation_statements: creationStatements(group),
      renew_statements: renewStatements,
      revocation_statements: revocationStatements(group),
      default_ttl: "1h",
      max_ttl: "1h",
    });
  }
  const issue = async (group: string) =>
    vault.request<{ username: string; password: string }>("GET", `database/creds/${group}`);
  const { data: reader, lease_id: readerLease } = await issue("ledger_reader");
  const session = await login(reader.username, reader.password);
  assert.equal((await session.query(`SELECT * FROM ${sampleTable}`)).rowCount, 1);
  await assert.rejects(session.query(`INSERT INTO ${sampleTable} (note) VALUES ('x')`), { code: "42501" });
  await assert.rejects(session.query("CREATE TABLE mine (note text)"), { code: "42501" });

  const { data: writer, lease_id: writerLease } = await issue("ledger_writer");
  const writing = await login(writer.username, writer.password);
  await writing.query("CREATE TABLE entries (note text)");
  await writing.query("INSERT INTO entries VALUES ('kept')");
  await writing.query(`INSERT INTO ${sampleTable} (note) VALUES ('y')`);

  for (const lease of [readerLease, writerLease]) {
    await vault.request("PUT", "sys/leases/revoke", { body: { lease_id: lease, sync: true } });
  }
  await sleep(100);
  await assert.rejects(session.query("SELECT 1"), "the reader's open session is ended");
  await assert.rejects(writing.query("SELECT 1"), "the writer's open session is ended");
  await assert.rejects(login(reader.username, reader.password), { code: "28P01" });
  const admin = await superuser(t, ledger.database);
  assert.deepEqual((await admin.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'")).rows, []);
  assert.deepEqual((await admin.query("SELECT note FROM entries")).rows, [{ note: "kept" }]);

  const log = await readFile(postgres.logFile, "utf8");
  assert.match(log, /keyplane\.create_user/, "statements are logged");
  const secrets = [
    bootstrap,
    reader.password,
    writer.password,
    (await readFile(postgres.passwordFile, "utf8")).trim(),
  ];
  for (const [index, secret] of secrets.entries())
    assert.ok(secret.length >= 20 && !log.includes(secret), `secret ${index}`);
});

test("a database whose data was deleted for good is not made again", async (t) => {
  const gone: Database = { ...ledger, retired: { since: "2026-01-01", reason: "moved", delete: true } };
  assert.deepEqual(await prepareDatabases(services, [gone], unknown), {});
  const admin = await superuser(t, "postgres");
  assert.equal((await admin.query("SELECT FROM pg_database WHERE datname = 'titan_ledger'")).rowCount, 0);
});

test("a grant that is no privilege statement stops everything before Postgres sees it (R8)", async (t) => {
  const evil = structuredClone(ledger);
  evil.groups[0]?.grants.push(
    "SELECT ON ALL TABLES IN SCHEMA public TO ledger_reader; ALTER ROLE ledger_reader SUPERUSER",
  );
  await assert.rejects(prepareDatabases(services, [evil], unknown), /is not a privilege statement/);
  const admin = await superuser(t, "postgres");
  assert.equal((await admin.query("SELECT FROM pg_roles WHERE rolname = 'ledger_reader'")).rowCount, 0);
});
