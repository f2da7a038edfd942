import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type Migrated, migrateAll } from "../../../../operations/rotation/migration.ts";
import { CiphertextRemainsError } from "../../../../operations/rotation/re-encryption/census.ts";
import { ColumnError } from "../../../../operations/rotation/re-encryption/column.ts";
import { type Migration, migratePiece } from "../../../../operations/rotation/re-encryption/columns.ts";
import { FernetKey } from "../../../../operations/rotation/re-encryption/fernet.ts";
import {
  type Reach,
  StillAcceptedError,
  TargetUnavailableError,
} from "../../../../operations/rotation/rotator.ts";
import { fernet, recipher } from "../../../../operations/rotation/rotators/fernet.ts";
import { endedWithFile } from "../../../integration/support/ended-with-file.ts";
import { type DatabaseServer, startDatabaseServer } from "../postgres-server.ts";
import { type ApiKeys, apiKeys, fernetKey } from "./api-keys.ts";
import { Death } from "./death.ts";

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const plaintexts = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `sk-live-${from + i}`);
const migrate = (...given: Parameters<NonNullable<typeof fernet.migrate>>): Promise<number> =>
  migrateAll(() => fernet.migrate?.(...given) ?? Promise.reject(new Error("it migrates")));
const all = (table: ApiKeys, context = table.context()) => migrate(context, table.next, table.old);

test("every row of the old key is put under the new one, and holds what it held (R23)", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(3000));
  await table.query("INSERT INTO api_keys (ciphertext) VALUES (NULL)");
  await all(table);
  const rows = await table.rows();
  assert.deepEqual(new Set(rows.map(({ under }) => under)), new Set(["new"]));
  assert.deepEqual(
    rows.map(({ plaintext }) => plaintext),
    plaintexts(3000),
  );
});

for (const [keyType, columnType] of [
  ["uuid DEFAULT gen_random_uuid()", "bytea"],
  ["text DEFAULT md5(random()::text)", "varchar(400)"],
] as const) {
  test(`a key of type ${keyType.split(" ")[0]} and a column of type ${columnType} do as well`, async () => {
    const table = await apiKeys(server, { keyType, columnType });
    await table.fill(plaintexts(700));
    await all(table);
    const rows = await table.rows();
    assert.equal(rows.filter(({ under }) => under === "new").length, 700);
    assert.deepEqual(rows.map(({ plaintext }) => plaintext).sort(), plaintexts(700).sort());
  });
}

test("what a service writes between our reading and writing stays as it wrote it", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(1000));
  let raced = false;
  const reach = cut(table, async (text) => {
    if (raced || !text.includes("SKIP LOCKED")) return;
    raced = true;
    await table.fill(["a new row"], table.next.key);
    await table.query(
      "UPDATE api_keys SET ciphertext = (SELECT ciphertext FROM api_keys WHERE id = 1001) WHERE id = 100",
    );
    await table.query("DELETE FROM api_keys WHERE id = 101");
  });
  await all(table, table.context({ reach }));
  const rows = await table.rows();
  assert.deepEqual(new Set(rows.map(({ under }) => under)), new Set(["new"]));
  const expected = plaintexts(1000).map((text, index) => (index === 99 ? "a new row" : text));
  expected.splice(100, 1);
  assert.deepEqual(
    rows.map(({ plaintext }) => plaintext),
    [...expected, "a new row"],
  );
});

test("a row that somebody holds locked is not waited for; a later pass meets it", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(50));
  const release = await hold(table, 7);
  assert.equal(await all(table), 1);
  assert.deepEqual(await old(table), ["7"]);
  await release();
  assert.equal(await all(table), 0);
  assert.equal((await table.rows()).filter(({ under }) => under === "new").length, 50);
});

test("killed before or after any statement or request, another runner ends it: no row lost, none left (R23)", async () => {
  const table = await apiKeys(server);
  const rows = plaintexts(60);
  let deaths = 0;
  for (let at = 1; ; at++, deaths++) {
    await table.query("TRUNCATE api_keys");
    await table.fill(rows);
    const context = table.context({ rotation: `killed-${at}` });
    const death = new Death(at);
    const dying = { ...context, vault: death.vault(context.vault), reach: death.reach(context.reach) };
    const end = await all(table, dying).catch((error: unknown) => error);
    if (death.happened) assert.deepEqual(end, new Error("killed"));
    await all(table, context);
    const found = await table.rows();
    assert.deepEqual(
      found.map(({ plaintext }) => plaintext),
      rows,
      `killed at ${at}`,
    );
    assert.deepEqual(await old(table), []);
    if (!death.happened) break;
  }
  assert.ok(deaths >= 20, `${deaths} places to die at`);
});

test("a database that goes away in the middle is told apart from one that refuses; once it is back, no row is lost (R23)", async () => {
  const table = await apiKeys(server);
  const rows = plaintexts(300);
  await table.fill(rows);
  let isAway = false;
  const reach = cut(table, async (text) => {
    if (isAway || !text.includes("SKIP LOCKED")) return;
    isAway = true;
    await server.test.kill("postgres");
  });
  await assert.rejects(all(table, table.context({ reach })), TargetUnavailableError);
  await server.test.start();
  await all(table);
  const found = await table.rows();
  assert.deepEqual(
    found.map(({ plaintext }) => plaintext),
    rows,
  );
  assert.deepEqual(await old(table), []);
});

/** Ten rows at a time. */
const byTens = (table: ApiKeys, rotation: string): Migration => ({
  subject: table.secret.id,
  journal: table.secret.journal,
  rotation,
  direction: "on",
  stored: table.secret.stored,
  recipher: recipher(new FernetKey(table.old.key ?? ""), new FernetKey(table.next.key ?? "")),
  pace: { batch: 1000, rows: { first: 10, least: 10, most: 10 } },
});

/** A piece for each ten rows, as if a table were so large that a pass takes many. */
function inPieces(table: ApiKeys, rotation: string, between: (pieces: number) => Promise<void>) {
  const context = table.context({ rotation });
  let pieces = 0;
  return async (): Promise<Migrated> => {
    await between(++pieces);
    return migratePiece(context, byTens(table, rotation), { length: 0, write: 0 });
  };
}

/** A service that has not switched yet writes over the first row. */
const straggle = (table: ApiKeys) =>
  table.query("UPDATE api_keys SET ciphertext = $1 WHERE id = (SELECT min(id) FROM api_keys)", [
    new FernetKey(table.old.key ?? "").seal({ plaintext: Buffer.from("late"), time: 1n }),
  ]);

test("a straggler that wrote behind a long pass is met in the next one, however many pieces that takes (R23)", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(95));
  const piece = inPieces(table, "behind", async (pieces) => void (pieces === 6 && (await straggle(table))));
  assert.equal(await migrateAll(piece), 0);
  assert.deepEqual(await old(table), []);
});

test("who goes on to write under the old key is waited for after three passes that found no fewer, and counted (R23)", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(95));
  let most = 0;
  const piece = inPieces(table, "straggling", async (pieces) => {
    most = pieces;
    await straggle(table);
  });
  // The first pass meets 95 rows and the second one: then three that meet one again.
  assert.equal(await migrateAll(piece), 1);
  assert.equal(most, 50);
});

test("a row that is held in one column stops nothing in another: only where no column gets on is it waited for (R23)", async () => {
  const [large, small] = [await apiKeys(server), await apiKeys(server)];
  await large.fill(plaintexts(95));
  await small.fill(plaintexts(5), large.old.key);
  const release = await hold(small, 3);
  const stored = [...large.secret.stored, ...small.secret.stored];
  const context = large.context({ rotation: "two columns" });
  const piece = () =>
    migratePiece(context, { ...byTens(large, "two columns"), stored }, { length: 0, write: 0 });
  assert.equal(await migrateAll(piece), 1);
  assert.deepEqual(await old(large), []);
  await release();
  assert.equal(await migrateAll(piece), 0);
});

/** Its position written after each ten rows; dies when a statement that holds `at` comes for the n-th time. */
async function tenAtATime(table: ApiKeys, rotation: string, at: string, n: number) {
  const migration = byTens(table, rotation);
  let met = 0;
  const reach = cut(table, (text) => {
    if (text.includes(at) && ++met === n) throw new Error("killed");
  });
  const context = table.context({ rotation });
  await assert.rejects(migratePiece({ ...context, reach }, migration, { write: 0 }), { message: "killed" });
  return { context, migration };
}

test("a runner goes on where the one before it ended, not at the first row", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(100));
  const { context, migration } = await tenAtATime(table, "resumed", "SKIP LOCKED", 5);
  assert.equal((await old(table)).length, 60);
  const from: unknown[] = [];
  const reach = cut(table, (text, values) => void (text.includes("ORDER BY") && from.push(values?.[1])));
  assert.deepEqual(await migratePiece({ ...context, reach }, migration), { left: 0 });
  assert.equal(from[0], "40");
  assert.deepEqual(await old(table), []);
});

test("a runner that goes back begins at the first row, wherever the way on had ended", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(100));
  // At the last row of the pass that looks again: eleven reads, of which the last meets nothing, and ten.
  const { context } = await tenAtATime(table, "turned", "ORDER BY", 22);
  assert.deepEqual(await old(table), []);
  await migrate(context, table.old, table.next);
  assert.equal((await old(table)).length, 100);
});

test("rows that open under neither key stay as they are and are counted", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(3));
  await table.fill(["of a third key"], fernetKey());
  await table.query("INSERT INTO api_keys (ciphertext) VALUES ('plain text')");
  const said: string[] = [];
  await all(table, table.context({ report: ({ text }) => said.push(text) }));
  const found = await fernet.idle(table.context(), table.old, table.next);
  assert.deepEqual(found, {
    state: "idle",
    evidence: `soma/main public.${table.secret.stored[0]?.table}.ciphertext: 2 neither, 3 new`,
  });
  assert.match(
    said.at(-1) ?? "",
    /3 rows re-encrypted; none is left under the old key; 2 open under neither key/,
  );
  assert.deepEqual(
    (await table.rows()).map(({ under }) => under),
    ["new", "new", "new", "neither", "neither"],
  );
});

test("the old key is in use while one row is under it; the straggler is re-encrypted and looked at again", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(20), table.next.key);
  await table.fill(["by a process that was not restarted"]);
  const name = `soma/main public.${table.secret.stored[0]?.table}.ciphertext`;
  assert.deepEqual(await fernet.idle(table.context(), table.old, table.next), {
    state: "in use",
    by: [name],
    evidence: `${name}: 20 new, 1 old`,
  });
  assert.deepEqual(await fernet.idle(table.context(), table.old, table.next), {
    state: "idle",
    evidence: `${name}: 21 new`,
  });
});

test("a key is not revoked while one ciphertext needs it, however long that lasts (R22, R23)", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(20));
  const release = await hold(table, 7);
  await assert.rejects(
    fernet.revoke(table.context(), table.old, table.next),
    (error) =>
      error instanceof CiphertextRemainsError &&
      /the old key stays, because stored ciphertext needs it \(.*: 19 new, 1 old\)/.test(error.message),
  );
  await release();
  await fernet.revoke(table.context(), table.old, table.next);
  assert.equal((await table.rows()).filter(({ under }) => under === "new").length, 20);
});

test("what is written with the old key after it was dropped is named", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(5), table.next.key);
  await fernet.verify(table.context(), table.old, table.next);
  await table.fill(["late"]);
  await assert.rejects(
    fernet.verify(table.context(), table.old, table.next),
    (error) => error instanceof StillAcceptedError && /5 new, 1 old/.test(error.message),
  );
});

test("rolled back after the switch, what the new key wrote comes back under the old one", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(30));
  await all(table);
  await table.fill(["new"], table.next.key);
  await migrate(table.context(), table.old, table.next);
  await fernet.revoke(table.context(), table.next, table.old);
  const rows = await table.rows();
  assert.equal(rows.length, 31);
  assert.deepEqual(new Set(rows.map(({ under }) => under)), new Set(["old"]));
});

test("a column that is not there, or whose key is not unique, is refused with what to do", async () => {
  const table = await apiKeys(server);
  const [stored] = table.secret.stored;
  assert.ok(stored);
  await table.query("ALTER TABLE api_keys ADD COLUMN name text NOT NULL DEFAULT ''");
  const refusal = async (change: Partial<typeof stored>) => {
    const secret = { ...table.secret, stored: [{ ...stored, ...change }] };
    const error: unknown = await fernet
      .idle(table.context({ secret }), table.old, table.next)
      .catch((e) => e);
    assert.ok(error instanceof ColumnError);
    return error.message;
  };
  assert.match(await refusal({ column: "absent" }), /the table has no column absent.*correct `stored`/);
  assert.match(await refusal({ key: "name" }), /go by name, which is not unique and NOT NULL/);
  assert.match(await refusal({ column: "id" }), /is of type bigint: ciphertext lies in text or bytea/);
  assert.match(
    await refusal({ database: "soma/absent" }),
    /soma\/absent holds ciphertext and is not a database/,
  );
});

test("no key and no plaintext is said, or stands in Postgres' log (R54)", async () => {
  const table = await apiKeys(server);
  await table.fill(plaintexts(400).map((text) => `canary-${text}`));
  const said: string[] = [];
  await all(table, table.context({ report: ({ text }) => said.push(text) }));
  const log = await server.log();
  assert.ok(said.length > 0 && log.includes("SKIP LOCKED"));
  for (const text of [...said, log]) {
    for (const value of ["canary-sk-live", table.next.key ?? "", ...Object.values(table.old)]) {
      assert.ok(!text.includes(value));
    }
  }
});

/** Ids of the rows under the old key. */
async function old(table: ApiKeys): Promise<string[]> {
  return (await table.rows()).filter(({ under }) => under === "old").map(({ id }) => id);
}

/** Holds a row locked, as a service's transaction does, until the answer is called. */
async function hold(table: ApiKeys, id: number): Promise<() => Promise<void>> {
  const database = server.model.databases.find((one) => one.id === "soma/main");
  assert.ok(database);
  const holder = await server.reach.manage(database);
  await holder.query("BEGIN");
  await holder.query(`SELECT FROM public.${table.secret.stored[0]?.table} WHERE id = $1 FOR UPDATE`, [id]);
  return async () => {
    await holder.query("COMMIT");
    await holder.end();
  };
}

/** Runs something before each statement. */
function cut(
  table: ApiKeys,
  act: (text: string, values: unknown[] | undefined) => Promise<void> | void,
): Reach {
  const { reach } = table.context();
  return {
    ...reach,
    manage: async (database) => {
      const connection = await reach.manage(database);
      return {
        query: async (text, values) => {
          await act(text, values);
          return connection.query(text, values);
        },
        end: () => connection.end(),
      };
    },
  };
}
