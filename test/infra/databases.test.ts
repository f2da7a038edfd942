import assert from "node:assert/strict";
import { test } from "node:test";
import { platform } from "../../infra/index.ts";
import { connectionUrl, rotation } from "../../infra/vault/databases.ts";
import { declared } from "./declared.ts";
import { smallModel } from "./model.ts";

const connectionType = "vault:database/secretBackendConnection:SecretBackendConnection";
const endpointType = "vault:generic/endpoint:Endpoint";
const model = smallModel();
const [ledger] = model.databases;
assert.ok(ledger);
const first = await declared(() =>
  platform(model, { part: "first", bootstrapPasswords: { "titan.ledger": "first-password" } }),
);

test("connects as the manager, by verifiers, for exactly the catalogue's roles (R12)", () => {
  assert.deepEqual(first.one(connectionType, "titan.ledger-connection").inputs, {
    backend: "database",
    name: "titan.ledger",
    allowedRoles: ["titan.ledger.quant", "titan.ledger.keyplane.rotate"],
    verifyConnection: true,
    postgresql: {
      connectionUrl: "postgresql://{{username}}:{{password}}@127.0.0.1:5432/ledger?sslmode=disable",
      username: "keyplane_ledger",
      passwordAuthentication: "scram-sha-256",
      password: "first-password",
    },
  });
});

test("marks the bootstrap password, and what is made from it, as secrets", () => {
  assert.deepEqual(first.one(connectionType, "titan.ledger-connection").secrets, ["postgresql.password"]);
  assert.deepEqual(first.one(endpointType, "titan.ledger-rotate-root").secrets, ["dataJson"]);
});

test("replaces the bootstrap password within the same update, right after the connection", () => {
  const endpoint = first.one(endpointType, "titan.ledger-rotate-root");
  assert.deepEqual(endpoint.inputs, {
    path: "database/rotate-root/titan.ledger",
    dataJson: '{"replaces":"8f0b1c7b74eeb1ce"}',
    disableRead: true,
    disableDelete: true,
  });
  assert.deepEqual(endpoint.dependsOn, [first.one(connectionType, "titan.ledger-connection").urn]);
});

test("replaces it again exactly when the connection is written with another one", () => {
  assert.equal(rotation("first-password"), rotation("first-password"));
  assert.notEqual(rotation("first-password"), rotation("second-password"));
  assert.equal(rotation(undefined), "{}");
});

test("leaves the password alone once Vault has its own", async () => {
  const later = await declared(() => platform(model, { part: "first", bootstrapPasswords: {} }));
  const connection = later.one(connectionType, "titan.ledger-connection");
  assert.deepEqual(connection.ignoreChanges, ["postgresql.password"]);
  assert.equal(Object.hasOwn(Object(connection.inputs.postgresql), "password"), false);
  assert.deepEqual(first.one(connectionType, "titan.ledger-connection").ignoreChanges, []);
});

test("gives a role the catalogue's statements and lifetimes (R12)", () => {
  assert.deepEqual(
    first.one("vault:database/secretBackendRole:SecretBackendRole", "titan.ledger-titan.ledger.quant").inputs,
    {
      backend: "database",
      name: "titan.ledger.quant",
      dbName: "titan.ledger",
      creationStatements: ledger.users[0]?.creationStatements,
      renewStatements: ledger.users[0]?.renewStatements,
      revocationStatements: ledger.users[0]?.revocationStatements,
      defaultTtl: 900,
      maxTtl: 3600,
    },
  );
});

test("gives rotation a role of minutes, whose logins join the role that it acts as and leave nothing behind", () => {
  const { inputs } = first.one(
    "vault:database/secretBackendRole:SecretBackendRole",
    "titan.ledger-titan.ledger.keyplane.rotate",
  );
  assert.deepEqual(inputs, {
    backend: "database",
    name: "titan.ledger.keyplane.rotate",
    dbName: "titan.ledger",
    creationStatements: [
      "SELECT keyplane.create_user('{{name}}', '{{password}}', '{{expiration}}', 'keyplane_ledger__rotation')",
    ],
    renewStatements: ["SELECT keyplane.extend_user('{{name}}', '{{expiration}}')"],
    revocationStatements: ["SELECT keyplane.drop_user('{{name}}', 'keyplane_ledger__rotation')"],
    defaultTtl: 600,
    maxTtl: 3600,
  });
});

test("gives a retired database no role for services, and the one for rotation until its data may go", async () => {
  for (const [deleted, roles] of [
    [false, ["titan.ledger.keyplane.rotate"]],
    [true, []],
  ] as const) {
    const retired = { since: "2026-01-01", reason: "moved", delete: deleted };
    const databases = [{ ...ledger, users: [], retired }];
    const later = await declared(() =>
      platform(smallModel({ databases }), { part: "first", bootstrapPasswords: {} }),
    );
    const made = later.of("vault:database/secretBackendRole:SecretBackendRole");
    assert.deepEqual(
      made.map(({ inputs }) => inputs.name),
      roles,
    );
    assert.deepEqual(later.one(connectionType, "titan.ledger-connection").inputs.allowedRoles, roles);
  }
});

test("refuses a database role whose maximum TTL is over an hour (R12)", async () => {
  for (const maxTtl of [3601, 0, -1]) {
    const databases = [{ ...ledger, users: ledger.users.map((user) => ({ ...user, maxTtl })) }];
    await assert.rejects(
      declared(() => platform(smallModel({ databases }), { part: "first", bootstrapPasswords: {} })),
      { message: /^The role "titan.ledger.quant" asks for tokens of up to .* s; between 1 and 3600 s/ },
    );
  }
});

test("checks the server's certificate where the environment has one", () => {
  assert.equal(
    connectionUrl({ ...ledger, host: "db.acme.example", tls: "verify-full" }),
    "postgresql://{{username}}:{{password}}@db.acme.example:5432/ledger?sslmode=verify-full",
  );
});
