import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Model, Secret, Service } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import type { Sink } from "../../operations/delivery/sink.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { rotatorOf } from "../../operations/rotation/rotators/index.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { type Fault, ProviderServer } from "../operations/rotation/provider-server.ts";
import { Compose, type Program } from "./services/compose.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Calls a second, of each of the two clients. */
const rate = 120;

/** One reads its key again while it runs, the other is started again. */
const names = ["bot", "alerter"];

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** What the clients told of their calls. */
class Load {
  accepted = 0;
  failed = 0;
  milliseconds: number[] = [];

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Pick<Load, "accepted" | "failed" | "milliseconds">;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.milliseconds.push(...told.milliseconds);
  };

  /** What was heard so far, and from now on anew. */
  take(): { accepted: number; failed: number; p99: number } {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const { accepted, failed } = this;
    this.accepted = this.failed = 0;
    this.milliseconds = [];
    return { accepted, failed, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
  }
}

/** trading-bot's exchange key with two clients as processes, on hosts of their own. */
async function tradingBot(t: { after(end: () => Promise<void>): void }, exchange: ProviderServer) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bot-"));
  const load = new Load();
  const nodeOf = (name: string) => join(folder, name);
  const files = {
    EXCHANGE_API_KEY_FILE: "exchange_api_key",
    EXCHANGE_API_SECRET_FILE: "exchange_api_secret",
  };
  const programs = names.map((name): [string, Program] => [
    name,
    {
      file: fileURLToPath(import.meta.resolve("./trading-bot/bot.ts")),
      env: {
        NAME: name,
        EXCHANGE: `${exchange.address}/orders`,
        RATE: String(rate),
        ...(name === "bot" && { WATCH: "yes" }),
        EXCHANGE_API_KEY_FILE: join(nodeOf(name), "secrets", files.EXCHANGE_API_KEY_FILE),
        EXCHANGE_API_SECRET_FILE: join(nodeOf(name), "secrets", files.EXCHANGE_API_SECRET_FILE),
      },
      envFile: join(nodeOf(name), "none"),
      said: load.hear,
    },
  ]);
  const compose = new Compose(Object.fromEntries(programs));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const declared = secretNamed(bench.model, "trading-bot/exchange");
  const consumers = names.map(
    (name): Consumer => ({
      id: `trading-bot/${name}`,
      kind: "service",
      name,
      role: "reader",
      path: `services/trading-bot/${name}/exchange`,
      as: { EXCHANGE_API_KEY_FILE: "key", EXCHANGE_API_SECRET_FILE: "secret" },
      files,
    }),
  );
  const provider = { name: "exchange", api: true, address: exchange.address, rate: { requests: 40, per: 1 } };
  const secret: Secret = { ...declared, consumers, provider };
  const services = bench.model.services.map((service): Service => {
    if (service.system !== "trading-bot" || !names.includes(service.name)) return service;
    const { kubernetes: _, ...rest } = service;
    const overlay = "docker-compose.secrets.yml";
    return {
      ...rest,
      runsOn: "compose",
      user: process.getuid?.() ?? 0,
      reload: service.name === "bot" ? "watch" : "restart",
      deliver: [
        {
          to: "compose-secrets",
          overlay,
          beside: "docker-compose.yml",
          folder: "./secrets",
          mount: "/run/secrets",
        },
      ],
    };
  });
  const model: Model = {
    ...bench.model,
    services,
    secrets: [secret],
    settings: [],
    rotation: { ...bench.model.rotation, watch: 1 },
  };
  const sinks = (name: string): Sink[] => {
    const service = services.find((one) => one.id === `trading-bot/${name}`);
    assert.ok(service);
    const host = { root: nodeOf(name), runs: join(folder, "runs", name), command: compose.command };
    return sinksOf(model, service, host);
  };
  const subject: Subject = {
    vault: bench.vault,
    model,
    secret,
    rotator: await rotatorOf(secret),
    reach: { manage: never, login: never, fetch },
    probes: () => [],
    sinks: ({ name }) => sinks(name),
  };
  return { subject, secret, model, compose, load, sinks };
}

async function never(): Promise<never> {
  throw new Error("an exchange has no database");
}

/** What befalls the provider in one of the rotations, once. */
const troubles: { request: string; fault: Fault }[] = [
  { request: "POST /v1/keys", fault: { kind: "lost" } },
  { request: "DELETE /v1/keys/ID", fault: { kind: "lost" } },
  { request: "GET /v1/keys", fault: { kind: "status", status: 429, retryAfter: 1 } },
  { request: "GET /v1/keys/self", fault: { kind: "status", status: 503 } },
];

test("trading-bot: its key rotates at an exchange that allows two, loses answers and bounds the rate, under over 200 calls a second: none fails (R15, R27)", async (t) => {
  await using exchange = await ProviderServer.start({
    fields: ["key", "secret"],
    quota: 2,
    rate: 50,
    latency: 2,
  });
  const first = exchange.issue(["keys", "trade"]).values;
  const { subject, secret, model, compose, load, sinks } = await tradingBot(t, exchange);
  const { vault } = bench;
  await setValue({ vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  for (const name of names) {
    for (const sink of sinks(name)) await sink.write(await bundleOf(vault, model, `trading-bot/${name}`));
    await compose.restart(name);
  }

  const said: string[] = [];
  const real = await vaultClock(vault);
  let ahead = 0;
  const clock: Clock = { ...real, now: () => new Date(real.now().getTime() + ahead) };
  const go = () =>
    rotate({
      ...subject,
      backoff: { first: 20, longest: 2000, tries: 5 },
      patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
      reason: "scheduled",
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
      clock,
    });
  const until = async (state: (outcome: Awaited<ReturnType<typeof go>>) => boolean) => {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(200)) {
      const outcome = await go();
      if (state(outcome)) return outcome;
      assert.equal(outcome.failure, undefined);
    }
    assert.fail(`did not come to it within a minute: ${said.slice(-5).join("; ")}`);
  };

  while (load.accepted < 300) await sleep(20);
  load.take();
  while (load.accepted < 500) await sleep(20);
  const quiet = load.take();
  assert.equal(quiet.failed, 0);

  for (let count = 1; count <= rotations; count++) {
    const trouble = troubles[count - 1];
    let hit = 0;
    exchange.fault = (name) => (name === trouble?.request && hit++ === 0 ? trouble.fault : undefined);
    const [old] = exchange.live();
    compose.restarts.length = 0;
    await until(({ waiting = "" }) => waiting.startsWith("both values are accepted until"));
    assert.deepEqual(compose.restarts, ["alerter"]);
    assert.equal(exchange.live().length, 2);
    ahead += 3_700_000;
    await until(({ state }) => state === "done");
    assert.equal(old?.isLive, false);
    assert.equal(exchange.live().length, 1);
    if (trouble !== undefined) assert.ok(hit > 0, `${trouble.request} was never asked`);
  }
  while (load.accepted === 0) await sleep(20);
  await compose.end();
  const during = load.take();
  assert.equal(during.failed, 0);
  assert.equal(exchange.used.refused, 0);
  assert.equal(exchange.throttled, 0);
  assert.ok(during.accepted > rotations * 200, `${during.accepted} calls in ${rotations} rotations`);
  t.diagnostic(
    `${rotations} rotations under load: ${during.accepted} calls, 0 failed, 0 throttled; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
  );
  const log = said.join("\n");
  for (const { values } of exchange.keys) {
    for (const value of Object.values(values))
      assert.ok(!log.includes(value), "a key stands in the progress");
  }
});
