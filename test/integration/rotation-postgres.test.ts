import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Model, Secret, Service } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import type { Sink } from "../../operations/delivery/sink.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { type Outcome, rotate } from "../../operations/rotation/engine.ts";
import type { Reason } from "../../operations/rotation/rotator.ts";
import { rotatorOf } from "../../operations/rotation/rotators/index.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import { Compose, type Program } from "./services/compose.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const ids = ["titan/ledger-titan-brain", "solo/main-solo-app", "rec-io/trading-rec_trading_user"];
const passwords = new Set<string>();

let server: DatabaseServer;
const ends: (() => Promise<void>)[] = [];
before(async () => {
  server = await startDatabaseServer({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** What the services told of their requests. */
class Load {
  accepted = 0;
  failed = 0;
  connections = 0;
  milliseconds: number[] = [];
  why: string[] = [];

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Pick<
      Load,
      "accepted" | "failed" | "connections" | "milliseconds" | "why"
    >;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.connections += told.connections;
    this.milliseconds.push(...told.milliseconds);
    this.why.push(...told.why);
  };

  /** What was heard so far, and from now on anew. */
  take(): { accepted: number; failed: number; connections: number; p99: number; why: string[] } {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const { accepted, failed, connections, why } = this;
    this.accepted = this.failed = this.connections = 0;
    this.milliseconds = [];
    this.why = [];
    return { accepted, failed, connections, why, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
  }
}

/**
 * The services of the three systems that have a static database user, as processes on hosts of their own. titan's and
 * solo's pools make new connections all the time; rec-io's keep theirs, as its catalogue says of it. solo's reads its
 * env-file while it runs, the others start again.
 */
async function systems(t: { after(end: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-databases-"));
  const load = new Load();
  const hostOf = (system: string) => join(folder, system);
  const secrets = ids.map((id): Secret => {
    const secret = server.secret(id);
    return { ...secret, rotate: { ...secret.rotate, overlap: 0 } };
  });
  const consumers = secrets.flatMap((secret) => secret.consumers);
  const concerned = server.model.services.filter(({ id }) => consumers.some((one) => one.id === id));
  const services = concerned.map((service): Service => {
    const user = process.getuid?.() ?? 0;
    return { ...service, user, ...(service.id === "solo/api" && { reload: "watch" as const }) };
  });
  const model: Model = {
    ...server.model,
    services,
    secrets,
    rotation: { ...server.model.rotation, watch: 0 },
  };
  const file = fileURLToPath(import.meta.resolve("./services/database-client.ts"));
  const programs = secrets.flatMap((secret) => {
    const { host, port, database } = server.database(secret);
    return secret.consumers.map(({ name }): [string, Program] => {
      const at = hostOf(secret.system);
      const env: Record<string, string> = {
        NAME: name,
        TABLE: "public.keyplane_sample",
        PGHOST: host,
        PGPORT: String(port),
        PGDATABASE: database,
      };
      switch (secret.system) {
        case "titan":
          return [
            name,
            {
              file,
              env: {
                ...env,
                RATE: "70",
                CHURN: "20",
                TITAN_DB_USER_FILE: join(at, "secrets/titan_db_user"),
                TITAN_DB_PASSWORD_FILE: join(at, "secrets/titan_db_password"),
              },
              envFile: join(at, "none"),
              said: load.hear,
            },
          ];
        case "solo":
          return [
            name,
            {
              file,
              env: { ...env, RATE: "70", CHURN: "20", WATCH: join(at, ".env") },
              envFile: join(at, "none"),
              said: load.hear,
            },
          ];
        default:
          return [
            name,
            {
              file,
              env: { ...env, RATE: "40" },
              envFile: join(at, "opt/rec_io/env_files/local.env"),
              said: load.hear,
            },
          ];
      }
    });
  });
  const compose = new Compose(Object.fromEntries(programs));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const sinks = ({ id }: Pick<Consumer, "id">): Sink[] => {
    const service = services.find((one) => one.id === id);
    assert.ok(service);
    return sinksOf(model, service, {
      root: hostOf(service.system),
      runs: join(folder, "runs", service.system),
      command: compose.command,
    });
  };
  await mkdir(join(hostOf("rec-io"), "opt/rec_io/env_files"), { recursive: true });
  await mkdir(hostOf("solo"), { recursive: true });
  const go = async (secret: Secret, reason: Reason, isRunning: boolean): Promise<Outcome> =>
    rotate({
      vault: server.rotator,
      model,
      secret,
      rotator: await rotatorOf(secret),
      reach: server.reach,
      sinks: (consumer) => (isRunning ? sinks(consumer) : []),
      probes: () => [],
      patience: { pickUp: 60_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
      backoff: { first: 50, longest: 1000, tries: 6 },
      reason,
      by: "keyplane.rotate",
      report: () => {},
      wait: true,
    });
  const start = async ({ id, name }: Consumer) => {
    for (const sink of sinks({ id })) await sink.write(await bundleOf(server.rotator, model, id));
    await compose.restart(name);
  };
  return { secrets, consumers, compose, load, go, start, folder };
}

async function source(secret: Secret): Promise<Fields> {
  const read = await server.root.read<{ data: Fields }>(`kv/data/${secret.source}`);
  assert.ok(read);
  passwords.add(read.data.password ?? "");
  return read.data;
}

/** Owners and rights of everything in a secret's database, and what its logins are members of. */
async function holdings(secret: Secret): Promise<unknown[]> {
  return server.query(
    secret,
    `select relname::text as name, relowner::regrole::text as owner, relacl::text[] as rights from pg_class
      where relnamespace = 'public'::regnamespace
     union all
     select rolname, parent::regrole::text, rolconfig from pg_roles,
            lateral (select roleid as parent from pg_auth_members where member = pg_roles.oid) m
      where rolname = any($1)
      order by 1, 2`,
    [secret.databaseUser?.logins],
  );
}

test("titan's, solo's and rec-io's database users: no request of over 200 a second fails while all of them rotate (R27, R31, R32)", async (t) => {
  const { secrets, consumers, compose, load, go, start, folder } = await systems(t);
  for (const secret of secrets) {
    assert.equal((await go(secret, "first", false)).state, "done");
    await source(secret);
  }
  // Both logins of the alternating users are there before their things are compared.
  for (const secret of secrets.filter(({ rotate: { method } }) => method === "alternating")) {
    for (let turn = 0; turn < 2; turn++) assert.equal((await go(secret, "scheduled", false)).state, "done");
  }
  for (const consumer of consumers) await start(consumer);
  const before = await Promise.all(secrets.map(holdings));

  await until(() => load.accepted > 200);
  load.take();
  await until(() => load.accepted > 700);
  const quiet = load.take();
  assert.deepEqual([quiet.failed, quiet.why], [0, []]);

  const began = performance.now();
  for (let count = 0; count < rotations; count++) {
    compose.restarts.length = 0;
    const olds = await Promise.all(secrets.map(source));
    const outcomes = await Promise.all(secrets.map((secret) => go(secret, "scheduled", true)));
    assert.deepEqual(
      outcomes.map(({ state, failure }) => [state, failure]),
      secrets.map(() => ["done", undefined]),
    );
    // Exactly the dependent services, and not the one that reads its file again (R34, R35).
    assert.deepEqual(compose.restarts.toSorted(), [
      "btc_price_watchdog",
      "kalshi_api_watchdog",
      "titan-brain",
      "trade_executor",
    ]);
    for (const [index, secret] of secrets.entries()) {
      const old = olds[index] ?? {};
      const fresh = await source(secret);
      assert.notEqual(fresh.password, old.password);
      assert.equal(await server.refusal(secret, old), "28P01");
      const sessions = await server.query(secret, "select pid from pg_stat_activity where usename = $1", [
        old.user,
      ]);
      assert.equal(sessions.length > 0, fresh.user === old.user, `sessions of ${old.user}`);
    }
  }
  const soFar = load.accepted;
  await until(() => load.accepted > soFar + 50);
  const seconds = (performance.now() - began) / 1000;
  await compose.end();
  const during = load.take();
  assert.deepEqual([during.failed, during.why], [0, []]);
  assert.ok(during.accepted > rotations * 100, `${during.accepted} requests in ${rotations} rotations`);
  assert.ok(during.connections > rotations * 10, `${during.connections} new connections`);
  assert.deepEqual(await Promise.all(secrets.map(holdings)), before, "owners, rights and memberships");
  t.diagnostic(
    `${rotations} rotations of ${secrets.length} users in ${Math.round(seconds)} s under load: ${during.accepted} requests (${Math.round(during.accepted / seconds)}/s) over ${during.connections} new connections, 0 failed; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
  );
  await onlyTheLast(folder, await Promise.all(secrets.map(source)));
});

/** No password that was replaced lies on a host, and none at all in Postgres' log (R54). */
async function onlyTheLast(folder: string, current: Fields[]): Promise<void> {
  const inForce = new Set(current.map(({ password }) => password));
  const old = [...passwords].filter((password) => !inForce.has(password));
  assert.ok(old.length >= rotations * ids.length);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, "utf8");
    for (const password of old) assert.ok(!text.includes(password), path);
  }
  const log = await server.log();
  for (const password of passwords) assert.ok(!log.includes(password), "a password stands in Postgres' log");
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(20)) if (holds()) return;
  assert.fail("did not come to hold within a minute");
}
