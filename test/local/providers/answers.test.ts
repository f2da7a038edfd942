import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { Vault } from "../../../clients/vault.ts";
import { Provider } from "../../../local/providers/provider.ts";
import { vaultKinds } from "../../../local/providers/vault/index.ts";

/** What a Vault that is hard to have for real answers, request by request; 404 where nothing is left to say. */
let answers: { status: number; body: unknown }[] = [];
let asked: string[] = [];
let server: Server;
let vault: Vault;
let provider: Provider<Vault>;

before(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, body } = answers.shift() ?? { status: 404, body: { errors: [] } };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vault = new Vault({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  provider = new Provider(vaultKinds, () => vault);
});
after(async () => {
  await vault.close();
  server.close();
});
beforeEach(() => {
  answers = [];
  asked = [];
});

const refused = (...errors: string[]) => ({ status: 400, body: { errors } });
const ok = (data: unknown = {}) => ({ status: 200, body: { data } });

test("waits while a new versioned engine prepares itself", async () => {
  const preparing = refused(
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.",
  );
  answers = [
    preparing,
    preparing,
    ok(),
    ok({ max_versions: 10, cas_required: true, delete_version_after: "0s" }),
  ];
  const { id, outputs } = await provider.create("vault:kv/secretBackendV2:SecretBackendV2", {
    mount: "kv",
    maxVersions: 10,
    casRequired: true,
  });
  assert.equal(id, "kv/config");
  assert.deepEqual(outputs, { mount: "kv", maxVersions: 10, casRequired: true, deleteVersionAfter: 0 });
  assert.deepEqual(asked, [
    "POST /v1/kv/config",
    "POST /v1/kv/config",
    "POST /v1/kv/config",
    "GET /v1/kv/config",
  ]);
});

test("does not wait for any other refusal", async () => {
  answers = [refused("max_versions must not be negative")];
  await assert.rejects(
    provider.create("vault:kv/secretBackendV2:SecretBackendV2", { mount: "kv", maxVersions: -1 }),
    { message: "Vault: POST kv/config: 400: max_versions must not be negative" },
  );
  assert.equal(asked.length, 1);
});

test("a mount of another type, or with another description, is not taken over", async () => {
  for (const live of [
    { type: "ssh", description: "ours" },
    { type: "transit", description: "someone's" },
  ]) {
    answers = [refused("path is already in use at transit/"), ok(live)];
    await assert.rejects(
      provider.create("vault:index/mount:Mount", { path: "transit", type: "transit", description: "ours" }),
      { message: "Vault: POST sys/mounts/transit: 400: path is already in use at transit/" },
    );
  }
});

test("a refusal is not taken for an absence: what may not be read is not gone", async () => {
  answers = [{ status: 403, body: { errors: ["permission denied"] } }];
  await assert.rejects(
    provider.read(
      "vault:index/policy:Policy",
      "titan.x",
      { name: "titan.x" },
      { name: "titan.x", policy: "" },
    ),
    { message: "Vault: GET sys/policies/acl/titan.x: 403: permission denied" },
  );
  answers = [refused("No such luck")];
  await assert.rejects(
    provider.read("vault:index/mount:Mount", "kv", { path: "kv" }, { path: "kv", type: "kv" }),
    { message: "Vault: GET sys/mounts/kv: 400: No such luck" },
  );
});

test("what is gone already need not be deleted", async () => {
  await provider.delete("vault:index/policy:Policy", "titan.x", { name: "titan.x" });
  assert.deepEqual(asked, ["DELETE /v1/sys/policies/acl/titan.x"]);
});

test("sends a connection's password when it is new or changed, and never again", async () => {
  const bodies: unknown[] = [];
  server.on("request", (request) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "POST") bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
    });
  });
  const type = "vault:database/secretBackendConnection:SecretBackendConnection";
  const inputs = {
    backend: "database",
    name: "titan.ledger",
    allowedRoles: ["a"],
    postgresql: { username: "manager", password: "first" },
  };
  const live = { allowed_roles: ["a"], verify_connection: true, connection_details: { username: "manager" } };
  answers = [ok(), ok(live)];
  const { outputs } = await provider.create(type, inputs);
  const wider = { ...inputs, allowedRoles: ["a", "b"] };
  answers = [ok(), ok({ ...live, allowed_roles: ["a", "b"] })];
  const widened = await provider.update(type, "database/config/titan.ledger", inputs, outputs, wider);
  const changed = { ...wider, postgresql: { username: "manager", password: "second" } };
  answers = [ok(), ok({ ...live, allowed_roles: ["a", "b"] })];
  await provider.update(type, "database/config/titan.ledger", wider, widened, changed);
  const common = { plugin_name: "postgresql-database-plugin", username: "manager" };
  assert.deepEqual(bodies, [
    { ...common, allowed_roles: ["a"], password: "first" },
    { ...common, allowed_roles: ["a", "b"] },
    { ...common, allowed_roles: ["a", "b"], password: "second" },
  ]);
});

test("a bare write goes to the rotation of a connection's password and nowhere else", async () => {
  const type = "vault:generic/endpoint:Endpoint";
  const inputs = { path: "", dataJson: "{}", disableRead: true, disableDelete: true };
  const reason =
    "the local provider writes only to <mount>/rotate-root/<connection>: use the type of its own for another object, or run with --providers official";
  for (const path of [
    "kv/data/source/titan/hmac",
    "sys/policies/acl/x",
    "auth/token/create",
    "database/rotate-root/",
    "database/rotate-root/../../sys/policies/acl/x",
    "database/rotate-root/..",
    "database/rotate-root/x/y",
    "../sys/rotate-root/x",
    "database/rotate-root/x?list=true",
    "database/rotate-root/%2e%2e",
    "database/rotate-root/x\n",
    "kv/data/x/rotate-root/y",
  ]) {
    assert.deepEqual(provider.check(type, { ...inputs, path }), [{ property: "path", reason }], path);
    // Whoever calls without a check before is refused as well.
    await assert.rejects(provider.create(type, { ...inputs, path }), { message: `path: ${reason}` });
    await assert.rejects(
      provider.update(type, path, {}, {}, { ...inputs, path: "database/rotate-root/titan.ledger" }),
      { message: `path: ${reason}` },
    );
  }
  assert.deepEqual(asked, []);
  const served = { ...inputs, path: "database/rotate-root/titan.ledger-2" };
  assert.deepEqual(provider.check(type, served), []);
  answers = [ok()];
  assert.equal((await provider.create(type, served)).id, served.path);
  assert.deepEqual(asked, ["POST /v1/database/rotate-root/titan.ledger-2"]);
});
