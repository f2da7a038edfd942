import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Consumer } from "../../../model/model.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { type Clock, vaultClock } from "../../../operations/rotation/clock.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import type { ConsumerProbe } from "../../../operations/rotation/observer.ts";
import { ProbeError } from "../../../operations/rotation/rotator.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { Calls } from "./counted.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import postgresScenario from "./postgres-scenario.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { ask, passwords, rotated, staged } from "./postgres-steps.ts";

let server: DatabaseServer;
const shared = endedWithFile();

before(async () => {
  server = await startDatabaseServer(shared);
});

const recIo = () => server.secret("rec-io/trading-rec_trading_user");
const likeSecret: DatabaseServer["like"] = (secret, user) => server.like(secret, user);

test("rec-io's shared user: new connections need the new password at once, open ones go on (R32)", async () => {
  const secret = recIo();
  const first = await rotated(server, secret, undefined, "first");
  assert.equal(first.user, "rec_trading_user");
  const open = await server.connect(secret, first, "trade_executor");
  const { context, next } = await staged(server, secret, first);
  assert.equal(next.user, "rec_trading_user");
  assert.equal(await server.refusal(secret, first), "28P01");
  assert.equal(await server.refusal(secret, next), undefined);
  assert.deepEqual(await postgres.idle(context, first, next), {
    state: "idle",
    evidence: "the password before of rec_trading_user has been refused since the new one was staged",
  });
  await postgres.revoke(context, first, next);
  await postgres.verify(context, first, next);
  assert.equal((await open.query("select 1 as one")).rows[0]?.one, 1);
  await open.end();
});

test("rec-io's shared user, taken back: the old password works again, and the new one no more (R32)", async () => {
  const secret = likeSecret(recIo(), "taken_back");
  const first = await rotated(server, secret, undefined, "first");
  const open = await server.connect(secret, first);
  const { context, next } = await staged(server, secret, first, "compromise");
  for (let run = 0; run < 2; run++) await postgres.revoke(context, next, first);
  assert.equal((await open.query("select 1 as one")).rows[0]?.one, 1);
  await open.end();
  await postgres.verify(context, next, first);
  assert.equal(await server.refusal(secret, first), undefined);
  assert.equal(await server.refusal(secret, next), "28P01");
});

for (const reason of ["compromise", "leaver"] as const) {
  test(`a single user after a ${reason}: the sessions of the old password are ended, those of the new one go on (R21, R67)`, async () => {
    const secret = likeSecret(recIo(), `after_${reason}`);
    const first = await rotated(server, secret, undefined, "first");
    const stolen = await server.connect(secret, first, "thief");
    const { context, next } = await staged(server, secret, first, reason);
    const fresh = await server.connect(secret, next, "trade_executor");
    await postgres.revoke(context, first, next);
    await assert.rejects(stolen.query("select 1"));
    assert.equal((await fresh.query("select 1 as one")).rows[0]?.one, 1);
    await fresh.end();
  });
}

test("a single login that was there before keeps everything but its password (R32)", async () => {
  const secret = likeSecret(recIo(), "veteran");
  await server.query(
    secret,
    "create role veteran login password 'veteran' in role rec_trading connection limit 3",
  );
  await server.query(secret, "comment on role veteran is 'ask cleo'");
  await server.query(
    secret,
    'create table veterans (id int); alter table veterans owner to veteran; grant veteran to "keyplane_rec_io__trading__rotation" with admin true, inherit true, set false',
  );
  const next = await rotated(server, secret, { user: "veteran", password: "veteran" });
  assert.deepEqual(
    await server.query(
      secret,
      `select rolconnlimit as limit, rolconfig as config, split_part(shobj_description(oid, 'pg_authid'), '[', 1) as comment
         from pg_roles where rolname = 'veteran'`,
    ),
    [{ limit: 3, config: null, comment: "ask cleo " }],
  );
  await ask(server, secret, next, "alter table veterans add column note text");
});

/** Consumers that log in at each start with what they were given, as processes do that read their environment. */
class Starters {
  /** Consumer, "started" or "refused", and how many hold the new value by then. */
  readonly starts: { consumer: string; refused: string | undefined; holding: number }[] = [];
  readonly #held = new Map<string, number>();
  readonly #runs = new Map<string, number>();
  readonly #user: DatabaseUserCase;
  readonly #first: number;

  constructor(user: DatabaseUserCase, first: number) {
    this.#user = user;
    this.#first = first;
    for (const { id } of user.secret.consumers) this.#runs.set(id, first);
  }

  sinks({ id }: Pick<Consumer, "id">, waitsForAll: boolean): Sink[] {
    return [
      {
        name: "env-file",
        write: async (bundle) => {
          const version = bundle.versions[this.#user.secret.id] ?? 0;
          const changed = this.#held.get(id) !== version;
          this.#held.set(id, version);
          return changed;
        },
        reload: async () => {
          const index = this.#user.secret.consumers.findIndex((consumer) => consumer.id === id);
          const fields = (await this.#user.delivered())[index];
          const refused = await this.#user.refusal(fields ?? {});
          const holding = [...this.#held.values()].filter((version) => version > this.#first).length;
          this.starts.push({ consumer: id, refused, holding });
          if (refused === undefined) this.#runs.set(id, this.#held.get(id) ?? 0);
        },
        running: async (_, version) => {
          const runs = this.#runs.get(id) ?? 0;
          const all = [...this.#runs.values()].every((one) => one >= version);
          if (runs >= version && (all || !waitsForAll))
            return { state: "runs", version: runs, how: "it started" };
          return { state: "behind", version: runs, why: "it has not started" };
        },
      },
    ];
  }
}

const quick = {
  backoff: { first: 50, longest: 200, tries: 4 },
  patience: { pickUp: 5_000, probe: 50, poll: { first: 5, longest: 50 }, again: 200 },
};

async function rotatedWith({ waitsForAll, probes }: { waitsForAll: boolean; probes: () => ConsumerProbe[] }) {
  const user = new DatabaseUserCase(server, recIo(), passwords);
  const first = await user.first();
  const starters = new Starters(user, 1);
  const sinks = (consumer: Consumer) => starters.sinks(consumer, waitsForAll);
  const outcome = await user.rotate("scheduled", { sinks, probes, ...quick });
  return { user, first, starters, outcome };
}

test("every consumer of a single user gets the new password at once: none waits until another one runs it (R32)", async () => {
  // Each is seen to run it only when all do: in turn they would block one another.
  const { outcome, starters } = await rotatedWith({ waitsForAll: true, probes: () => [] });
  assert.equal(outcome.state, "done");
  assert.deepEqual(starters.starts.map(({ consumer, refused }) => [consumer, refused]).toSorted(), [
    ["rec-io/btc_price_watchdog", undefined],
    ["rec-io/kalshi_api_watchdog", undefined],
    ["rec-io/trade_executor", undefined],
  ]);
});

test("between the change of a single user's password and its delivery to all consumers lie a bounded number of calls, and no wait (R32)", async () => {
  const user = new DatabaseUserCase(server, recIo(), passwords);
  await user.first();
  const calls = new Calls();
  const { subject, close } = await postgresScenario.open(user.data, calls.count);
  try {
    const inner = await vaultClock(subject.vault);
    const clock: Clock = {
      now: () => inner.now(),
      sleep: (...given) => calls.count("sleep", () => inner.sleep(...given)),
    };
    const counted = { ...calls.wrap(subject), clock };
    const options = { by: "keyplane.rotate", wait: true, report: () => {}, reason: "scheduled" } as const;
    assert.equal((await rotate({ ...counted, ...options })).state, "done");
  } finally {
    await close();
  }
  const names = calls.all.map(({ name }) => name);
  const changed = names.indexOf("query ALTER ROLE");
  const paths = user.secret.consumers.map(({ path }) => `vault POST kv/data/${path}`);
  const brought = Math.max(...paths.map((path) => names.indexOf(path)));
  assert.ok(changed > 0 && brought > changed, names.join("\n"));
  // A consumer that has its value already goes on meanwhile.
  const between = names
    .slice(changed + 1, brought + 1)
    .filter((name) => !name.startsWith("vault POST kv/metadata/"));
  assert.deepEqual(
    between.slice(0, 8).map((name) => name.replace(/(?<=creds\/).*/, "…")),
    [
      ...["query select clock_timestamp()::text", "query COMMENT ON", "disconnect"],
      "vault POST sys/leases/revoke/database/creds/…",
      ...["probe", "log in", "disconnect"],
      `vault POST kv/data/${user.secret.journal}`,
    ],
  );
  const each = user.secret.consumers.flatMap(({ path }) => [
    `vault GET kv/metadata/${path}`,
    "vault POST transit/hmac/keyplane.fingerprint",
    `vault POST kv/data/${path}`,
  ]);
  assert.deepEqual(between.slice(8).toSorted(), each.toSorted());
});

test("a single user's password that a consumer does not work with is taken back before anybody gets the old one again (R32)", async () => {
  const rejects: ConsumerProbe = {
    name: "health",
    check: async () => {
      throw new ProbeError("it answers 503");
    },
  };
  const { user, first, outcome, starters } = await rotatedWith({
    waitsForAll: false,
    probes: () => [rejects],
  });
  assert.equal(outcome.state, "rolled-back");
  assert.match(outcome.failure ?? "", /it answers 503/);
  assert.equal(starters.starts.length, 6, "each started with the new password, and again with the old one");
  assert.deepEqual([...new Set(starters.starts.map(({ refused }) => refused))], [undefined]);
  assert.deepEqual(await user.source(), first);
  for (const fields of await user.delivered()) assert.equal(await user.refusal(fields), undefined);
});

test("no password of theirs is in Postgres' log, with every statement in it (R54)", async () => {
  const log = await server.log();
  assert.match(log, /ALTER ROLE "rec_trading_user" LOGIN PASSWORD 'SCRAM-SHA-256\$4096:/);
  assert.ok(passwords.size > 10);
  for (const password of passwords) assert.ok(!log.includes(password));
});
