import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Consumer, Model } from "../../model/model.ts";

const catalogue = await loadCatalogue("catalogue");
const local = derive(catalogue, "local");
const production = derive(catalogue, "production");

/** What systems.md names: service → the variables of secrets that it reads. */
const variables: Record<string, string[]> = {
  "rec-io/trade_executor": ["COINBASE_API_KEY", "KALSHI_API_KEY", "KALSHI_API_SECRET", "POSTGRES_PASSWORD"],
  "rec-io/kalshi_api_watchdog": ["KALSHI_API_KEY", "KALSHI_API_SECRET", "POSTGRES_PASSWORD"],
  "rec-io/btc_price_watchdog": ["COINBASE_API_KEY", "POSTGRES_PASSWORD"],
  "soma/gateway": [
    "SA01_AUTH_INTERNAL_TOKEN",
    "SA01_CRYPTO_FERNET_KEY",
    "SA01_DB_DSN",
    "SA01_REDIS_URL",
    "OPENAI_API_KEY",
  ],
  "trading-bot/bot": ["EXCHANGE_API_KEY", "EXCHANGE_API_SECRET", "WALLET_PRIVATE_KEY", "SLACK_WEBHOOK_URL"],
  "trading-bot/alerter": ["ALERT_TOKEN", "SLACK_WEBHOOK_URL"],
  "titan/titan-brain": [
    "TITAN_DB_PASSWORD_FILE",
    "TITAN_HMAC_KEY_ID",
    "TITAN_HMAC_SECRET_PRIMARY_FILE",
    "TITAN_NATS_PASSWORD_FILE",
  ],
  "titan/titan-execution-rs": [
    "BINANCE_API_KEY_FILE",
    "BINANCE_API_SECRET_FILE",
    "BYBIT_API_KEY_FILE",
    "BYBIT_API_SECRET_FILE",
    "TITAN_HMAC_KEY_ID",
    "TITAN_HMAC_SECRET_PRIMARY_FILE",
    "TITAN_HMAC_SECRET_SECONDARY_FILE",
  ],
  "titan/titan-sentinel": ["TITAN_HMAC_SECRET_PRIMARY_FILE", "TITAN_HMAC_SECRET_SECONDARY_FILE"],
  "titan/titan-ai-quant": ["BINANCE_API_KEY_FILE", "BYBIT_API_KEY_FILE", "GEMINI_API_KEY_FILE"],
  "titan/grafana": ["GF_SECURITY_ADMIN_PASSWORD__FILE"],
  "solo/api": [
    "DATABASE_URL",
    "ENCRYPTION_KEY",
    "MINIO_ROOT_PASSWORD",
    "MINIO_ROOT_USER",
    "OPENAI_API_KEY",
    "SECRET_KEY",
  ],
};

function consumersOf(model: Model, id: string): Consumer[] {
  return model.secrets.flatMap((secret) => secret.consumers.filter((consumer) => consumer.id === id));
}

suite("the catalogue declares what systems.md names", () => {
  for (const [service, expected] of Object.entries(variables)) {
    test(`${service} reads its variables, in every environment`, () => {
      for (const environment of ["local", "staging", "production"]) {
        const found = consumersOf(derive(catalogue, environment), service).flatMap(({ as }) =>
          Object.keys(as),
        );
        assert.deepEqual(
          expected.filter((variable) => !found.includes(variable)),
          [],
        );
      }
    });
  }
  test("titan's files have the names below ./secrets/ that its overlay has (R40)", () => {
    const files = local.secrets
      .filter(({ system }) => system === "titan")
      .flatMap(({ consumers }) => consumers.flatMap((consumer) => Object.values(consumer.files)));
    const named = [
      "titan_db_password",
      "titan_hmac_secret",
      "binance_api_key",
      "binance_api_secret",
      "bybit_api_key",
      "bybit_api_secret",
      "gemini_api_key",
      "grafana_admin_password",
    ];
    assert.deepEqual(
      named.filter((name) => !files.includes(name)),
      [],
    );
  });
  test("settings that are no secrets stand among the settings (R3)", () => {
    const named = local.settings.map(({ system, name, value }) => `${system} ${name}=${value}`);
    for (const expected of [
      "soma SA01_AUTH_REQUIRED=true",
      "soma SA01_KAFKA_BOOTSTRAP_SERVERS=kafka:9092",
      "soma SA01_OPA_URL=http://opa:8181",
      "solo OPENAI_BASE_URL=https://api.openai.com/v1",
      "solo S3_ENDPOINT_URL=http://localhost:9000",
    ]) {
      assert.ok(named.includes(expected), expected);
    }
  });
  test("a setting differs where its environment says so", () => {
    const value = (model: Model) => model.settings.find(({ name }) => name === "TRADING_ENABLED")?.value;
    assert.deepEqual([value(local), value(production)], ["false", "true"]);
  });
});

suite("the five systems are held to what they asked for", () => {
  const secret = (id: string) => {
    const found = local.secrets.find((s) => s.id === id);
    assert.ok(found, id);
    return found;
  };
  const day = 86_400;
  const periods: [string, number | undefined, string][] = [
    ["trading-bot/exchange", 7 * day, "R15"],
    ["trading-bot/wallet", 7 * day, "R15"],
    ["trading-bot/slack-webhook", 30 * day, "R16"],
    ["trading-bot/alert-token", 30 * day, "R16"],
    ["soma/crypto-fernet", 90 * day, "R17"],
    ["soma/auth-internal-token", 180 * day, "R18"],
    ["solo/openai", 365 * day, "R20"],
    ["solo/secret-key", 365 * day, "R20"],
    ["solo/minio", undefined, "R20"],
    ["solo/encryption-key", undefined, "R20"],
    ["solo/main-solo-app", undefined, "R20"],
  ];
  for (const [id, every, requirement] of periods) {
    test(`${id} rotates ${every === undefined ? "on compromise only" : `every ${every / day} days`} (${requirement})`, () => {
      assert.equal(secret(id).rotate.every, every);
      assert.equal(secret(id).rotate.onCompromise, true);
    });
  }
  test("every secret has an owner who is a person (R71)", () => {
    const people = local.people.map(({ name }) => name);
    assert.deepEqual(
      local.secrets.filter(({ owner }) => !people.includes(owner)),
      [],
    );
  });
  test("titan's HMAC key has a primary, a secondary and an id, and listeners before its signer (R28, R29, R30)", () => {
    const hmac = secret("titan/hmac");
    assert.deepEqual(hmac.fields, ["primary", "secondary", "key-id"]);
    assert.equal(hmac.rotate.overlap, day);
    assert.deepEqual(hmac.generator, { by: "machine", bytes: 32, encoding: "hex" });
    assert.deepEqual(
      hmac.consumers.map(({ name, role }) => [name, role]),
      [
        ["titan-brain", "signer"],
        ["titan-execution-rs", "listener"],
        ["titan-sentinel", "listener"],
      ],
    );
  });
  test("who checks a password with one value gets it before its clients, or a person changes it (R27, R29)", () => {
    const roles = (id: string) => secret(id).consumers.map(({ name, role }) => [name, role]);
    assert.deepEqual(roles("soma/redis"), [
      ["agent-worker", "reader"],
      ["gateway", "reader"],
      ["redis", "listener"],
    ]);
    assert.deepEqual(roles("solo/minio"), [
      ["api", "reader"],
      ["minio", "listener"],
    ]);
    for (const id of ["soma/redis", "solo/minio"]) assert.match(secret(id).impact ?? "", /refuses .* until/);
    // Grafana takes its file at its first start alone.
    assert.equal(secret("titan/grafana-admin").rotate.by, "hand");
  });
  test("titan's HMAC key and NATS users are seen to be unused in every environment (R30, R33)", () => {
    for (const environment of ["local", "staging", "production"]) {
      const { secrets, services } = derive(catalogue, environment);
      const found = (id: string) => secrets.find((one) => one.id === id);
      const hmac = found("titan/hmac");
      const isLocal = environment === "local";
      assert.deepEqual(
        hmac?.idle,
        isLocal ? { source: "sinks" } : { source: "metric", metric: "hmac_secondary_used_total" },
      );
      for (const { id } of hmac?.consumers.filter(({ role }) => role === "listener") ?? []) {
        const observe = services.find((service) => service.id === id)?.observe;
        assert.equal(observe?.metrics, isLocal ? undefined : "/metrics");
      }
      assert.ok(found("titan/nats")?.nats?.monitor, environment);
    }
  });
  test("outside of the local stack every probe has where to ask, or its service says that nobody can (R46)", () => {
    const { secrets, services } = production;
    const unseen = secrets
      .filter(({ probe }) => probe !== undefined)
      .flatMap(({ consumers }) => consumers.map(({ id }) => services.find((service) => service.id === id)))
      .filter((service) => service !== undefined && service.observe === undefined);
    assert.deepEqual([...new Set(unseen.map((service) => service?.id))].sort(), ["solo/minio", "soma/redis"]);
    assert.deepEqual([...new Set(unseen.map((service) => service?.unobserved))], [true]);
  });
  test("trading-bot's database credentials are dynamic and live an hour at most (R12)", () => {
    const users = local.databases.find(({ id }) => id === "trading-bot/trades")?.users ?? [];
    assert.deepEqual(
      users.map(({ role, ttl, maxTtl }) => [role, ttl, maxTtl]),
      [
        ["trading-bot.trades.alerter", 900, 3600],
        ["trading-bot.trades.bot", 3600, 3600],
      ],
    );
  });
  test("rec-io's shared user changes its password in place and every process gets it (R32)", () => {
    const shared = secret("rec-io/trading-rec_trading_user");
    assert.equal(shared.rotate.method, "single");
    assert.deepEqual(shared.databaseUser?.logins, ["rec_trading_user"]);
    assert.equal(shared.consumers.length, 3);
  });
  test("titan's and solo's database users take turns (R31)", () => {
    assert.deepEqual(secret("titan/ledger-titan-brain").databaseUser?.logins, [
      "titan-brain_a",
      "titan-brain_b",
    ]);
    assert.deepEqual(secret("solo/main-solo-app").databaseUser?.logins, ["solo-app_a", "solo-app_b"]);
  });
  test("solo's JWT key says that its change logs users out (R49)", () => {
    assert.equal(secret("solo/secret-key").impact, "Logs every user out");
  });
  test("solo is delivered to every PaaS, Compose and GitHub Actions that it names (R42, R43, R44)", () => {
    const deliver = (model: Model) =>
      model.services.find(({ id }) => id === "solo/api")?.deliver.map(({ to }) => to);
    assert.deepEqual(deliver(production), ["railway", "fly", "render", "heroku"]);
    assert.deepEqual(deliver(local), ["env-file"]);
    assert.deepEqual(local.ciJobs.find(({ id }) => id === "solo/ci/test")?.deliver, [
      { to: "github-actions", repository: "acme/solo", environment: "staging" },
    ]);
  });
  test("soma's DSN is assembled without a password in it", () => {
    assert.deepEqual(secret("soma/main-soma-app").templates, {
      dsn: "postgresql://{user}:{password}@127.0.0.1:5432/soma",
    });
  });
  test("rec-io is operated by named lead operators and one architect only (R59)", () => {
    const members = (name: string) => local.groups.find((group) => group.name === name)?.members;
    assert.deepEqual(members("rec-io-operators"), ["cleo", "dan"]);
    assert.deepEqual(members("rec-io-architect"), ["emil"]);
    assert.deepEqual(members("administrators"), ["ada", "ben"]);
  });
  test("production waits for staging (R25)", () => {
    assert.equal(production.after, "staging");
    assert.equal(local.after, undefined);
  });
});
