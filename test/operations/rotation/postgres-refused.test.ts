import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import pg from "pg";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { day, quick } from "./quick.ts";

// A DBA, or a script of theirs, shuts the login that everybody has got by now.

const given = randomBytes(12).toString("hex");

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

/** Rotated to where the old login only waits for its overlap. */
async function draining(name: string) {
  const user = new DatabaseUserCase(server, server.secret(name), new Set());
  const first = await user.first();
  const slow = { ...user.secret, rotate: { ...user.secret.rotate, overlap: day } };
  const { state } = await user.rotate("scheduled", { secret: slow, wait: false });
  assert.equal(state, "drain");
  const next = await user.source();
  const refusals = () => Promise.all([first, next].map((fields) => server.refusal(user.secret, fields)));
  const rotate = () => user.rotate("scheduled", { wait: false, ...quick });
  return { user, first, next, refusals, rotate };
}

const shutting: [string, (login: string) => string][] = [
  ["NOLOGIN", (login) => `ALTER ROLE "${login}" NOLOGIN`],
  ["VALID UNTIL", (login) => `ALTER ROLE "${login}" VALID UNTIL '2020-01-01'`],
  ["another password", (login) => `ALTER ROLE "${login}" PASSWORD '${given}'`],
];

for (const [what, sql] of shutting) {
  test(`the new login is shut while the old one drains (${what}): everybody gets the old one back, and the next rotation replaces it (R31)`, async () => {
    const { user, first, next, refusals, rotate } = await draining("titan/ledger-titan-brain");
    await server.query(user.secret, sql(next.user ?? ""));
    const back = await rotate();
    assert.equal(back.state, "rolled-back", back.waiting);
    assert.match(back.failure ?? "", /refuses the new value and accepts the old one/);
    assert.deepEqual(
      [(await refusals())[0], await user.source(), back.keptRefused],
      [undefined, first, undefined],
    );
    assert.equal((await rotate()).state, "done");
    assert.equal(await server.refusal(user.secret, await user.source()), undefined);
  });
}

test("a machine that Postgres lets no login in from takes none for shut: it revokes nothing, and a later run goes on (R31)", async () => {
  const { user, refusals } = await draining("titan/ledger-titan-brain");
  const refusal = new pg.DatabaseError('no pg_hba.conf entry for host "10.1.2.3"', 0, "error");
  refusal.code = "28000";
  const login = () => Promise.reject(refusal);
  const waits = await user.rotate("scheduled", { wait: false, ...quick, reach: { ...server.reach, login } });
  assert.equal(waits.state, "drain");
  assert.match(waits.waiting ?? "", /no pg_hba\.conf entry/);
  assert.deepEqual(await refusals(), [undefined, undefined]);
  assert.equal((await user.rotate("scheduled", { wait: false, ...quick })).state, "done");
  assert.notEqual((await refusals())[0], undefined);
});

test("both logins are shut: the rotation ends with a finding, and the next one makes a login that works (R31)", async () => {
  const { user, first, next, refusals, rotate } = await draining("titan/ledger-titan-brain");
  for (const { user: login } of [first, next]) {
    await server.query(user.secret, `ALTER ROLE "${login}" NOLOGIN`);
  }
  const end = await rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.match(
    end.keptRefused ?? "",
    new RegExp(`refuses the new value and the old one.*\`keyplane rotate ${user.secret.id}\``),
  );
  assert.ok((await refusals()).every((refusal) => refusal !== undefined));
  const healed = await rotate();
  assert.deepEqual([healed.state, healed.keptRefused], ["done", undefined], healed.waiting);
  assert.equal(await server.refusal(user.secret, await user.source()), undefined);
});

test("a single user's password that a DBA has changed is set again, and the rotation ends (R32)", async () => {
  const { user, next, refusals, rotate } = await draining("rec-io/trading-rec_trading_user");
  await server.query(user.secret, `ALTER ROLE "${next.user}" PASSWORD '${given}'`);
  const end = await rotate();
  assert.deepEqual([end.state, end.keptRefused], ["done", undefined], end.waiting);
  assert.deepEqual(await refusals(), ["28P01", undefined]);
});
