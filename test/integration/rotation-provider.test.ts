import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Secret, Service } from "../../model/model.ts";
import { resumeByHand, rotateToGiven } from "../../operations/rotation/by-hand.ts";
import { resumeRotation, rotate } from "../../operations/rotation/engine.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { type Fault, ProviderServer } from "../operations/rotation/provider-server.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
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

const files = { EXCHANGE_API_KEY_FILE: "exchange_api_key", EXCHANGE_API_SECRET_FILE: "exchange_api_secret" };

/** trading-bot's exchange key with two clients as processes, on hosts of their own. */
async function tradingBot(
  t: { after(end: () => Promise<void>): void },
  exchange: ProviderServer,
  more: Partial<Secret> = {},
) {
  const name = `exchange-${++count}`;
  const consumers = names.map(
    (of): Consumer => ({
      ...{ id: `trading-bot/${of}`, kind: "service", name: of, role: "reader" },
      path: `services/trading-bot/${of}/${name}`,
      as: { EXCHANGE_API_KEY_FILE: "key", EXCHANGE_API_SECRET_FILE: "secret" },
      files,
    }),
  );
  const secret: Secret = {
    ...secretNamed(bench.model, "trading-bot/exchange"),
    ...{ source: `source/trading-bot/${name}`, journal: `rotation/trading-bot/${name}`, consumers },
    provider: { name: "exchange", api: true, address: exchange.address, rate: { requests: 40, per: 1 } },
    ...more,
  };
  const place = { overlay: "docker-compose.secrets.yml", beside: "docker-compose.yml" };
  const services = bench.model.services
    .filter(({ id }) => consumers.some((consumer) => consumer.id === id))
    .map(
      ({ kubernetes: _, ...service }): Service => ({
        ...service,
        runsOn: "compose",
        reload: service.name === "bot" ? "watch" : "restart",
        deliver: [{ to: "compose-secrets", ...place, folder: "./secrets", mount: "/run/secrets" }],
      }),
    );
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret],
    services,
    hostOf: ({ id }) => id,
    programs: ({ load, rootOf }) =>
      Object.fromEntries(
        services.map(({ id, name: of }): [string, Program] => [
          of,
          {
            file: fileURLToPath(import.meta.resolve("./trading-bot/bot.ts")),
            env: {
              ...{ NAME: of, EXCHANGE: `${exchange.address}/orders`, RATE: String(rate) },
              ...(of === "bot" && { WATCH: "yes" }),
              EXCHANGE_API_KEY_FILE: join(rootOf({ id }), "secrets", files.EXCHANGE_API_KEY_FILE),
              EXCHANGE_API_SECRET_FILE: join(rootOf({ id }), "secrets", files.EXCHANGE_API_SECRET_FILE),
            },
            envFile: "none",
            said: load.hear,
          },
        ]),
      ),
  });
  return { ...deployment, secret, subject: await deployment.subject(secret) };
}

/** No key stands in what was said. */
function assertUnsaid(said: string[], { keys }: ProviderServer): void {
  const log = said.join("\n");
  for (const { values } of keys) {
    for (const value of Object.values(values)) {
      assert.ok(!log.includes(value), "a key stands in the progress");
    }
  }
}

/** What befalls the provider in one of the rotations, once. */
const troubles: { request: string; fault: Fault }[] = [
  { request: "POST /v1/keys", fault: { kind: "lost" } },
  { request: "DELETE /v1/keys/ID", fault: { kind: "lost" } },
  { request: "GET /v1/keys", fault: { kind: "status", status: 429, retryAfter: 1 } },
  { request: "GET /v1/keys/self", fault: { kind: "status", status: 503 } },
];

test("trading-bot: its key rotates at an exchange that allows two, loses answers and bounds the rate, under over 200 calls a second: none fails (R15, R27)", async (t) => {
  const fields = ["key", "secret"];
  await using exchange = await ProviderServer.start({ fields, quota: 2, rate: 50, latency: 2 });
  const first = exchange.issue(["keys", "trade"]).values;
  const { subject, secret, model, compose, load, start } = await tradingBot(t, exchange);
  const { vault } = subject;
  await setValue({ vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  await start(secret);

  const said: string[] = [];
  const clock = await MovedClock.of(vault);
  const go = () =>
    rotate({
      ...subject,
      ...manner,
      reason: "scheduled",
      report: ({ text }) => said.push(text),
      clock,
    });
  const goUntil = async (state: (outcome: Awaited<ReturnType<typeof go>>) => boolean) => {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(200)) {
      const outcome = await go();
      if (state(outcome)) return outcome;
      assert.equal(outcome.failure, undefined);
    }
    assert.fail(`did not come to it within a minute: ${said.slice(-5).join("; ")}`);
  };
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
  }
  await compose.end();
  const during = noneFailed(load.take());
  assert.equal(exchange.used.refused, 0);
  assert.equal(exchange.throttled, 0);
  assert.ok(during.accepted > rotations * 200, `${during.accepted} calls in ${rotations} rotations`);
  t.diagnostic(`${inWords(rotations, during, quiet)}; 0 throttled`);
  assertUnsaid(said, exchange);
});

test("a key that a person makes: both live until he revokes the old one, under over 200 calls a second none fails (R15, R27)", async (t) => {
  await using exchange = await ProviderServer.start({ fields: ["key", "secret"] });
  const { subject, secret, model, compose, load, start } = await tradingBot(t, exchange, {
    rotate: { by: "hand", overlap: 3600, onCompromise: true },
  });
  const { vault } = subject;
  const inDashboard = () => exchange.issue(["trade"]).values;
  await setValue({ vault, model, by: "gus" }, secret, inDashboard(), () => {});
  await start(secret);
  const said: string[] = [];
  const clock = await MovedClock.of(vault);
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
  }
  await compose.end();
  const during = noneFailed(load.take());
  assert.equal(exchange.used.refused, 0);
  assert.ok(during.accepted > rotations * 100, `${during.accepted} calls in ${rotations} rotations`);
  t.diagnostic(inWords(rotations, during, quiet));
  assertUnsaid(said, exchange);
});
