import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model } from "../../../model/model.ts";
import { renderPolicy } from "../../../model/policies.ts";
import { bundleOf, originsOf } from "../../../operations/delivery/bundle.ts";
import { ServiceSession, type ServiceToken } from "../../../operations/delivery/service-login.ts";
import { deliverTo } from "../../../operations/values/deliver.ts";
import { localModel, startTestVault, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;

before(async () => {
  server = await startTestVault();
  model = await localModel(server);
  const { root } = server;
  const { kv, transit } = model.vault.mounts;
  await root.write(`sys/mounts/${kv}`, { type: "kv", options: { version: "2" } });
  await root.write(`sys/mounts/${transit}`, { type: "transit" });
  await root.write(`${transit}/keys/${model.vault.fingerprintKey}`, { type: "hmac", key_size: 32 });
  for (const policy of model.policies.filter(({ name }) => /^(titan\.|soma\.|keyplane\.rotate)/.test(name))) {
    await root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
  }
});
after(() => server?.stop());

/** Brings a service what a rotation would. */
async function bring(id: string, service: string, fields: Record<string, string>): Promise<number> {
  const secret = model.secrets.find((candidate) => candidate.id === id);
  const consumer = secret?.consumers.find((candidate) => candidate.id === service);
  assert.ok(secret !== undefined && consumer !== undefined);
  return deliverTo({ vault: server.root, model, by: "test" }, secret, consumer, { source: 1, fields });
}

/** A token with the policies of a service, or of a platform's role, and nothing else. */
async function as(policy: string, ttl = "10m"): Promise<Vault> {
  const { auth } = await server.root.write("auth/token/create", { policies: [policy], ttl, no_parent: true });
  return server.root.with(auth?.client_token);
}

const value = () => randomBytes(32).toString("hex");

describe("what a service is delivered", () => {
  test("is read with its own policy: variables, files, settings, versions of its own paths (R7, R39)", async () => {
    const [primary, secondary] = [value(), value()];
    const service = "titan/titan-execution-rs";
    const version = await bring("titan/hmac", service, { primary, secondary, "key-id": "v1" });
    for (const policy of ["titan.titan-execution-rs", "keyplane.rotate"]) {
      const bundle = await bundleOf(await as(policy), model, service);
      assert.equal(bundle.service.id, service);
      assert.equal(bundle.variables.TITAN_HMAC_KEY_ID, "v1");
      assert.equal(bundle.variables.TITAN_HMAC_SECRET_PRIMARY_FILE, "titan_hmac_secret");
      assert.deepEqual(bundle.files, { titan_hmac_secret: primary, titan_hmac_secret_secondary: secondary });
      assert.equal(bundle.variables.TITAN_LAB_MODE, "true");
      // Nothing of another service: neither its settings nor its secrets.
      assert.deepEqual(Object.keys(bundle.variables).sort(), [
        "TITAN_HMAC_KEY_ID",
        "TITAN_HMAC_SECRET_PRIMARY_FILE",
        "TITAN_HMAC_SECRET_SECONDARY_FILE",
        "TITAN_LAB_MODE",
      ]);
      assert.deepEqual(Object.keys((await bundleOf(server.root, model, "titan/titan-brain")).variables), []);
      assert.deepEqual(bundle.versions, { "titan/hmac": version });
      assert.deepEqual(Object.keys(bundle.writtenAt), ["titan/hmac"]);
      assert.equal(bundle.origins.variables.TITAN_HMAC_KEY_ID, "titan/hmac");
      assert.equal(bundle.origins.files.titan_hmac_secret, "titan/hmac");
      assert.deepEqual(bundle.missing, [
        { variable: "BINANCE_API_KEY_FILE", secret: "titan/binance" },
        { variable: "BINANCE_API_SECRET_FILE", secret: "titan/binance" },
        { variable: "BYBIT_API_KEY_FILE", secret: "titan/bybit" },
        { variable: "BYBIT_API_SECRET_FILE", secret: "titan/bybit" },
        { variable: "TITAN_NATS_PASSWORD_FILE", secret: "titan/nats" },
        { variable: "TITAN_NATS_USER_FILE", secret: "titan/nats" },
      ]);
    }
  });

  test("has the next version of its path after the next value, and says when it was written", async () => {
    const before = await bundleOf(server.root, model, "soma/agent-worker");
    await bring("soma/auth-internal-token", "soma/agent-worker", { token: value() });
    const first = await bundleOf(server.root, model, "soma/agent-worker");
    const token = value();
    await bring("soma/auth-internal-token", "soma/agent-worker", { token });
    const second = await bundleOf(server.root, model, "soma/agent-worker");
    const id = "soma/auth-internal-token";
    assert.deepEqual([before.versions[id], first.versions[id], second.versions[id]], [undefined, 1, 2]);
    assert.equal(second.variables.SA01_AUTH_INTERNAL_TOKEN, token);
    assert.ok(Date.parse(second.writtenAt[id] ?? "") > Date.parse(first.writtenAt[id] ?? ""));
  });

  test("lacks what was deleted from its path", async () => {
    await bring("soma/redis", "soma/gateway", { password: value() });
    assert.match(
      (await bundleOf(server.root, model, "soma/gateway")).variables.SA01_REDIS_URL ?? "",
      /^redis:/,
    );
    const path = model.secrets
      .find(({ id }) => id === "soma/redis")
      ?.consumers.find(({ id }) => id === "soma/gateway")?.path;
    await server.root.delete(`kv/data/${path}`);
    const { variables, missing } = await bundleOf(server.root, model, "soma/gateway");
    assert.equal(variables.SA01_REDIS_URL, undefined);
    assert.ok(missing.some(({ variable }) => variable === "SA01_REDIS_URL"));
  });

  test("is not read by another service", async () => {
    await assert.rejects(bundleOf(await as("titan.titan-sentinel"), model, "titan/titan-execution-rs"), {
      status: 403,
    });
  });

  test("is not read for a service that is retired or unknown", async () => {
    await assert.rejects(
      bundleOf(server.root, model, "titan/nothing"),
      /has no such service; it has .*titan\/grafana/,
    );
    const retired = { since: "2026-01-01", reason: "replaced", delete: false };
    const services = model.services.map((service) => ({ ...service, retired }));
    await assert.rejects(
      bundleOf(server.root, { ...model, services }, "titan/grafana"),
      /retired since 2026-01-01/,
    );
  });

  test("is told without any value: each variable with its path, or as a setting", () => {
    assert.deepEqual(originsOf(model, "titan/grafana"), [
      {
        variable: "GF_SECURITY_ADMIN_PASSWORD__FILE",
        from: "kv/services/titan/grafana/grafana-admin#password",
        file: "grafana_admin_password",
      },
    ]);
  });
});

describe("a service's session (R13)", () => {
  /** Logs in with a token of so many seconds; counts. */
  function logins(ttl: number, maximum = ttl * 4) {
    const tokens: string[] = [];
    const login = async (): Promise<ServiceToken> => {
      const { auth } = await server.root.write("auth/token/create", {
        policies: ["titan.titan-brain"],
        ttl: `${ttl}s`,
        explicit_max_ttl: `${maximum}s`,
        no_parent: true,
      });
      tokens.push(auth?.client_token ?? "");
      return { vault: server.root.with(auth?.client_token), ttl, renewable: true, own: true };
    };
    return { tokens, login };
  }

  const lookup = (vault: Vault) => vault.request<{ ttl: number }>("GET", "auth/token/lookup-self");

  test("uses one token, and renews it when two thirds of its time have passed", async () => {
    let now = 0;
    const { tokens, login } = logins(600);
    const session = new ServiceSession(login, () => now);
    const used: string[] = [];
    const use = () =>
      session.use((vault) => {
        used.push(vault.token ?? "");
        return lookup(vault);
      });
    await use();
    now = 399_000;
    await use();
    const before = (
      await server.root
        .with(tokens[0])
        .request<{ last_renewal_time?: number }>("GET", "auth/token/lookup-self")
    ).data;
    assert.equal(before.last_renewal_time, undefined);
    now = 401_000;
    await use();
    const after = (
      await server.root
        .with(tokens[0])
        .request<{ last_renewal_time?: number }>("GET", "auth/token/lookup-self")
    ).data;
    assert.ok((after.last_renewal_time ?? 0) > 0);
    assert.deepEqual([tokens.length, new Set(used).size], [1, 1]);
  });

  test("begins anew when a renewal adds next to nothing, because the token's maximum is near", async () => {
    let now = 0;
    const { tokens, login } = logins(600, 100);
    const session = new ServiceSession(login, () => now);
    await session.use(lookup);
    now = 401_000;
    await session.use(lookup);
    assert.equal(tokens.length, 2);
  });

  test("begins anew when its token was revoked, and does the work with the next one", async () => {
    const { tokens, login } = logins(600);
    const session = new ServiceSession(login);
    await session.use(lookup);
    await server.root.write("auth/token/revoke", { token: tokens[0] });
    const { data } = await session.use(lookup);
    assert.ok(data.ttl > 500);
    assert.equal(tokens.length, 2);
  });

  test("does not ask for another token when the first one may not do what it is asked", async () => {
    const { tokens, login } = logins(600);
    const session = new ServiceSession(login);
    await assert.rejects(
      session.use((vault) => vault.request("GET", "sys/auth")),
      { status: 403 },
    );
    await assert.rejects(
      session.use((vault) => vault.request("GET", "sys/auth")),
      { status: 403 },
    );
    assert.equal(tokens.length, 1);
  });

  test("leaves a token that was given to it alone, at its end and when it is refused", async () => {
    const given = await as("titan.titan-brain");
    let logged = 0;
    const session = new ServiceSession(async () => {
      logged++;
      return { vault: given, ttl: 600, renewable: true, own: false };
    });
    await assert.rejects(
      session.use((vault) => vault.request("GET", "sys/auth")),
      { status: 403 },
    );
    await session.end();
    assert.equal(logged, 1);
    assert.ok((await lookup(given)).data.ttl > 0);
  });

  test("revokes its own token at its end", async () => {
    const { tokens, login } = logins(600);
    const session = new ServiceSession(login);
    await session.use(lookup);
    await session.end();
    await assert.rejects(lookup(server.root.with(tokens[0])), { status: 403 });
  });
});
