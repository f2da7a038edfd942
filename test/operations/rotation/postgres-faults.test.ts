import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import {
  PersonNeededError,
  type Reach,
  type Target,
  TargetUnavailableError,
} from "../../../operations/rotation/rotator.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { CutProxy } from "./cut-proxy.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

let server: DatabaseServer;
let proxy: CutProxy;
/** Through the proxy, with little patience. */
let reach: Reach;
const shared = endedWithFile();
const passwords = new Set<string>();

before(async () => {
  server = await startDatabaseServer(shared);
  proxy = new CutProxy(server.services.postgres.port);
  const port = await proxy.start();
  shared.after(() => proxy.stop());
  const patience = { connect: 500, statement: 500 };
  const direct = databaseReach({ vault: server.rotator, model: server.model, patience });
  const through = (database: Target): Target => ({ ...database, port });
  reach = {
    manage: (database) => direct.manage(through(database)),
    login: (database, as) => direct.login(through(database), as),
    fetch,
  };
});

const titan = () => new DatabaseUserCase(server, server.secret("titan/ledger-titan-brain"), passwords);
const recIo = () => new DatabaseUserCase(server, server.secret("rec-io/trading-rec_trading_user"), passwords);
/** The engine tries again quickly here. */
const quick = {
  backoff: { first: 50, longest: 200, tries: 4 },
  patience: { pickUp: 400, probe: 200, poll: { first: 5, longest: 50 }, again: 200 },
};

function unavailable(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TargetUnavailableError, String(error));
    assert.match(error.message, message);
    return true;
  };
}

for (const { kind, make, statements } of [
  {
    kind: "two logins",
    make: titan,
    statements: ["CREATE ROLE", "NOLOGIN PASSWORD NULL", "pg_terminate_backend"],
  },
  { kind: "a single login", make: recIo, statements: ["PASSWORD 'SCRAM", " since "] },
]) {
  for (const cut of statements) {
    test(`${kind}: the reply to ${cut.trim()} is lost after the database acted, and the rotation ends as if it had not been`, async () => {
      const user = make();
      const first = await user.first();
      proxy.mode = { cut };
      const before = proxy.cuts;
      const { state } = await user.rotate("scheduled", { reach, ...quick });
      assert.equal(proxy.cuts, before + 1, "the reply was lost");
      assert.equal(state, "done");
      const fields = await user.source();
      assert.equal(await user.refusal(fields), undefined);
      assert.equal(await user.refusal(first), "28P01");
    });
  }
}

test("a database that answers nobody is told apart from one that refuses, by every function", async () => {
  const user = titan();
  const current = await user.first();
  const context = server.context(user.secret, { rotation: "hangs", reach });
  const next = await postgres.create(context, current);
  proxy.mode = "hang";
  try {
    const message =
      /^The database titan\/ledger at 127\.0\.0\.1:\d+ is not there for now \(.*timeout.*\): the same step is tried again$/i;
    await assert.rejects(postgres.stage(context, next, current), unavailable(message));
    await assert.rejects(postgres.probe(context, next, current), unavailable(message));
    await assert.rejects(postgres.idle(context, current, next), unavailable(message));
    await assert.rejects(postgres.revoke(context, current, next), unavailable(message));
    await assert.rejects(postgres.verify(context, current, next), unavailable(message));
  } finally {
    proxy.mode = "pass";
  }
  assert.equal(await user.refusal(current), undefined, "the current login was left alone");
});

test("a statement that gets no answer ends in time, and the rotation goes on where it was", async () => {
  const user = titan();
  const current = await user.first();
  const context = server.context(user.secret, { rotation: "stalls", reach });
  const connection = await reach.manage(server.database(user.secret));
  proxy.mode = "hang";
  await assert.rejects(connection.query("select 1"), unavailable(/Query read timeout/));
  proxy.mode = "pass";
  await connection.end();
  const slow = await reach.manage(server.database(user.secret));
  await assert.rejects(slow.query("select pg_sleep(5)"), unavailable(/statement timeout/));
  await slow.end();
  const next = await postgres.create(context, current);
  await postgres.stage(context, next, current);
  await postgres.probe(context, next, current);
});

test("a table that somebody holds keeps nobody waiting: the step comes again", async () => {
  const user = new DatabaseUserCase(server, server.secret("solo/main-solo-app"), passwords);
  const current = await user.first();
  const holder = await server.connect(user.secret, current);
  for (const statement of ["set role none", "create table held (id int)", "begin", "select * from held"]) {
    await holder.query(statement);
  }
  const context = server.context(user.secret, { rotation: "locked" });
  const next = await postgres.create(context, current);
  await assert.rejects(postgres.stage(context, next, current), unavailable(/lock timeout/));
  await holder.query("commit");
  await holder.end();
  await postgres.stage(context, next, current);
  await postgres.probe(context, next, current);
});

test("with every connection taken nothing is taken for refused, and the rotation ends once there is one", async () => {
  const user = titan();
  const current = await user.first();
  const full = (limit: number) => server.query(user.secret, `alter database titan connection limit ${limit}`);
  const context = server.context(user.secret, { rotation: "full" });
  await full(0);
  try {
    const busy = unavailable(
      /^The database titan\/ledger at .* \(too many connections for database "titan"\)/,
    );
    await assert.rejects(postgres.probe(context, current, current), busy);
    await assert.rejects(postgres.verify(context, current, { user: "other" }), busy);
    const left = await user.rotate("scheduled", { ...quick, wait: false });
    assert.equal(left.state, "stage");
    assert.match(left.waiting ?? "", /too many connections|has no free connection/);
  } finally {
    await full(-1);
  }
  assert.equal(await user.refusal(current), undefined);
  assert.equal((await user.rotate("scheduled", quick)).state, "done");
});

test("a database that is killed in the middle is waited for, and the rotation ends once it is back", async () => {
  const user = titan();
  const first = await user.first();
  const told: string[] = [];
  await server.test.kill("postgres");
  const rotation = user.rotate("scheduled", { ...quick, report: ({ text }) => told.push(text) });
  while (!told.some((text) => /the database does not answer|is not there for now/.test(text)))
    await sleep(50);
  await server.test.start();
  assert.equal((await rotation).state, "done");
  const fields = await user.source();
  assert.equal(await user.refusal(fields), undefined);
  assert.equal(await user.refusal(first), "28P01");
  assert.equal(
    told.some((text) => text.includes(fields.password ?? "")),
    false,
  );
});

test("a database with verify-full shows a certificate of its own host by the right CA, or gets no password (R53)", async () => {
  const user = titan();
  const current = await user.first();
  const { user: login = "", password = "" } = current;
  const database: Database = { ...server.database(user.secret), tls: "verify-full" };
  const by = (ca?: string) =>
    databaseReach({ vault: server.rotator, model: server.model, ...(ca !== undefined && { ca }) });
  const { ca } = server.services.issuer;
  const session = await by(ca).login(database, { user: login, password });
  const { rows } = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
  assert.deepEqual(
    await server.query(user.secret, "select ssl, version from pg_stat_ssl where pid = $1", [rows[0]?.pid]),
    [{ ssl: true, version: "TLSv1.3" }],
  );
  await session.end();
  const managed = await by(ca).manage(database);
  await managed.end();
  const said =
    /^The database titan\/ledger at .* is not who it should be \(.*\): name the PEM file of its CA in PGSSLROOTCERT/;
  for (const [wrong, at] of [
    [by(), database],
    [by(ca), { ...database, host: "127.1" }],
  ] as const) {
    const log = (await server.log()).length;
    await assert.rejects(wrong.login(at, { user: login, password }), (error) => {
      assert.ok(error instanceof PersonNeededError, String(error));
      assert.match(error.message, said);
      return true;
    });
    assert.ok(!(await server.log()).slice(log).includes("authentication"), "nobody was asked for a password");
  }
});

test("a lease is renewed while its connection is used, and given back with it", async () => {
  const user = titan();
  const database = server.database(user.secret);
  const role = `database/roles/${database.rotation.role}`;
  const usual = await server.root.read(role);
  await server.root.write(role, { ...usual, default_ttl: "2s", max_ttl: "1h" });
  try {
    const connection = await server.reach.manage(database);
    for (let second = 0; second < 4; second++) {
      await sleep(1_000);
      await connection.query("select 1");
    }
    await connection.end();
    assert.deepEqual(
      await server.root.list(`sys/leases/lookup/database/creds/${database.rotation.role}`),
      [],
    );
  } finally {
    await server.root.write(role, usual);
  }
  assert.deepEqual(await server.engineLogins(), []);
});
