import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Secret, Service } from "../../model/model.ts";
import { resumeByHand, rotateToGiven } from "../../operations/rotation/by-hand.ts";
import type { Clock } from "../../operations/rotation/clock.ts";
import { abortRotation, resumeRotation, rotate } from "../../operations/rotation/engine.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { BybitServer } from "../operations/rotation/bybit-server.ts";
import { OpenAiServer } from "../operations/rotation/openai-server.ts";
import { type Fault, ProviderServer } from "../operations/rotation/provider-server.ts";
import { SlackServer } from "../operations/rotation/slack-server.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const rollBacks = process.env.KEYPLANE_SCALE === "prove" ? 20 : 1;
/** Calls a second, of each of the two clients. */
const rate = 170;

/** One reads its key again while it runs, the other is started again. */
const names = ["bot", "alerter"];

const manner = {
  backoff: { first: 20, longest: 2000, tries: 5 },
  patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
  by: "keyplane.rotate",
  wait: false,
};
let count = 0;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Who makes the keys, and how clients show them. */
interface Issuer {
  /** The secret of the catalogue that stands for it. */
  id: string;
  provider: NonNullable<Secret["provider"]>;
  /** What clients call, and how they show their key. */
  calls: string;
  shown: "basic" | "bearer" | "bybit";
}

const byExchange = ({ address }: ProviderServer): Issuer => ({
  id: "trading-bot/exchange",
  provider: { name: "exchange", api: true, address, rate: { requests: 40, per: 1 } },
  calls: `${address}/orders`,
  shown: "basic",
});

const fileOf = {
  key: "EXCHANGE_API_KEY_FILE",
  token: "EXCHANGE_API_KEY_FILE",
  secret: "EXCHANGE_API_SECRET_FILE",
} as const;

/** A provider's key with two clients as processes, on hosts of their own. */
async function twoClients(
  t: { after(end: () => Promise<void>): void },
  { id, provider, calls, shown }: Issuer,
  more: Partial<Secret> = {},
) {
  const name = `key-${++count}`;
  const declared = { ...secretNamed(bench.model, id), ...more };
  const as = Object.fromEntries(
    Object.entries(fileOf).flatMap(([field, variable]) =>
      declared.fields.includes(field) ? [[variable, field]] : [],
    ),
  );
  const files = Object.fromEntries(Object.keys(as).map((variable) => [variable, variable.toLowerCase()]));
  const consumers = names.map(
    (of): Consumer => ({
      ...{ id: `trading-bot/${of}`, kind: "service", name: of, role: "reader" },
      ...{ path: `services/trading-bot/${of}/${name}`, as, files },
    }),
  );
  const secret: Secret = {
    ...declared,
    ...{ source: `source/trading-bot/${name}`, journal: `rotation/trading-bot/${name}`, consumers },
    provider,
  };
  const place = { overlay: "docker-compose.secrets.yml", beside: "docker-compose.yml" };
  const services = bench.model.services
    .filter(({ id: of }) => consumers.some((consumer) => consumer.id === of))
    .map(
      ({ kubernetes: _, ...service }): Service => ({
        ...service,
        runsOn: "compose",
        settles: 0,
        reload: service.name === "bot" ? "watch" : "restart",
        deliver: [{ to: "compose-secrets", ...place, folder: "./secrets", mount: "/run/secrets" }],
      }),
    );
  const credential = provider.credential === undefined ? [] : [secretNamed(bench.model, provider.credential)];
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret, ...credential],
    services,
    hostOf: (service) => service.id,
    programs: ({ load, rootOf }) =>
      Object.fromEntries(
        services.map((service): [string, Program] => [
          service.name,
          {
            file: fileURLToPath(import.meta.resolve("./trading-bot/bot.ts")),
            env: {
              ...{ NAME: service.name, EXCHANGE: calls, SHOWN: shown, RATE: String(rate) },
              ...(service.name === "bot" && { WATCH: "yes" }),
              ...Object.fromEntries(
                Object.entries(files).map(([variable, file]) => [
                  variable,
                  join(rootOf(service), "secrets", file),
                ]),
              ),
            },
            envFile: "none",
            said: load.hear,
          },
        ]),
      ),
  });
  const subject = await deployment.subject(secret);
  const set = (of: Secret, value: Fields) =>
    setValue({ vault: subject.vault, model: subject.model, by: "keyplane.rotate" }, of, value, () => {});
  return { ...deployment, secret, subject, set };
}

/** Rotates again and again until something is so. */
function rotating(subject: Subject, clock: Clock, said: string[]) {
  return async (isSo: (outcome: Outcome) => boolean): Promise<Outcome> => {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(200)) {
      const report = ({ text }: { text: string }) => void said.push(text);
      const outcome = await rotate({ ...subject, ...manner, reason: "scheduled", report, clock });
      if (isSo(outcome)) return outcome;
      assert.equal(outcome.failure, undefined);
    }
    assert.fail(`did not come to it within a minute: ${said.slice(-5).join("; ")}`);
  };
}

/** No key stands in what was said. */
function assertUnsaid(said: string[], values: string[]): void {
  const log = said.join("\n");
  assert.ok(values.length > rotations);
  for (const value of values) assert.ok(!log.includes(value), "a key stands in the progress");
}

const valuesOf = ({ keys }: ProviderServer) => keys.flatMap(({ values }) => Object.values(values));

/** What befalls the provider in one of the rotations, once. */
const troubles: { request: string; fault: Fault }[] = [
  { request: "POST /v1/keys", fault: { kind: "lost" } },
  { request: "DELETE /v1/keys/ID", fault: { kind: "lost" } },
  { request: "GET /v1/keys", fault: { kind: "status", status: 429, retryAfter: 1 } },
  { request: "GET /v1/keys/self", fault: { kind: "status", status: 503 } },
];

test("trading-bot: its key rotates at an exchange that allows two, loses answers and bounds the rate, under over 200 calls a second, and is taken back: none fails (R15, R27)", async (t) => {
  const fields = ["key", "secret"];
  await using exchange = await ProviderServer.start({ fields, quota: 2, rate: 50, latency: 2 });
  const first = exchange.issue(["keys", "trade"]).values;
  const { subject, secret, set, compose, load, start } = await twoClients(t, byExchange(exchange));
  await set(secret, first);
  await start(secret);

  const said: string[] = [];
  const clock = await MovedClock.of(subject.vault);
  const goUntil = rotating(subject, clock, said);
  const quiet = await load.idle();

  for (let turn = 1; turn <= rotations; turn++) {
    const trouble = troubles[turn - 1];
    let hit = 0;
    exchange.fault = (name) => (name === trouble?.request && hit++ === 0 ? trouble.fault : undefined);
    const [old] = exchange.live();
    compose.restarts.length = 0;
    await goUntil(({ waiting = "" }) => waiting.startsWith("both values are accepted until"));
    assert.deepEqual(compose.restarts, ["alerter"]);
    assert.equal(exchange.live().length, 2);
    clock.ahead += 3_700_000;
    await goUntil(({ state }) => state === "done");
    assert.equal(old?.isLive, false);
    assert.equal(exchange.live().length, 1);
    if (trouble !== undefined) assert.ok(hit > 0, `${trouble.request} was never asked`);
    await load.more();
  }
  // Taken back after both clients had it: it is revoked once the exchange has seen no use of it for a while.
  for (let turn = 1; turn <= rollBacks; turn++) {
    const [old] = exchange.live();
    await goUntil(({ waiting = "" }) => waiting.startsWith("both values are accepted until"));
    const report = ({ text }: { text: string }) => void said.push(text);
    const options = { ...subject, ...manner, report, clock, wait: true };
    const back = await abortRotation({ ...options, why: "a trial" });
    assert.deepEqual([back.state, back.failure], ["rolled-back", "a trial"]);
    assert.ok(!back.notes.some((note) => note.includes("still used")), back.notes.join());
    assert.deepEqual(exchange.live(), [old]);
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  assert.equal(exchange.used.refused, 0);
  assert.equal(exchange.throttled, 0);
  t.diagnostic(`${inWords(rotations, during, quiet)}; 0 throttled`);
  assertUnsaid(said, valuesOf(exchange));
});

test("a key that a person makes: both live until he revokes the old one, under over 200 calls a second none fails (R15, R27)", async (t) => {
  await using exchange = await ProviderServer.start({ fields: ["key", "secret"] });
  const { subject, secret, set, compose, load, start } = await twoClients(t, byExchange(exchange), {
    rotate: { by: "hand", overlap: 3600, onCompromise: true },
  });
  const inDashboard = () => exchange.issue(["trade"]).values;
  await set(secret, inDashboard());
  await start(secret);
  const said: string[] = [];
  const clock = await MovedClock.of(subject.vault);
  const options = { ...subject, ...manner, report: ({ text }: { text: string }) => said.push(text), clock };
  const quiet = await load.idle();
  for (let turn = 1; turn <= rotations; turn++) {
    const [old] = exchange.live();
    compose.restarts.length = 0;
    const waits = await rotateToGiven({ ...options, reason: "scheduled" }, inDashboard());
    assert.match(waits.waiting ?? "", /^both values are accepted until/);
    assert.deepEqual(compose.restarts, ["alerter"]);
    clock.ahead += 3_700_000;
    const asks = await resumeRotation(options);
    assert.match(asks.waiting ?? "", /is asked to revoke the value before/);
    assert.ok(old);
    old.isLive = false;
    const end = await resumeByHand(options, "gus");
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  assert.equal(exchange.used.refused, 0);
  t.diagnostic(inWords(rotations, during, quiet));
  assertUnsaid(said, valuesOf(exchange));
});

/** A provider's own API, behind its adapter. */
interface Api extends AsyncDisposable {
  issuer: Issuer;
  more: Partial<Secret>;
  /** What the administration is called with. */
  admin: Fields;
  first: Fields;
  live(): number;
  refused(): number;
  /** The next answer to the making of a key, or to the revoking, is lost after it was done. */
  lose(): void;
  /** The overlap passes, and whatever its last use takes to be told. */
  pass(clock: MovedClock): void;
}

const credential = "titan/binance";
const admits = { api: true, credential, rate: { requests: 40, per: 1 } };

async function openAi(): Promise<Api> {
  const server = await OpenAiServer.start();
  const { address, origin } = server;
  const first = server.issue({ type: "user", user: { id: "user_ben" } }, "solo");
  const provider = { ...admits, name: "openai", adapter: "openai", address } as const;
  return {
    issuer: { id: "solo/openai", provider, calls: `${origin}/v1/responses`, shown: "bearer" },
    more: { rotate: { by: "machine", overlap: 3600, onCompromise: true } },
    // It has no second part; the catalogue's secret that stands for it has.
    admin: { key: server.admin, secret: randomBytes(24).toString("hex") },
    first: { key: first.value },
    live: () => server.keys.length,
    refused: () => server.refused,
    lose() {
      let isLost = false;
      server.fault = (name) => {
        if (isLost || !name.startsWith("POST")) return undefined;
        isLost = true;
        return "lost";
      };
    },
    pass(clock) {
      clock.ahead += 3_700_000;
      server.ahead = clock.ahead;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function bybit(): Promise<Api> {
  const server = await BybitServer.start();
  const { address } = server;
  const [main, own] = [server.issue({ userID: 1 }), server.issue()];
  const provider = { ...admits, name: "bybit", adapter: "bybit", address } as const;
  return {
    issuer: { id: "titan/bybit", provider, calls: `${address}/v5/order/realtime`, shown: "bybit" },
    // It takes no signature of another hour, so the overlap passes by itself; it does not tell of uses.
    more: { rotate: { by: "machine", overlap: 1, onCompromise: true }, idle: { source: "none" } },
    admin: { key: main.apiKey, secret: main.secret },
    first: { key: own.apiKey, secret: own.secret },
    live: () => server.keys.filter(({ userID }) => userID !== 1).length,
    refused: () => server.refused,
    lose() {
      server.losing = 1;
    },
    pass() {},
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function slack(): Promise<Api> {
  const server = await SlackServer.start();
  const { address, client } = server;
  const { token, refreshToken } = server.issue();
  const provider = { ...admits, name: "slack", adapter: "slack", address } as const;
  return {
    issuer: { id: "trading-bot/exchange", provider, calls: `${address}/users.list`, shown: "bearer" },
    more: {
      ...{ fields: ["token", "refresh-token"], idle: { source: "none" } },
      rotate: { by: "machine", overlap: 1, onCompromise: true },
    },
    admin: { "client-id": client.id, "client-secret": client.secret },
    first: { token, "refresh-token": refreshToken },
    live: () => server.tokens.size,
    refused: () => server.refused,
    // The exchange's own would be waited for, an hour: slack.test.ts.
    lose() {
      let isLost = false;
      server.fault = (method) => {
        if (isLost || method !== "auth.revoke") return undefined;
        isLost = true;
        return { kind: "lost" };
      };
    },
    pass() {},
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

for (const [what, open] of [
  ["solo's key at OpenAI (R20)", openAi],
  ["titan's key at Bybit", bybit],
  ["a token of Slack (R16)", slack],
] as const) {
  test(`${what} rotates by its adapter, an answer lost, under over 200 calls a second: none fails (R27)`, async (t) => {
    await using api = await open();
    const { subject, secret, set, model, compose, load, start, source } = await twoClients(
      t,
      api.issuer,
      api.more,
    );
    const admin = { ...secretNamed(model, credential), fields: Object.keys(api.admin), consumers: [] };
    await set(admin, api.admin);
    await set(secret, api.first);
    await start(secret);
    const said: string[] = [];
    const clock = await MovedClock.of(subject.vault);
    const goUntil = rotating(subject, clock, said);
    const quiet = await load.idle();
    const values = Object.values(api.first);
    for (let turn = 1; turn <= rotations; turn++) {
      compose.restarts.length = 0;
      if (turn === 1) api.lose();
      const old = await source(secret);
      const { state } = await goUntil((one) => one.state === "drain" || one.state === "done");
      api.pass(clock);
      if (state === "drain") await goUntil((one) => one.state === "done");
      assert.deepEqual(compose.restarts, ["alerter"]);
      assert.equal(api.live(), 1);
      const now = await source(secret);
      assert.notDeepEqual(now, old);
      // Beside these a version names its key and who issued it, which no log hides.
      values.push(...secret.fields.map((field) => now[field] ?? assert.fail(field)));
      await load.more();
    }
    await compose.end();
    const during = noneFailed(load.take());
    assert.equal(api.refused(), 0);
    t.diagnostic(inWords(rotations, during, quiet));
    assertUnsaid(said, values);
  });
}
