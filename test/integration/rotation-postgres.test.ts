import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Secret, Service } from "../../model/model.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { ProbeError, type Reason } from "../../operations/rotation/rotator.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import type { Program } from "./services/compose.ts";
import { deploy } from "./services/deployment.ts";
import { type Heard, inWords, Load, noneFailed } from "./services/load.ts";
import { endedWithFile } from "./support/ended-with-file.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const ids = ["titan/ledger-titan-brain", "solo/main-solo-app", "rec-io/trading-rec_trading_user"];
const passwords = new Set<string>();

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

/** How a system's services find their user, and how many requests a second each makes while it is there. */
const clients: Record<string, (host: string) => Record<string, string>> = {
  titan: (host) => ({
    ...{ RATE: "320", CHURN: "40" },
    TITAN_DB_USER_FILE: join(host, "secrets/titan_db_user"),
    TITAN_DB_PASSWORD_FILE: join(host, "secrets/titan_db_password"),
  }),
  solo: (host) => ({ RATE: "240", CHURN: "40", WATCH: join(host, ".env") }),
  "rec-io": () => ({ RATE: "110" }),
};

/**
 * The services of the three systems that have a static database user, as processes on hosts of their own. titan's and
 * solo's pools make new connections all the time; rec-io's keep theirs, as its catalogue says of it. solo's reads its
 * env-file while it runs, the others start again.
 */
async function systems(t: { after(end: () => Promise<void>): void }) {
  const secrets = ids.map((id): Secret => {
    const secret = server.secret(id);
    return { ...secret, rotate: { ...secret.rotate, overlap: 0 } };
  });
  const loads = new Map(secrets.map(({ id }) => [id, new Load()]));
  const ofConsumers = secrets.flatMap((secret) => secret.consumers.map((consumer) => ({ secret, consumer })));
  const concerned = server.model.services.filter(({ id }) =>
    ofConsumers.some(({ consumer }) => consumer.id === id),
  );
  const file = fileURLToPath(import.meta.resolve("./services/database-client.ts"));
  const deployment = await deploy(t, {
    vault: server.rotator,
    model: server.model,
    secrets,
    services: concerned.map(
      (service): Service => (service.id === "solo/api" ? { ...service, reload: "watch" } : service),
    ),
    reach: server.reach,
    hostOf: ({ id }) => id.split("/")[0] ?? "",
    programs: ({ rootOf }) =>
      Object.fromEntries(
        ofConsumers.map(({ secret, consumer }): [string, Program] => {
          const { host, port, database } = server.database(secret);
          const root = rootOf(consumer);
          const env = {
            ...{ NAME: consumer.name, TABLE: "public.keyplane_sample" },
            ...{ PGHOST: host, PGPORT: String(port), PGDATABASE: database },
            ...clients[secret.system]?.(root),
          };
          const envFile = join(root, "opt/rec_io/env_files/local.env");
          return [consumer.name, { file, env, envFile, said: (line) => loads.get(secret.id)?.hear(line) }];
        }),
      ),
  });
  await mkdir(join(deployment.folder, "rec-io/opt/rec_io/env_files"), { recursive: true });
  await mkdir(join(deployment.folder, "solo"), { recursive: true });
  const go = async (
    secret: Secret,
    reason: Reason,
    isRunning: boolean,
    change: (subject: Subject) => Partial<Subject> = () => ({}),
  ): Promise<Outcome> => {
    const subject = await deployment.subject(secret);
    return rotate({
      ...subject,
      ...change(subject),
      ...(!isRunning && { sinks: () => [] }),
      patience: { pickUp: 60_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
      backoff: { first: 50, longest: 1000, tries: 6 },
      reason,
      by: "keyplane.rotate",
      report: () => {},
      wait: true,
    });
  };
  return { ...deployment, secrets, loads, go };
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

test("titan's, solo's and rec-io's database users: no request of over 200 a second to each fails while all of them rotate (R27, R31, R32)", async (t) => {
  const { secrets, compose, loads, go, start, folder } = await systems(t);
  for (const secret of secrets) {
    assert.equal((await go(secret, "first", false)).state, "done");
    await source(secret);
  }
  // Both logins of the alternating users are there before their things are compared.
  for (const secret of secrets.filter(({ rotate: { method } }) => method === "alternating")) {
    for (let turn = 0; turn < 2; turn++) assert.equal((await go(secret, "scheduled", false)).state, "done");
  }
  for (const secret of secrets) await start(secret);
  const before = await Promise.all(secrets.map(holdings));

  const quiet = new Map<string, Heard>();
  await Promise.all([...loads].map(async ([id, load]) => quiet.set(id, await load.idle())));
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
    await Promise.all([...loads.values()].map((load) => load.more()));
  }
  await compose.end();
  for (const [id, load] of loads) {
    const during = noneFailed(load.take());
    const isChurning = id !== "rec-io/trading-rec_trading_user";
    if (isChurning) assert.ok(during.connections > rotations * 2, `${id}: ${during.connections} connections`);
    const idle = quiet.get(id) ?? assert.fail();
    t.diagnostic(`${id}: ${inWords(rotations, during, idle)}; ${during.connections} new connections`);
  }
  assert.deepEqual(await Promise.all(secrets.map(holdings)), before, "owners, rights and memberships");
  await onlyTheLast(folder, await Promise.all(secrets.map(source)));
});

/** What is wrong with a new login, and whether a service has run it before that was seen. */
const bad: {
  what: string;
  isDelivered: boolean;
  spoil(secret: Secret, subject: Subject): Partial<Subject>;
}[] = [
  {
    what: "is refused: its password is another one at the database",
    isDelivered: false,
    spoil: (secret, subject) =>
      staged(subject, ({ user }) => server.query(secret, `ALTER ROLE "${user}" PASSWORD 'another'`)),
  },
  {
    what: "lacks rights: it is no member of its group",
    isDelivered: false,
    spoil: (secret, subject) =>
      staged(subject, async ({ user }) => {
        const groups = await server.query<{ group: string; grantor: string }>(
          secret,
          `select roleid::regrole::text as "group", grantor::regrole::text from pg_auth_members
            where member = (select oid from pg_roles where rolname = $1)`,
          [user],
        );
        assert.ok(groups.length > 0);
        for (const { group, grantor } of groups)
          await server.query(secret, `REVOKE ${group} FROM "${user}" GRANTED BY ${grantor}`);
      }),
  },
  {
    what: "raises error rates once everybody runs it",
    isDelivered: true,
    spoil: () => ({
      watch: {
        baseline: async () => ({ errors: 0 }),
        unanswered: () => [],
        judge: async () => ({ state: "raised", names: ["errors 0 → 9"] }),
      },
    }),
  },
];

/** The same subject, whose new login somebody changes right after it was staged. */
function staged({ rotator }: Subject, change: (next: Fields) => Promise<unknown>): Partial<Subject> {
  const stage: typeof rotator.stage = async (...given) => {
    await rotator.stage(...given);
    await change(given[1]);
  };
  return { rotator: { ...rotator, stage } };
}

test("a bad new login of titan's and solo's is rolled back, and no request of over 200 a second to each fails meanwhile (R27, R46–R48)", async (t) => {
  const { secrets: all, compose, loads, go, start } = await systems(t);
  const secrets = all.filter(({ rotate: { method } }) => method === "alternating");
  assert.equal(secrets.length, 2);
  for (const secret of secrets) {
    for (let turn = 0; turn < 2; turn++) assert.equal((await go(secret, "scheduled", false)).state, "done");
    await start(secret);
  }
  const loaded = secrets.map(({ id }) => loads.get(id) ?? assert.fail());
  const quiet = await Promise.all(loaded.map((load) => load.idle()));
  const before = await Promise.all(secrets.map(holdings));
  const olds = await Promise.all(secrets.map(source));
  let count = 0;
  for (const { what, isDelivered, spoil } of bad) {
    compose.restarts.length = 0;
    const outcomes = await Promise.all(
      secrets.map((secret) => go(secret, "scheduled", true, (subject) => spoil(secret, subject))),
    );
    count++;
    for (const { secret, state, failure } of outcomes)
      assert.equal(state, "rolled-back", `${secret}, which ${what}: ${failure}`);
    // titan-brain starts again with the new login and then with the old one; what no service saw restarts nobody.
    assert.deepEqual(compose.restarts, isDelivered ? ["titan-brain", "titan-brain"] : [], what);
    for (const [index, secret] of secrets.entries()) {
      const { user, password } = await source(secret);
      assert.deepEqual(
        { user, password },
        { user: olds[index]?.user, password: olds[index]?.password },
        what,
      );
      const [next = assert.fail()] = (secret.databaseUser?.logins ?? []).filter((login) => login !== user);
      const sessions = await server.query(secret, "select pid from pg_stat_activity where usename = $1", [
        next,
      ]);
      assert.deepEqual(sessions, [], `${what}: sessions of ${next}`);
    }
    await Promise.all(loaded.map((load) => load.more()));
  }
  // A good one follows, over whatever the bad ones have left.
  for (const secret of secrets) assert.equal((await go(secret, "scheduled", true)).state, "done");
  await compose.end();
  for (const [index, load] of loaded.entries()) {
    const during = noneFailed(load.take());
    t.diagnostic(
      `${secrets[index]?.id}: ${inWords(count, during, quiet[index] ?? assert.fail())}, rolled back`,
    );
  }
  assert.deepEqual(await Promise.all(secrets.map(holdings)), before, "owners, rights and memberships");
});

/** What becomes of whoever logs in with one password, again and again, until it is ended. */
function newcomer(secret: Secret, fields: Fields) {
  const ending = new AbortController();
  const refused: number[] = [];
  let tried = 0;
  const ended = (async () => {
    while (!ending.signal.aborted) {
      const code = await server.refusal(secret, fields);
      tried++;
      if (code !== undefined) refused.push(performance.now());
      await sleep(20);
    }
  })();
  return {
    async end() {
      ending.abort();
      await ended;
      const [first = 0, last = first] = [refused.at(0), refused.at(-1)];
      return { tried, refused: refused.length, milliseconds: Math.round(last - first) };
    },
  };
}

test("a bad new password of rec-io's shared user is taken back: no request over connections that are there fails, whoever comes anew is refused meanwhile (R27, R32, R46–R48)", async (t) => {
  const { secrets: all, compose, loads, go, start } = await systems(t);
  const secret = all.find(({ rotate: { method } }) => method === "single") ?? assert.fail();
  assert.equal((await go(secret, "scheduled", false)).state, "done");
  await start(secret);
  const load = loads.get(secret.id) ?? assert.fail();
  const quiet = await load.idle();
  const before = await holdings(secret);
  const old = await source(secret);
  const services = ["btc_price_watchdog", "kalshi_api_watchdog", "trade_executor"];
  const single: typeof bad = [
    // Its rights are the login's own, whatever its password.
    ...bad.filter(({ what }) => !what.startsWith("lacks rights")),
    {
      what: "is rejected by one of its services",
      isDelivered: true,
      spoil: () => ({
        probes: ({ name }) => [
          {
            name: "health",
            async check() {
              if (name === "trade_executor") throw new ProbeError("it answers 503");
            },
          },
        ],
      }),
    },
  ];
  const told: string[] = [];
  for (const { what, isDelivered, spoil } of single) {
    compose.restarts.length = 0;
    const anew = newcomer(secret, old);
    const { state, failure } = await go(secret, "scheduled", true, (subject) => spoil(secret, subject));
    const { tried, refused, milliseconds } = await anew.end();
    assert.equal(state, "rolled-back", `${what}: ${failure}`);
    // One password at a time: the old one is refused from staging until it is set again, which comes before anybody gets it.
    assert.ok(refused > 0 && refused < tried, `${what}: ${refused} of ${tried} new logins were refused`);
    told.push(
      `${what}: ${refused} of ${tried} new logins with the old password refused, within ${milliseconds} ms`,
    );
    assert.deepEqual(
      compose.restarts.toSorted(),
      isDelivered ? [...services, ...services].sort() : [],
      `${what}: what no service saw restarts nobody`,
    );
    assert.equal((await source(secret)).password, old.password, what);
    assert.equal(await server.refusal(secret, old), undefined, what);
    await load.more();
  }
  assert.equal((await go(secret, "scheduled", true)).state, "done");
  assert.equal(await server.refusal(secret, old), "28P01");
  await compose.end();
  const during = noneFailed(load.take());
  t.diagnostic(`${secret.id}: ${inWords(single.length, during, quiet)}, rolled back; ${told.join("; ")}`);
  assert.deepEqual(await holdings(secret), before, "owners, rights and memberships");
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
