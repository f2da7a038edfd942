import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type Vault, VaultError, VaultUnreachableError } from "../../../clients/vault.ts";
import type { Secret } from "../../../model/model.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { slack } from "../../../operations/rotation/rotators/slack.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { MovedClock } from "../../integration/services/deployment.ts";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import { quick } from "./quick.ts";
import { SlackServer } from "./slack-server.ts";

// A bot's token of an app with token rotation, at a server that does what Slack documents.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const client = "titan/binance";
const none = async (): Promise<never> => assert.fail("no database is reached");

interface World extends AsyncDisposable {
  server: SlackServer;
  secret: Secret;
  clock: MovedClock;
  said: string[];
  rotate(given?: Partial<RotateOptions>): ReturnType<typeof rotate>;
  abort(): ReturnType<typeof rotate>;
  source(): Promise<Fields>;
  /** What the bot's own path holds. */
  held(): Promise<Fields | undefined>;
}

async function world(): Promise<World> {
  const server = await SlackServer.start();
  const own = `slack-${randomBytes(4).toString("hex")}`;
  const { vault, model } = bench;
  const { kv } = model.vault.mounts;
  const declared = secretNamed(model, "trading-bot/exchange");
  const [consumer] = declared.consumers.filter(({ kind }) => kind === "service");
  assert.ok(consumer);
  const secret: Secret = {
    ...declared,
    fields: ["token", "refresh-token"],
    idle: { source: "none" },
    rotate: { ...declared.rotate, overlap: 0 },
    provider: {
      ...{ name: "slack", adapter: "slack", api: true, address: server.address, credential: client },
      rate: { requests: 1000, per: 1 },
    },
    source: `source/${own}/it`,
    journal: `rotation/${own}/it`,
    consumers: [{ ...consumer, path: `services/${own}/it`, as: { SLACK_BOT_TOKEN: "token" } }],
  };
  const first = server.issue();
  const { root } = bench.server;
  const { id, secret: value } = server.client;
  await root.write(`${kv}/data/${secretNamed(model, client).source}`, {
    data: { "client-id": id, "client-secret": value },
  });
  const given = { token: first.token, "refresh-token": first.refreshToken };
  await root.write(`${kv}/data/${secret.source}`, { data: given });
  const clock = await MovedClock.of(vault);
  const said: string[] = [];
  const options: RotateOptions = {
    ...{ vault, model, secret, rotator: slack, reach: { fetch, manage: none, login: none } },
    ...{ sinks: () => [], probes: () => [], reason: "scheduled" as const, by: "test", wait: false, clock },
    report: ({ text }) => said.push(text),
    ...quick,
  };
  return {
    server,
    secret,
    clock,
    said,
    rotate: (more = {}) => rotate({ ...options, ...more }),
    abort: () => abortRotation({ ...options, why: "asked" }),
    source: async () => (await readFields(root, kv, secret.source)) ?? {},
    held: () => readFields(root, kv, secret.consumers[0]?.path ?? ""),
    async [Symbol.asyncDispose]() {
      const { journal } = await readJournal({ vault: root, model }, secret);
      const seen = `${JSON.stringify(journal)}${said.join()}${await auditLog(bench.server)}`;
      for (const token of server.given) assert.ok(!seen.includes(token), "a token was told");
      await server[Symbol.asyncDispose]();
    },
  };
}

const live = ({ server }: World) => [...server.tokens.keys()];

test("a provider of Slack is rotated by exchanging tokens; its webhooks stay by hand", async () => {
  await using w = await world();
  assert.equal(await rotatorOf(w.secret), slack);
  const webhook = secretNamed(bench.model, "trading-bot/slack-webhook");
  assert.equal(webhook.rotate.by, "hand");
  assert.notEqual(await rotatorOf(webhook), slack);
});

test("R16: a bot's token is exchanged, brought to its consumer without the refresh token, and the old one is revoked", async () => {
  await using w = await world();
  const old = await w.source();
  for (let count = 0; count < 3; count++) {
    const end = await w.rotate();
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
  }
  const now = await w.source();
  assert.notEqual(now.token, old.token);
  assert.deepEqual(live(w), [now.token], "one token lives");
  assert.deepEqual(await w.held(), { token: now.token });
});

test("an answer that was lost: the refresh token is left alone until it can end nothing, and the token in force works meanwhile", async () => {
  await using w = await world();
  const old = await w.source();
  w.server.fault = (method) => (method === "oauth.v2.access" ? { kind: "lost" } : undefined);
  const lost = await w.rotate();
  assert.equal(lost.state, "generate");
  w.server.fault = undefined;
  const asked = () => w.server.served.filter((method) => method === "oauth.v2.access").length;
  assert.equal(asked(), 1, "the request was not repeated");
  const waits = await w.rotate();
  assert.match(waits.waiting ?? "", /answer to a request of .* was lost/);
  assert.equal(asked(), 1);
  assert.ok(live(w).includes(old.token ?? ""), "the token in force is let in");
  // Its grace has passed, and so has the hour: now Slack says that it was used, and a person is told what to do.
  w.server.grace = -1;
  w.clock.ahead = 3_601_000;
  const refused = await w.rotate();
  assert.match(refused.waiting ?? "", /it was used or revoked.*install the app anew in Slack's settings/s);
  assert.ok(live(w).includes(old.token ?? ""));
  const back = await w.abort();
  assert.equal(back.state, "rolled-back");
  assert.ok(live(w).includes(old.token ?? ""));
});

test("a request that Slack never served is repeated after the hour, and succeeds", async () => {
  await using w = await world();
  w.server.fault = (method) => (method === "oauth.v2.access" ? { kind: "status", status: 503 } : undefined);
  assert.equal((await w.rotate()).state, "generate");
  w.server.fault = undefined;
  w.clock.ahead = 3_601_000;
  assert.equal((await w.rotate()).state, "done");
  assert.deepEqual(live(w), [(await w.source()).token]);
});

test("what Slack has surely not served is asked again as soon as it says: 429 with Retry-After, and a refusal by a word", async () => {
  await using w = await world();
  w.server.fault = (method) =>
    method === "oauth.v2.access" ? { kind: "status", status: 429, retryAfter: 1 } : undefined;
  const asked = await w.rotate();
  assert.match(asked.waiting ?? "", /429/);
  w.server.fault = (method) =>
    method === "oauth.v2.access" ? { kind: "word", error: "bad_client_secret" } : undefined;
  await new Promise((done) => setTimeout(done, 1100));
  const refused = await w.rotate();
  assert.match(refused.waiting ?? "", /refuses to exchange a refresh token \(200 bad_client_secret\)/);
  w.server.fault = undefined;
  assert.equal((await w.rotate()).state, "done");
});

test("where the token in force has died, nothing can be lost: the refresh token is tried at once", async () => {
  await using w = await world();
  w.server.fault = (method) => (method === "oauth.v2.access" ? { kind: "lost" } : undefined);
  await w.rotate();
  w.server.fault = undefined;
  w.server.tokens.delete((await w.source()).token ?? "");
  const end = await w.rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.ok(live(w).includes((await w.source()).token ?? ""));
});

test("killed between Slack's answer and the source, the next runner goes on with what was given: nothing is asked twice", async () => {
  await using w = await world();
  const { vault } = bench;
  const dying = vault.with(vault.token);
  const request = dying.request.bind(dying);
  dying.request = async (method, path, options) => {
    if (method === "POST" && path.endsWith(`/data/${w.secret.source}`)) throw new Error("killed");
    return request(method, path, options);
  };
  await assert.rejects(w.rotate({ vault: dying }), /killed/);
  const end = await w.rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.equal(w.server.served.filter((method) => method === "oauth.v2.access").length, 1);
  assert.deepEqual(live(w), [(await w.source()).token]);
});

const exchange = "oauth.v2.access";

/** The ways out; something happens as soon as Slack has answered to an exchange. */
function onceExchanged(happens: () => void): RotateOptions["reach"] {
  const fetching: typeof fetch = async (url, init) => {
    const response = await fetch(url, init);
    if (!String(url).endsWith(exchange)) return response;
    const text = await response.text();
    happens();
    return new Response(text, response);
  };
  return { fetch: fetching, manage: none, login: none };
}

/** What Slack gave was kept: the next run goes on with it, and nothing is asked twice. */
async function assertGoesOn(w: World): Promise<void> {
  const end = await w.rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.equal(w.server.served.filter((method) => method === exchange).length, 1);
  assert.deepEqual(live(w), [(await w.source()).token]);
}

for (const [when, stopping] of [
  [
    "while Slack exchanges the tokens",
    ({ server }: World, stop: () => void): Partial<RotateOptions> => {
      server.fault = (method) => {
        if (method === exchange) stop();
        return undefined;
      };
      return {};
    },
  ],
  ["once Slack has answered", (_: World, stop: () => void) => ({ reach: onceExchanged(stop) })],
] as const)
  test(`R16: a stop ${when} waits until what it gave is kept`, async () => {
    await using w = await world();
    const stop = new AbortController();
    const options = stopping(w, () => stop.abort(new Error("Ctrl-C")));
    await assert.rejects(w.rotate({ ...options, signal: stop.signal }), { message: "Ctrl-C" });
    w.server.fault = undefined;
    await assertGoesOn(w);
    const told = "stops once what the target gives is kept: it exists nowhere else";
    assert.equal(w.said.filter((text) => text === told).length, 1);
  });

const unreachable = async (): Promise<never> => {
  throw new VaultUnreachableError("the connection was reset");
};

for (const [what, fails] of [
  [
    "that Vault refuses for now",
    async (): Promise<never> => {
      throw new VaultError("POST", "exchanged", 503, ["Vault is sealed"]);
    },
  ],
  ["that does not reach Vault", unreachable],
  [
    "whose answer is lost",
    async (write: () => Promise<unknown>) => {
      await write();
      return unreachable();
    },
  ],
] as const)
  test(`R16: a write ${what} does not lose what Slack gave: it is kept in the same run`, async () => {
    await using w = await world();
    const { vault } = bench;
    const failing = vault.with(vault.token);
    let left = 1;
    failing.request = async (method, path, options) => {
      const write = () => vault.request<never>(method, path, options);
      const keeps =
        path.endsWith("/exchanged") && JSON.stringify(options?.body ?? "").includes("refreshToken");
      return keeps && left-- > 0 ? fails(write) : write();
    };
    assert.equal((await w.rotate({ vault: failing })).state, "done");
    assert.equal(left, -1, "it was tried again");
    assert.equal(w.server.served.filter((method) => method === exchange).length, 1);
  });

test("R16: Vault is away for longer than the lease lasts: what Slack gave is kept once it is back, and another run goes on with it", async () => {
  await using w = await world();
  const { vault } = bench;
  const cut = vault.with(vault.token);
  let isAway = false;
  const request: Vault["request"] = (...given) => (isAway ? unreachable() : vault.request<never>(...given));
  cut.request = request;
  const reach = onceExchanged(() => {
    isAway = true;
    setTimeout(() => {
      isAway = false;
    }, 3000);
  });
  const lost = await w.rotate({ vault: cut, reach, lease: { lasts: 2500, call: 500 } });
  assert.deepEqual([lost.state, lost.busy === undefined], ["generate", false]);
  w.clock.ahead = 10_000;
  await assertGoesOn(w);
});

test("a token with other rights is rolled back and revoked, and the rotation after it goes on from the refresh token that came with it", async () => {
  await using w = await world();
  const old = await w.source();
  w.server.scopes = ["chat:write"];
  const back = await w.rotate();
  assert.equal(back.state, "rolled-back");
  assert.match(back.failure ?? "", /the new token may not: users:read/);
  assert.deepEqual(live(w), [old.token]);
  // The refresh token of the version in force is used up by now.
  w.server.grace = -1;
  w.server.scopes = ["chat:write", "users:read"];
  const again = await w.rotate();
  assert.equal(again.state, "done", again.waiting ?? again.failure);
  assert.deepEqual(live(w), [(await w.source()).token]);
});

test("a person who installs the app anew gives both tokens, and the rotation after that begins from them", async () => {
  await using w = await world();
  assert.equal((await w.rotate()).state, "done");
  w.server.tokens.clear();
  w.server.refreshTokens.clear();
  const anew = w.server.issue();
  await bench.server.root.write(`${bench.model.vault.mounts.kv}/data/${w.secret.source}`, {
    data: { token: anew.token, "refresh-token": anew.refreshToken },
  });
  const end = await w.rotate();
  assert.equal(end.state, "done", end.waiting);
  assert.deepEqual(live(w), [(await w.source()).token]);
});

/** Rotated to where only an hour of overlap has to pass, which then has passed. */
async function drained(w: World): Promise<Secret> {
  const secret = { ...w.secret, rotate: { ...w.secret.rotate, overlap: 3600 } };
  assert.equal((await w.rotate({ secret })).state, "drain");
  w.clock.ahead = 3_601_000;
  return secret;
}

test("R16: where both tokens have ended while nobody ran, the rotation ends, and the next one gives a token that works", async () => {
  await using w = await world();
  const secret = await drained(w);
  w.clock.ahead = 13 * 3_600_000;
  w.server.tokens.clear();
  const end = await w.rotate({ secret });
  assert.deepEqual([end.state, end.waiting], ["done", undefined]);
  assert.match(end.keptRefused ?? "", /^slack refuses the new value and the old one.*`keyplane rotate /);
  const healed = await w.rotate();
  assert.deepEqual([healed.state, healed.keptRefused], ["done", undefined]);
  assert.deepEqual(live(w), [(await w.source()).token]);
  assert.deepEqual(await w.held(), { token: live(w)[0] });
});

test("R16: the new token has ended and the old one lives: everybody gets the old one back, and the next rotation goes on from there", async () => {
  await using w = await world();
  const old = await w.source();
  const secret = await drained(w);
  w.server.tokens.delete((await w.source()).token ?? "");
  const back = await w.rotate({ secret });
  assert.equal(back.state, "rolled-back", back.waiting);
  assert.match(back.failure ?? "", /slack refuses the new value and accepts the old one/);
  assert.deepEqual(await w.held(), { token: old.token });
  assert.deepEqual(live(w), [old.token]);
  assert.equal((await w.rotate()).state, "done");
});

test("R16: the answer to a revocation was lost, and the new token has ended meanwhile: nothing is left to revoke, and it ends", async () => {
  await using w = await world();
  w.server.fault = (method) => (method === "auth.revoke" ? { kind: "lost" } : undefined);
  assert.equal((await w.rotate()).state, "revoke");
  w.server.fault = undefined;
  w.server.tokens.clear();
  assert.equal((await w.rotate()).state, "done");
});
