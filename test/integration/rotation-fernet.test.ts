import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Secret, StoredCiphertext } from "../../model/model.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { readJournal } from "../../operations/rotation/journal-store.ts";
import { FernetKey } from "../../operations/rotation/re-encryption/fernet.ts";
import { destroyExpired } from "../../operations/rotation/retention.ts";
import { fernetCensus } from "../../operations/rotation/rotators/fernet.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { readFields } from "../../operations/values/kv.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import type { Rotating } from "./fernet/rotating.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";
import { endedWithFile } from "./support/ended-with-file.ts";

const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** Of each system. */
const rotations = isWhole ? 100 : 5;
/** Requests a second to the services of one system together, while they are there. */
const rate = 400;
const day = 86_400_000;

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

/** A system's services as processes that encrypt what they store, and the secret that they do it with. */
async function services(t: { after(end: () => Promise<void>): void }, id: string) {
  const declared = server.secret(id);
  const [stored] = declared.stored;
  assert.ok(stored);
  const database = server.model.databases.find((one) => one.id === stored.database);
  assert.ok(database);
  const inside = { id, databaseUser: { database: database.id } } as Secret;
  // As the system's own database user made it: a login of the group that the catalogue grants everything to.
  const [group] = database.groups;
  const user = `${database.system}-test`;
  const password = randomBytes(16).toString("hex");
  await server.query(inside, `CREATE ROLE "${user}" LOGIN PASSWORD '${password}' IN ROLE "${group?.name}"`);
  await server.query(
    inside,
    `CREATE TABLE ${stored.table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ciphertext text NOT NULL)`,
  );
  const { host, port, database: name } = database;
  const deployment = await deploy(t, {
    vault: server.rotator,
    model: server.model,
    secrets: [declared],
    services: server.model.services,
    reach: server.reach,
    programs: ({ load, rootOf }) =>
      Object.fromEntries(
        declared.consumers.map((consumer): [string, Program] => {
          const service = server.model.services.find((one) => one.id === consumer.id);
          const [delivery] = service?.deliver ?? [];
          assert.ok(delivery?.to === "env-file");
          const variables = Object.entries(consumer.as).map(([variable, field]) => [field, variable]);
          const { key = "", previous = "" } = Object.fromEntries(variables) as Record<string, string>;
          const env = {
            ...{ NAME: consumer.name, TABLE: stored.table, KEY_VARIABLE: key, PREVIOUS_VARIABLE: previous },
            RATE: String(Math.ceil(rate / declared.consumers.length)),
            DATABASE: JSON.stringify({ host, port, database: name, user, password }),
          };
          const file = fileURLToPath(import.meta.resolve("./fernet/service.ts"));
          return [
            consumer.name,
            { file, envFile: join(rootOf(consumer), delivery.path), env, said: load.hear },
          ];
        }),
      ),
  });
  const subject = await deployment.subject(declared);
  const said: string[] = [];
  const clock = await MovedClock.of(server.rotator);
  const go = (
    given: Partial<Subject> & { reason?: "first" | "scheduled" | "compromise"; destroysOld?: boolean } = {},
  ) =>
    rotate({
      ...subject,
      reason: "scheduled",
      by: "keyplane.rotate",
      report: ({ text: line }) => said.push(line),
      wait: false,
      clock,
      ...given,
    });
  const source = () => deployment.source(declared);
  assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
  await deployment.start(declared);
  const { load, compose } = deployment;
  return { subject, go, clock, source, load, said, compose, stored, quiet: await load.idle() };
}

for (const id of ["soma/crypto-fernet", "solo/encryption-key"]) {
  test(`${id}: rotated under load, what its services stored is re-encrypted, and every row opens at every moment (R17, R22, R23)`, async (t) => {
    const it = await services(t, id);
    const old = await it.source();
    const values = new Set(Object.values(old));
    for (let count = 1; count <= rotations; count++) {
      const waits = await it.go();
      assert.equal(waits.state, "drain", waits.waiting);
      assert.match(waits.waiting ?? "", /^both values are accepted until /);
      const { key = "", previous = "" } = await it.source();
      const context = { ...it.subject, report: () => {}, signal: new AbortController().signal };
      const [found] = await fernetCensus(context, [it.stored], { key, previous });
      assert.deepEqual(Object.keys(found?.rows ?? {}), ["new"], "nothing is left under the old key");
      // Kept for 30 d all the same.
      it.clock.ahead += 30 * day - 600_000;
      assert.equal((await it.go()).state, "drain");
      it.clock.ahead += 700_000;
      const end = await it.go();
      assert.deepEqual([end.state, end.waiting], ["done", undefined]);
      for (const value of Object.values(await it.source())) values.add(value);
      await it.load.more();
    }
    // A compromise cuts the 30 d short and says so, and leaves no ciphertext behind all the same (R21).
    const last = await it.source();
    const end = await it.go({ reason: "compromise" });
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    assert.ok(end.skipped.includes("the overlap of 2592000 s was cut short"), end.skipped.join("; "));
    // The old key is given to nobody, and stays where only the engine reads: a backup may need it (R22).
    const [kept] =
      (await readJournal({ vault: server.rotator, model: server.model }, it.subject.secret)).journal?.kept ??
      [];
    assert.ok(kept);
    const { kv } = server.model.vault.mounts;
    const { source: path } = it.subject.secret;
    assert.equal((await readFields(server.rotator, kv, path, kept.version))?.key, last.key);
    assert.equal(
      await destroyExpired({ vault: server.rotator, model: server.model }, it.subject.secret, it.clock.now()),
      0,
    );
    const room = async () =>
      (await server.root.read<{ max_versions: number }>(`${kv}/metadata/${path}`))?.max_versions;
    assert.equal(await room(), 1000, "no later rotation pushes it out");
    const later = new Date(it.clock.now().getTime() + 31 * day);
    assert.equal(
      await destroyExpired({ vault: server.rotator, model: server.model }, it.subject.secret, later),
      1,
    );
    assert.equal(await readFields(server.rotator, kv, path, kept.version), undefined);
    assert.equal(await room(), 0);
    // Asked to, a compromise destroys what the one before it kept as well.
    await it.go({ reason: "compromise" });
    await it.go({ reason: "compromise", destroysOld: true });
    const metadata = await server.root.read<{ versions: Record<string, { destroyed: boolean }> }>(
      `${kv}/metadata/${path}`,
    );
    const left = Object.values(metadata?.versions ?? {}).filter(({ destroyed }) => !destroyed);
    assert.deepEqual([left.length, await room()], [1, 0]);
    await it.compose.end();
    const during = noneFailed(it.load.take());
    const alone = await it.source();
    assert.equal(alone.previous, alone.key);
    for (const value of values) assert.ok(!it.said.join("\n").includes(value));
    t.diagnostic(inWords(rotations, during, it.quiet));
  });
}

test("a rotation under writers, killed five times in the middle of its re-encryption and taken up by another runner each time: no row lost, none left under the old key (R22, R23)", async (t) => {
  const count = isWhole ? 5_000_000 : 20_000;
  const table = "api_keys_at_scale";
  const inside = { id: "soma", databaseUser: { database: "soma/main" } } as Secret;
  const ask = <Row extends object>(query: string, values: unknown[] = []) =>
    server.query(inside, query, values) as Promise<Row[]>;
  for (const off of ["log_statement = 'none'", "log_min_duration_statement = -1"])
    await ask(`ALTER SYSTEM SET ${off}`);
  await ask("SELECT pg_reload_conf()");
  const stored: StoredCiphertext = {
    ...{ database: "soma/main", schema: "public", table, key: "id", column: "ciphertext" },
  };
  const declared = server.secret("soma/crypto-fernet");
  const secret: Secret = {
    ...declared,
    ...{ stored: [stored], source: "source/soma/scale", journal: "rotation/soma/scale" },
    ...{ evidence: "evidence/soma/scale", idle: { source: "none" } },
    consumers: declared.consumers.map((one) => ({ ...one, path: `services/soma/${one.name}/scale` })),
  };
  // Its consumers read Vault themselves.
  const rotation = { ...server.model.rotation, watch: 0 };
  const model = { ...server.model, secrets: [secret], services: [], rotation };
  const { address } = server.rotator;
  const input: Rotating = {
    vault: { address, ca: server.services.vault.ca, token: server.rotator.token ?? "" },
    ...{ model, secret, ca: server.services.issuer.ca, ahead: 0 },
  };
  const source = async () => (await readFields(server.root, model.vault.mounts.kv, secret.source)) ?? {};
  assert.equal(stateIn(await runner(input)), "done", "the first value");
  const old = await source();
  const before = new FernetKey(old.key ?? "");

  const pool = 1000;
  const sealed = Array.from({ length: pool }, (_, index) =>
    before.seal({ plaintext: Buffer.from(`sk-live-${String(index).padStart(40, "0")}`), time: 1n }),
  );
  await ask(`CREATE TABLE ${table} (id bigint PRIMARY KEY, ciphertext text NOT NULL)`);
  await ask(
    `INSERT INTO ${table} SELECT n, ($1::text[])[n % ${pool} + 1] FROM generate_series(1, ${count}) AS n`,
    [sealed],
  );
  const plain = await plainUpdate(ask, table, count);

  const writing = new AbortController();
  const written = new Map<number, string>();
  // Services write with the key that they were given: the old one until their switch.
  const { path = "" } = secret.consumers[0] ?? {};
  const given = async () => (await readFields(server.root, model.vault.mounts.kv, path))?.key ?? "";
  const writer = write(ask, { table, count, key: given, written, signal: writing.signal });
  const began = performance.now();
  // Five kills within the first half of the batches, of which none has more than 5,000 rows.
  const each = Math.max(1, Math.floor(count / 5_000 / 10));
  let ahead = 0;
  for (const when of ["before", "after", "before", "after", "after"] as const) {
    assert.equal(await runner({ ...input, ahead, dies: { batches: each, when } }), "killed");
    const { journal } = await readJournal({ vault: server.root, model }, secret);
    assert.equal(journal?.state, "migrate");
    // Its lease lasts for a minute: whoever comes after that takes it up.
    ahead += 120_000;
  }
  const waits = await runner({ ...input, ahead });
  assert.equal(stateIn(waits), "drain", waits);
  const took = (performance.now() - began) / 1000;
  writing.abort();
  await writer;

  const next = await source();
  assert.equal(next.previous, old.key);
  const keys = { key: next.key ?? "", previous: old.key ?? "" };
  const context = { ...server.context(secret), report: () => {} };
  const [census] = await fernetCensus(context, [stored], keys);
  assert.deepEqual(census?.rows, { new: count + written.size - overwritten(written, count) });
  const now = new FernetKey(keys.key);
  await everyRow(ask, table, (id, token) => {
    const plaintext = now.open(token)?.plaintext.toString();
    const expectedText = written.get(id) ?? `sk-live-${String(id % pool).padStart(40, "0")}`;
    assert.equal(plaintext, expectedText, `row ${id}`);
  });
  // Kept for 30 d all the same; then another runner drops it.
  assert.equal(stateIn(await runner({ ...input, ahead: ahead + 29 * day })), "drain");
  assert.equal(stateIn(await runner({ ...input, ahead: ahead + 31 * day })), "done");
  const alone = await source();
  assert.deepEqual([alone.key, alone.previous], [next.key, next.key]);
  const rate = Math.round(count / took);
  t.diagnostic(
    `${count} rows in ${took.toFixed(1)} s with 5 kills and ${written.size} writes: ${rate} rows/s; ` +
      `plain UPDATE ${Math.round(plain)} rows/s (${(rate / plain).toFixed(2)})`,
  );
});

type Ask = <Row extends object>(query: string, values?: unknown[]) => Promise<Row[]>;

/** Rows per second of one plain UPDATE of as many rows. */
async function plainUpdate(ask: Ask, table: string, count: number): Promise<number> {
  await ask(`CREATE TABLE ${table}_plain (LIKE ${table} INCLUDING ALL)`);
  await ask(`INSERT INTO ${table}_plain SELECT * FROM ${table}`);
  const began = performance.now();
  await ask(`UPDATE ${table}_plain SET ciphertext = reverse(ciphertext)`);
  const took = (performance.now() - began) / 1000;
  await ask(`DROP TABLE ${table}_plain`);
  return count / took;
}

/** Writes rows anew and adds some, with the key that services have. */
async function write(
  ask: Ask,
  given: {
    table: string;
    count: number;
    key: () => Promise<string>;
    written: Map<number, string>;
    signal: AbortSignal;
  },
): Promise<void> {
  const { table, count, key, written, signal } = given;
  for (let number = 0; !signal.aborted; number++) {
    const id = number % 3 === 0 ? count + 1 + number : 1 + Math.floor(Math.random() * count);
    const plaintext = `sk-written-${number}`;
    const token = new FernetKey(await key()).seal({ plaintext: Buffer.from(plaintext), time: 1n });
    await ask(
      `INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET ciphertext = excluded.ciphertext`,
      [id, token],
    );
    written.set(id, plaintext);
    await sleep(2);
  }
}

function overwritten(written: Map<number, string>, count: number): number {
  return [...written.keys()].filter((id) => id <= count).length;
}

async function everyRow(ask: Ask, table: string, look: (id: number, token: string) => void): Promise<void> {
  for (let after = 0; ; ) {
    const rows = await ask<{ id: string; ciphertext: string }>(
      `SELECT id, ciphertext FROM ${table} WHERE id > $1 ORDER BY id LIMIT 20000`,
      [after],
    );
    for (const { id, ciphertext } of rows) look(Number(id), ciphertext);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = Number(last.id);
  }
}

/** Runs a runner in a process of its own; what became of the rotation, where nobody killed it. */
async function runner(input: Rotating): Promise<string> {
  const file = fileURLToPath(import.meta.resolve("./fernet/rotating.ts"));
  const child = spawn(process.execPath, [file], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once("exit", (code, signal) => resolve([code, signal])),
  );
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(input));
  const [out, said, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const { kv } = input.model.vault.mounts;
  const fields = await readFields(server.root, kv, input.secret.source);
  for (const value of Object.values(fields ?? {})) assert.ok(!`${out}${said}`.includes(value));
  if (signal === "SIGKILL") return "killed";
  assert.equal(code, 0, said);
  return out;
}

function stateIn(said: string): string | undefined {
  return (JSON.parse(said) as { outcome?: { state: string } }).outcome?.state;
}
