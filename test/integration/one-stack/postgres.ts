import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Grant, parseGrant } from "../../../local/services/grants.ts";
import { sampleTable } from "../../../local/services/index.ts";
import { databaseCredentials, userWithAppRole } from "../../../local/tour/database.ts";
import type { Database } from "../../../model/model.ts";
import type { TestStack } from "../stack.ts";
import {
  asRoot,
  asService,
  composeUser,
  connect,
  dynamicUsers,
  issue,
  issuedUsers,
  query,
  type Running,
  refusal,
} from "../support/credentials.ts";
import { toured } from "../support/toured.ts";
import { oneStack } from "./stack.ts";

let stack: TestStack;
let running: Running;

before(async () => {
  stack = await oneStack();
  ({ running } = stack);
});

test("every dynamic database user logs in and holds exactly its group's rights, as Postgres' catalog sees them (R8, R12)", async () => {
  const { root, end } = await asRoot(running);
  try {
    const seen = dynamicUsers(running.model);
    assert.ok(seen.length >= 2, "the catalogue has dynamic users");
    for (const { database, user } of seen) {
      const issued = await issue(root, running.model, user.role);
      assert.equal(issued.seconds, user.ttl, user.role);
      const session = await connect(running, database.database, issued);
      try {
        assert.deepEqual(await rightsIn(session), expectedRights(database, user.memberOf), user.role);
      } finally {
        await session.end();
      }
    }
    await root.write(`sys/leases/revoke-prefix/${running.model.vault.mounts.database}/creds`, { sync: true });
  } finally {
    await end();
  }
  assert.deepEqual(await issuedUsers(running), []);
});

test("`up` ends with every static user logging in by what its consumers were delivered, in exactly its group (R8, R31, R32)", async () => {
  const users = running.model.secrets.flatMap((secret) =>
    secret.databaseUser === undefined ? [] : [{ secret, user: secret.databaseUser }],
  );
  assert.deepEqual(
    users.map(({ user }) => user.logins),
    [
      ["rec_trading_user"],
      ["solo-app_a", "solo-app_b"],
      ["soma-app_a", "soma-app_b"],
      ["titan-brain_a", "titan-brain_b"],
    ],
  );
  const { root, end } = await asRoot(running);
  try {
    for (const { secret, user } of users) {
      const database = running.model.databases.find(({ id }) => id === user.database);
      assert.ok(database);
      const { kv } = running.model.vault.mounts;
      const source = await root.read<{ data: { user: string; password: string } }>(
        `${kv}/data/${secret.source}`,
      );
      assert.ok(source);
      const { user: username, password } = source.data;
      assert.equal(username, user.logins[0], "the first of its logins");
      for (const { path } of secret.consumers) {
        const own = await root.read<{ data: Record<string, string> }>(`${kv}/data/${path}`);
        const delivered = Object.values(own?.data ?? {}).join(" ");
        assert.ok(delivered.includes(password), path);
      }
      const session = await connect(running, database.database, { username, password });
      try {
        assert.deepEqual(await rightsIn(session), expectedRights(database, user.memberOf), secret.id);
      } finally {
        await session.end();
      }
    }
  } finally {
    await end();
  }
});

test("an issued user is no superuser, makes no roles and databases, takes no other role, and enters no other database (R8)", async () => {
  const { database, user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  const [role] = await query<Record<string, unknown>>(
    running,
    `select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin,
            array(select parent.rolname::text from pg_auth_members m join pg_roles parent on parent.oid = m.roleid
                   where m.member = pg_roles.oid) as member_of,
            array(select m.admin_option from pg_auth_members m where m.member = pg_roles.oid) as admin
       from pg_roles where rolname = $1`,
    [issued.username],
  );
  assert.deepEqual(role, {
    rolsuper: false,
    rolcreaterole: false,
    rolcreatedb: false,
    rolreplication: false,
    rolbypassrls: false,
    rolcanlogin: true,
    member_of: [user.memberOf],
    admin: [false],
  });
  const session = await connect(running, database.database, issued);
  try {
    for (const [statement, code] of [
      [`create role intruder`, "42501"],
      [`create database intruder`, "42501"],
      [`alter role ${pg.escapeIdentifier(issued.username)} superuser`, "42501"],
      [`set role ${pg.escapeIdentifier(database.manager)}`, "42501"],
      [`set role postgres`, "42501"],
      [`grant ${pg.escapeIdentifier(user.memberOf)} to pg_monitor`, "42501"],
      [`copy (select 1) to program 'true'`, "42501"],
      [`select pg_read_file('/etc/passwd')`, "42501"],
      [`create table public.intruder (id int)`, "42501"],
      [`select rolpassword from pg_authid`, "42501"],
    ] as const) {
      await assert.rejects(session.query(statement), { code }, statement);
    }
  } finally {
    await session.end();
  }
  const others = (
    await query<{ datname: string }>(running, "select datname from pg_database where not datistemplate")
  )
    .map(({ datname }) => datname)
    .filter((name) => name !== database.database && name !== "postgres");
  assert.ok(others.length > 0, "there are other systems' databases");
  for (const other of others) assert.equal(await refusal(running, other, issued), "42501", other);
  await revoke(issued.lease);
});

test("a writer's group reads and writes, a reader's only reads: shown by statements (R8)", async () => {
  const { root, end } = await asRoot(running);
  try {
    for (const { database, user } of dynamicUsers(running.model)) {
      const issued = await issue(root, running.model, user.role);
      const session = await connect(running, database.database, issued);
      const schema = schemasOf(database, user.memberOf)[0] ?? "public";
      const table = `${pg.escapeIdentifier(schema)}.${sampleTable}`;
      try {
        for (const [privilege, statement] of [
          ["SELECT", `select * from ${table}`],
          ["INSERT", `insert into ${table} (note) values ('written by a test')`],
          ["UPDATE", `update ${table} set note = note`],
          ["DELETE", `delete from ${table} where false`],
          ["TRUNCATE", `truncate ${table}`],
        ] as const) {
          await session.query("begin");
          const code = await session.query(statement).then(
            () => undefined,
            (error: unknown) => (error instanceof pg.DatabaseError ? error.code : String(error)),
          );
          await session.query("rollback");
          const may = grantsOf(database, user.memberOf).some(
            ({ on, privileges }) =>
              on.kind === "all" &&
              on.schema === schema &&
              on.objects === "TABLES" &&
              privileges.includes(privilege) &&
              // An update that names its column reads it, too.
              (privilege !== "UPDATE" || privileges.includes("SELECT")),
          );
          assert.equal(code, may ? undefined : "42501", `${user.role}: ${privilege}`);
        }
      } finally {
        await session.end();
      }
      await root.write("sys/leases/revoke", { lease_id: issued.lease, sync: true });
    }
  } finally {
    await end();
  }
});

test("after revocation the login is refused, the open session is ended and no role is left (R12, R67)", async () => {
  const { database, user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  const session = await connect(running, database.database, issued);
  assert.equal((await session.query("select 1 as one")).rows[0].one, 1);
  await revoke(issued.lease);
  await assert.rejects(session.query("select 1"), /terminat|Connection|not queryable/i);
  assert.equal(await refusal(running, database.database, issued), "28P01");
  assert.equal((await issuedUsers(running)).includes(issued.username), false);
});

test("after expiry the login is refused, the open session is ended and no role is left (R12)", async () => {
  const { database, user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  const session = await connect(running, database.database, issued);
  const { lease_duration } = await service.write("sys/leases/renew", {
    lease_id: issued.lease,
    increment: 1,
  });
  assert.equal(lease_duration, 1);
  assert.equal(await gone(issued.username, 15_000), true);
  await assert.rejects(session.query("select 1"), /terminat|Connection|not queryable/i);
  assert.equal(await refusal(running, database.database, issued), "28P01");
});

test("a lease cannot be renewed beyond its maximum, which is at most an hour (R12)", async () => {
  const { user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  const { lease_duration } = await service.write("sys/leases/renew", {
    lease_id: issued.lease,
    increment: 86_400,
  });
  assert.ok(lease_duration <= user.maxTtl && user.maxTtl <= 3_600, `${lease_duration} s`);
  await revoke(issued.lease);
});

test("a service is refused the credentials of another service's database user (R7)", async () => {
  const { user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const foreign = dynamicUsers(running.model).filter((other) => other.user.service !== user.service);
  assert.ok(foreign.length > 0);
  for (const { user: other } of foreign) {
    await assert.rejects(issue(service, running.model, other.role), { status: 403 }, other.role);
  }
});

test("Postgres' log shows verifiers and never a password, with every statement logged (R54)", async () => {
  await query(running, "alter system set log_statement = 'all'");
  await query(running, "select pg_reload_conf()");
  try {
    const { user } = composeUser(running.model);
    const service = await asService(running, user.service);
    const issued = [];
    for (let i = 0; i < 3; i++) issued.push(await issue(service, running.model, user.role));
    for (const { lease } of issued) {
      await service.write("sys/leases/renew", { lease_id: lease, increment: 60 });
      await revoke(lease);
    }
    const log = await readFile(running.services.postgres.logFile, "utf8");
    for (const { username, password } of issued) {
      const created = log.split("\n").filter((line) => line.includes(`create_user('${username}'`));
      assert.equal(created.length, 1, "the statement was logged");
      assert.match(created[0] ?? "", /', 'SCRAM-SHA-256\$4096:/);
      assert.equal(log.includes(password), false);
    }
  } finally {
    await query(running, "alter system reset log_statement");
    await query(running, "select pg_reload_conf()");
  }
});

test("stored passwords are SCRAM verifiers, of everyone who may log in", async () => {
  const rows = await query<{ rolname: string; kind: string }>(
    running,
    `select rolname, coalesce(split_part(rolpassword, '$', 1), 'none') as kind
       from pg_authid where rolcanlogin order by rolname`,
  );
  assert.ok(rows.length > running.model.databases.length);
  assert.deepEqual(
    rows.filter(({ kind }) => kind !== "SCRAM-SHA-256"),
    [],
  );
});

test("the manager is a login without any right of its own, a member of nothing (R8)", async () => {
  for (const { manager } of running.model.databases) {
    const rows = await query<Record<string, unknown>>(
      running,
      `select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
              exists (select from pg_auth_members where member = pg_roles.oid) as member
         from pg_roles where rolname = $1`,
      [manager],
    );
    const no = { rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false };
    assert.deepEqual(rows, [{ ...no, rolbypassrls: false, member: false }], manager);
  }
});

async function revoke(lease: string): Promise<void> {
  const { root, end } = await asRoot(running);
  await root.write("sys/leases/revoke", { lease_id: lease, sync: true });
  await end();
}

async function gone(username: string, patience: number): Promise<boolean> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(200)) {
    if (!(await issuedUsers(running)).includes(username)) return true;
  }
  return false;
}

function grantsOf(database: Database, group: string): Grant[] {
  return database.groups.filter(({ name }) => name === group).flatMap(({ grants }) => grants.map(parseGrant));
}

function schemasOf(database: Database, group: string): string[] {
  return grantsOf(database, group).flatMap(({ on }) => ("schema" in on ? [on.schema] : []));
}

const privileges = {
  TABLES: ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"],
  SEQUENCES: ["USAGE", "SELECT", "UPDATE"],
} as const;

test("the tour says that a role is gone only where Postgres has none: one that is refused and still there is a broken promise", async () => {
  const [, gone] = await toured(running, databaseCredentials);
  assert.equal(gone?.outcome, "holds");
  assert.match(gone.seen, /; pg_roles has no such role any more; /);
  assert.deepEqual(await issuedUsers(running), []);

  const { user } = userWithAppRole(running.model) ?? assert.fail();
  const path = `${running.model.vault.mounts.database}/roles/${user.role}`;
  const { root, end } = await asRoot(running);
  const role = await root.read(path);
  // The renewal still ends the password's time, so that the login is refused.
  await root.write(path, { ...role, revocation_statements: ["SELECT 1"] });
  try {
    const [, locked] = await toured(running, databaseCredentials);
    assert.equal(locked?.outcome, "fails");
    assert.match(locked.seen, /^refused .*; pg_roles still has the role 20 s later; /);
  } finally {
    await root.write(path, role);
    await end();
    for (const name of await issuedUsers(running))
      await query(running, `drop role ${pg.escapeIdentifier(name)}`);
  }
});

/** "right object", for every right on every object outside Postgres' own schemas, as the session has it; sorted. */
async function rightsIn(session: pg.Client): Promise<string[]> {
  const ask = async (text: string) => (await session.query<{ right: string }>(text)).rows;
  const own = `nspname !~ '^pg_' and nspname <> 'information_schema'`;
  const has = (list: readonly string[]) => `unnest(array[${list.map((name) => `'${name}'`).join(", ")}])`;
  const rows = [
    ...(await ask(`select p || ' database' as right from ${has(["CONNECT", "CREATE", "TEMPORARY"])} p
       where has_database_privilege(current_database(), p)`)),
    ...(await ask(`select p || ' schema ' || nspname as right from pg_namespace, ${has(["USAGE", "CREATE"])} p
       where ${own} and has_schema_privilege(oid, p)`)),
    ...(await ask(`select p || ' table ' || nspname || '.' || relname as right
       from pg_class join pg_namespace n on n.oid = relnamespace, ${has(privileges.TABLES)} p
       where ${own} and relkind in ('r', 'v', 'm', 'p', 'f') and has_table_privilege(pg_class.oid, p)`)),
    // A materialized CTE: the check is made for sequences only, whatever order the planner likes.
    ...(await ask(`with sequences as materialized (
         select pg_class.oid, nspname, relname from pg_class join pg_namespace n on n.oid = relnamespace
          where ${own} and relkind = 'S')
       select p || ' sequence ' || nspname || '.' || relname as right from sequences, ${has(privileges.SEQUENCES)} p
       where has_sequence_privilege(oid, p)`)),
  ];
  return rows.map(({ right }) => right).sort();
}

/** The same list from the catalogue's grants alone. The only table is the sample of each schema, with its sequence. */
function expectedRights(database: Database, group: string): string[] {
  const rights = new Set(["CONNECT database", "USAGE schema public"]);
  for (const { on, privileges } of grantsOf(database, group)) {
    for (const privilege of privileges) {
      if (on.kind === "schema") rights.add(`${privilege} schema ${on.schema}`);
      if (on.kind === "database") rights.add(`${privilege} database`);
      if (on.kind === "table") rights.add(`${privilege} table ${on.schema}.${on.name}`);
      if (on.kind === "all" && on.objects === "TABLES") {
        rights.add(`${privilege} table ${on.schema}.${sampleTable}`);
      }
      if (on.kind === "all" && on.objects === "SEQUENCES") {
        rights.add(`${privilege} sequence ${on.schema}.${sampleTable}_id_seq`);
      }
    }
  }
  return [...rights].sort();
}
