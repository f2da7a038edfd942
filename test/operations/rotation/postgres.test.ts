import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Database } from "../../../model/model.ts";
import { scramVerifier } from "../../../operations/database/scram.ts";
import { setupScript } from "../../../operations/database/setup.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { ProbeError, StillAcceptedError } from "../../../operations/rotation/rotator.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { connectVault, type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { ask, beginning, passwords, rotated, staged } from "./postgres-steps.ts";

let server: DatabaseServer;
const shared = endedWithFile();

before(async () => {
  server = await startDatabaseServer(shared);
});

const titan = () => server.secret("titan/ledger-titan-brain");
const solo = () => server.secret("solo/main-solo-app");
const recIo = () => server.secret("rec-io/trading-rec_trading_user");

const likeSecret: DatabaseServer["like"] = (secret, user) => server.like(secret, user);

function sqlState(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => (error instanceof pg.DatabaseError ? error.code : String(error)),
  );
}

test("titan's ledger user: the two logins take turns, both work until the old one is shut (R31)", async () => {
  const secret = titan();
  const first = await rotated(server, secret, undefined, "first");
  assert.equal(first.user, "titan-brain_a");
  const { context, next } = await staged(server, secret, first);
  assert.equal(next.user, "titan-brain_b");
  assert.equal(await server.refusal(secret, first), undefined);
  assert.equal(await server.refusal(secret, next), undefined);
  const client = await server.connect(secret, first, "titan-brain");
  assert.deepEqual(await postgres.idle(context, first, next), {
    state: "in use",
    by: ["titan-brain at 127.0.0.1 (1)"],
    evidence: "pg_stat_activity: sessions of titan-brain_a",
  });
  await assert.rejects(postgres.verify(context, first, next), StillAcceptedError);
  await postgres.revoke(context, first, next);
  await postgres.verify(context, first, next);
  await assert.rejects(client.query("select 1"));
  assert.equal(await server.refusal(secret, first), "28P01");
  assert.equal(await server.refusal(secret, next), undefined);
  assert.deepEqual(await postgres.idle(context, first, next), {
    state: "idle",
    evidence: "pg_stat_activity: no session of titan-brain_a within 2 s",
  });
  const third = await rotated(server, secret, next);
  assert.equal(third.user, "titan-brain_a");
  assert.equal(
    await server.refusal(secret, first),
    "28P01",
    "the first password of a login is gone for good",
  );
});

test("a job that connects now and then for a moment, with the old login, is seen within the time that errors are watched", async () => {
  const secret = likeSecret(titan(), "minutely");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const stop = new AbortController();
  // Gone for longer than five looks take, each time.
  const job = (async () => {
    while (!stop.signal.aborted) {
      await sleep(1200);
      const client = await server.connect(secret, first, "minutely-job");
      await sleep(200);
      await client.end();
    }
  })();
  const watching = {
    ...context,
    model: { ...context.model, rotation: { ...context.model.rotation, watch: 60 } },
  };
  assert.deepEqual(await postgres.idle(watching, first, next), {
    state: "in use",
    by: ["minutely-job at 127.0.0.1 (1)"],
    evidence: `pg_stat_activity: sessions of ${first.user}`,
  });
  stop.abort();
  await job;
});

test("solo's app user: what either login makes belongs to the group, so that rights and ownership outlive it (R31)", async () => {
  const secret = solo();
  let fields = await rotated(server, secret, undefined, "first");
  await ask(server, secret, fields, "create table kept (id bigint generated always as identity, note text)");
  for (let turn = 0; turn < 3; turn++) {
    const { context, next } = await staged(server, secret, fields);
    // Both at once, each on what the other one made.
    await ask(
      server,
      secret,
      next,
      `alter table kept add column c${turn} int`,
      `create table t${turn} (id int)`,
    );
    await ask(
      server,
      secret,
      fields,
      `alter table t${turn} add column note text`,
      "insert into kept (note) values ('x')",
    );
    await postgres.revoke(context, fields, next);
    await postgres.verify(context, fields, next);
    fields = next;
  }
  const [rows] = await ask(server, secret, fields, "select count(*)::int from kept");
  assert.deepEqual(rows, { count: 3 });
  const owners = await server.query(
    secret,
    "select distinct tableowner from pg_tables where tablename in ('kept', 't0', 't1', 't2')",
  );
  assert.deepEqual(owners, [{ tableowner: "solo_app" }]);
});

test("what the old login owns itself is handed to the group before the new one needs it (R31)", async () => {
  const secret = likeSecret(solo(), "owner");
  const first = await rotated(server, secret, undefined, "first");
  await ask(
    server,
    secret,
    first,
    "set role none",
    "create table own (id int)",
    "insert into own values (1)",
  );
  const { context, next } = await staged(server, secret, first);
  await ask(server, secret, next, "alter table own add column note text");
  await ask(
    server,
    secret,
    first,
    "set role none",
    "create table later (id int)",
    "alter table own add column more text",
  );
  await postgres.revoke(context, first, next);
  assert.deepEqual(
    await ask(server, secret, next, "alter table later add column note text", "select id from own"),
    [{ id: 1 }],
  );
  assert.deepEqual(
    await server.query(secret, "select count(*)::int from pg_tables where tableowner like 'owner%'"),
    [{ count: 0 }],
  );
});

test("the next login has the settings of the current one, everywhere (R31)", async () => {
  const secret = likeSecret(titan(), "settings");
  const first = await rotated(server, secret, undefined, "first");
  const second = await rotated(server, secret, first);
  for (const statement of [
    "alter role settings_b connection limit 7",
    `alter role settings_b set search_path = "$user", public, "a b"`,
    "alter role settings_b set statement_timeout = '5s'",
    "alter role settings_b in database titan set work_mem = '9MB'",
    `alter role settings_b set app.name = 'it''s; DROP ROLE settings_b'`,
    "alter role settings_a set lock_timeout = '1s'",
    "alter role settings_a in database titan set idle_session_timeout = '1h'",
  ]) {
    await server.query(secret, statement);
  }
  // A name that no part of Postgres knows is the DBA's to give.
  const context = beginning(server, secret);
  const next = await postgres.create(context, second);
  await assert.rejects(postgres.stage(context, next, second), {
    name: "ProbeError",
    message:
      'The login settings_a of titan/ledger could not be made: permission denied to set parameter "app.name"; see "Static database users" in infra/README.md',
  });
  await server.query(secret, `grant set on parameter app.name to "keyplane_titan__ledger__rotation"`);
  const third = await rotated(server, secret, second);
  assert.equal(third.user, "settings_a");
  const rows = await server.query(
    secret,
    `select rolconnlimit as limit, datname as database, setconfig as config
       from pg_db_role_setting s join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase
      where rolname = 'settings_a' order by datname nulls first`,
  );
  assert.deepEqual(rows, [
    {
      limit: 7,
      database: null,
      config: [
        "app.name=it's; DROP ROLE settings_b",
        `search_path="$user", public, "a b"`,
        "statement_timeout=5s",
        "role=ledger_writer",
      ],
    },
    { limit: 7, database: "titan", config: ["work_mem=9MB"] },
  ]);
});

test("a login can put no statement of its own into its successor's making", async () => {
  const secret = likeSecret(titan(), "hostile");
  const first = await rotated(server, secret, undefined, "first");
  // What a taken-over service can do: its own search_path, which Postgres keeps as it stands.
  await ask(
    server,
    secret,
    first,
    "select set_config('search_path', 'public;alter/**/role/**/hostile_a/**/createdb', false)",
    "set role none",
    "alter role hostile_a set search_path from current",
  );
  await rotated(server, secret, first);
  const [row] = await server.query(
    secret,
    "select rolcreatedb as a, (select rolconfig[1] from pg_roles where rolname = 'hostile_b') as b from pg_roles where rolname = 'hostile_a'",
  );
  assert.deepEqual(row, {
    a: false,
    b: "search_path=public;alter/**/role/**/hostile_a/**/createdb",
  });
});

test("taking a staged login back shuts it and leaves the current one alone", async () => {
  const secret = likeSecret(titan(), "undone");
  const first = await rotated(server, secret, undefined, "first");
  const open = await server.connect(secret, first);
  const { context, next } = await staged(server, secret, first);
  const early = await server.connect(secret, next);
  for (let run = 0; run < 2; run++) await postgres.revoke(context, next, first);
  await postgres.verify(context, next, first);
  await assert.rejects(early.query("select 1"));
  assert.equal((await open.query("select 1 as one")).rows[0]?.one, 1);
  await open.end();
  assert.equal(await server.refusal(secret, first), undefined);
});

test("staging again changes nothing, and sessions of the new value live through it", async () => {
  for (const secret of [likeSecret(titan(), "again"), likeSecret(recIo(), "again_single")]) {
    const first = await rotated(server, secret, undefined, "first");
    const { context, next } = await staged(server, secret, first);
    const open = await server.connect(secret, next);
    const state = () =>
      server.query(
        secret,
        "select * from pg_authid a left join pg_shdescription on objoid = a.oid where rolname = $1",
        [next.user],
      );
    const before = await state();
    await postgres.stage(context, next, first);
    assert.deepEqual(await state(), before);
    await open.query("select 1");
    await open.end();
  }
});

test("refuses a login that is another system's, a stranger's, privileged, or in use, and leaves it as it is (R8)", async () => {
  const mine = likeSecret(titan(), "held");
  await rotated(server, likeSecret(server.secret("solo/main-solo-app"), "held"), undefined, "first");
  await server.query(mine, "create role stranger_a login password 'stranger'");
  await server.query(mine, "create role mighty_a nologin createdb");
  await server.query(mine, `grant mighty_a to "keyplane_titan__ledger__rotation" with admin true`);
  await server.query(mine, "create role before_a login password 'before'");
  await server.query(mine, `grant before_a to "keyplane_titan__ledger__rotation" with admin true`);
  const sameRole = { ...likeSecret(titan(), "held"), id: "titan/other" };
  await rotated(server, likeSecret(titan(), "busy"), undefined, "first");
  await server.query(mine, "alter role busy_a password 'busy'");
  const busy = await server.connect(mine, { user: "busy_a", password: "busy" }, "cron");
  const everyRole = () => server.query(mine, "select * from pg_authid order by oid");
  const before = await everyRole();
  for (const [secret, message] of [
    [
      mine,
      /^The login held_a of titan\/ledger belongs to local solo\/held: give the user of .* another name/,
    ],
    [sameRole, /belongs to local solo\/held/],
    [
      likeSecret(titan(), "stranger"),
      /stranger_a of titan\/ledger was made by someone else: .* GRANT "stranger_a" TO "keyplane_titan__ledger__rotation" WITH ADMIN TRUE/,
    ],
    [likeSecret(titan(), "mighty"), /mighty_a of titan\/ledger has CREATEDB/],
    [
      likeSecret(titan(), "before"),
      /before_a of titan\/ledger was there before: give its name and present password with `keyplane set /,
    ],
    [
      likeSecret(titan(), "busy"),
      /busy_a of titan\/ledger is in use although its turn has not come: cron at 127\.0\.0\.1 \(1\)/,
    ],
  ] as const) {
    const context = beginning(server, secret, "first");
    const next = await postgres.create(context, undefined);
    await assert.rejects(postgres.stage(context, next, undefined), (error) => {
      assert.ok(error instanceof ProbeError);
      assert.match(error.message, message);
      return true;
    });
    // What a roll back does then.
    await postgres.revoke(context, next, {});
  }
  assert.deepEqual(await everyRole(), before);
  await busy.end();
});

test("a login that was there before, with its password in Vault, gives its place to the first of two (R31)", async () => {
  const secret = likeSecret(solo(), "successor");
  await server.query(secret, "create role grown login password 'grown'");
  await server.query(secret, "create table grown_table (id int); alter table grown_table owner to grown");
  await server.query(
    secret,
    'grant grown to "keyplane_solo__main__rotation" with admin true, inherit true, set false; grant connect on database solo to grown',
  );
  const grown = { user: "grown", password: "grown" };
  const open = await server.connect(secret, grown);
  const { context, next } = await staged(server, secret, grown);
  assert.equal(next.user, "successor_a");
  await ask(server, secret, next, "alter table grown_table add column note text");
  await open.query("alter table grown_table add column more text");
  await postgres.revoke(context, grown, next);
  await postgres.verify(context, grown, next);
  await assert.rejects(open.query("select 1"));
});

test("a new login that may do less than the current one, or more than its group, does not pass the probe (R8, R31)", async () => {
  const secret = likeSecret(titan(), "rights");
  const first = await rotated(server, secret, undefined, "first");
  const refusals = async (grant: string, taken: string, message: RegExp) => {
    const { context, next } = await staged(server, secret, first);
    await server.query(secret, grant);
    await assert.rejects(postgres.probe(context, next, first), (error) => {
      assert.ok(error instanceof ProbeError);
      assert.match(error.message, message);
      return true;
    });
    await server.query(secret, taken);
    await postgres.probe(context, next, first);
    await postgres.revoke(context, next, first);
  };
  const table = "public.keyplane_sample";
  await refusals(
    `grant delete, truncate on ${table} to rights_a`,
    `revoke delete, truncate on ${table} from rights_a`,
    /^rights_b of titan\/ledger may not do what rights_a may: DELETE on table public\.keyplane_sample, TRUNCATE on table public\.keyplane_sample; grant it to ledger_writer in the catalogue/,
  );
  await refusals(
    `grant update (note) on ${table} to rights_a; revoke update on ${table} from ledger_writer`,
    `revoke update (note) on ${table} from rights_a; grant update on ${table} to ledger_writer`,
    /UPDATE on column public\.keyplane_sample\.note/,
  );
  await refusals(
    `grant delete on ${table} to rights_b`,
    `revoke delete on ${table} from rights_b`,
    /^rights_b of titan\/ledger may do more than its group ledger_writer: DELETE on table public\.keyplane_sample; let a DBA/,
  );
  await refusals(
    "grant create on schema public to rights_b",
    "revoke create on schema public from rights_b",
    /CREATE on schema public/,
  );
  await refusals(
    "grant pg_read_all_settings to rights_b",
    "revoke pg_read_all_settings from rights_b",
    /is a member of ledger_writer, pg_read_all_settings, not of ledger_writer alone/,
  );
  await refusals(
    "alter role rights_b nologin",
    "alter role rights_b login",
    /refuses the new login rights_b/,
  );
  await refusals(
    "alter role rights_b reset role",
    "alter role rights_b set role = 'ledger_writer'",
    /acts as rights_b, not as its group ledger_writer/,
  );
});

test("a user that the catalogue gives another group has that group's rights from its next turn on (R8)", async () => {
  const writer = likeSecret(titan(), "moved");
  const first = await rotated(server, writer, undefined, "first");
  const second = await rotated(server, writer, first);
  assert.ok(writer.databaseUser);
  const reader = { ...writer, databaseUser: { ...writer.databaseUser, memberOf: "ledger_reader" } };
  const third = await rotated(server, reader, second);
  assert.equal(third.user, "moved_a");
  const insert = "insert into public.keyplane_sample (note) values ('x')";
  assert.equal(await sqlState(ask(server, reader, third, insert)), "42501");
  assert.equal(await sqlState(ask(server, reader, third, "select * from public.keyplane_sample")), undefined);
});

test("a wrong password does not pass the probe, and is called what it is", async () => {
  const secret = likeSecret(titan(), "truncated");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const truncated = { ...next, password: next.password?.slice(0, -1) ?? "" };
  await assert.rejects(postgres.probe(context, truncated, first), {
    name: "ProbeError",
    message:
      'titan/ledger refuses the new login truncated_b: password authentication failed for user "truncated_b"',
  });
});

test("a database that was not prepared for rotation is told apart, with what to do", async () => {
  const secret = likeSecret(titan(), "unprepared");
  await server.query(secret, `alter role "keyplane_titan__ledger__rotation" nocreaterole`);
  try {
    const context = beginning(server, secret);
    const next = await postgres.create(context, undefined);
    await assert.rejects(postgres.stage(context, next, undefined), {
      name: "ProbeError",
      message:
        'The login unprepared_a of titan/ledger could not be made: permission denied to create role; see "Static database users" in infra/README.md',
    });
  } finally {
    await server.query(secret, `alter role "keyplane_titan__ledger__rotation" createrole`);
  }
});

test("what `keyplane database` prints suffices for Vault and for rotation, run twice by a DBA who is no superuser", async (t) => {
  const secret = titan();
  const database: Database = {
    ...server.database(secret),
    id: "dba/dba",
    connection: "dba",
    database: "dba",
    manager: "dba_manager",
    rotation: { role: "dba.rotate", actsAs: "dba_manager__rotation" },
    groups: [{ name: "dba_writer", grants: [] }],
  };
  const password = randomBytes(32).toString("base64url");
  await server.query(
    secret,
    `create role dba login createrole createdb password ${pg.escapeLiteral(password)}`,
  );
  await server.query(secret, "create database dba owner dba");
  const { host, port } = database;
  const dba = new pg.Client({ host, port, database: "dba", user: "dba", password });
  await dba.connect();
  t.after(() => dba.end());
  await dba.query("create role dba_writer nologin");
  // What is left is for psql: it asks for the password.
  const [sql = "", prompt] = setupScript(database).split("\n\\password ");
  assert.equal(prompt, '"dba_manager"\n');
  for (const time of ["first", "again"]) await assert.doesNotReject(dba.query(sql), time);
  await dba.query(`alter role dba_manager password ${pg.escapeLiteral(scramVerifier(password))}`);
  await connectVault(server.root, database, password);
  await server.root.write("database/rotate-root/dba");
  const user = { database: "dba/dba", user: "app", memberOf: "dba_writer", logins: ["app_a", "app_b"] };
  const reach = databaseReach({ vault: server.root, model: server.model });
  const context = {
    ...server.context({ ...secret, id: "dba/app", databaseUser: user }, { rotation: "dba" }),
    model: { ...server.model, databases: [database] },
    reach: { ...reach, fetch },
  };
  const first = await postgres.create(context, undefined);
  await postgres.stage(context, first, undefined);
  await postgres.probe(context, first, undefined);
  const second = { ...context, rotation: "dba-2" };
  const next = await postgres.create(second, first);
  await postgres.stage(second, next, first);
  await postgres.probe(second, next, first);
  await postgres.revoke(second, first, next);
  await postgres.verify(second, first, next);
  passwords.add(first.password ?? "").add(next.password ?? "");
});

test("no login of the engine's own is left behind, and no password is in Postgres' log (R54)", async () => {
  assert.deepEqual(await server.engineLogins(), []);
  const log = await server.log();
  assert.match(
    log,
    /CREATE ROLE "titan-brain_a" LOGIN PASSWORD 'SCRAM-SHA-256\$4096:/,
    "statements are logged",
  );
  assert.match(log, /duration: /, "durations are logged");
  assert.match(log, /ERROR: {2}permission denied to create role/, "errors are logged with their statements");
  assert.ok(passwords.size > 30);
  for (const password of passwords) assert.ok(password.length >= 43 && !log.includes(password));
});
