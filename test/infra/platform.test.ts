import assert from "node:assert/strict";
import { test } from "node:test";
import { platform } from "../../infra/index.ts";
import type { Policy } from "../../model/vault.ts";
import { type Declaration, declared } from "./declared.ts";
import { smallModel } from "./model.ts";

const types = {
  audit: "vault:index/audit:Audit",
  mount: "vault:index/mount:Mount",
  auth: "vault:index/authBackend:AuthBackend",
  jwt: "vault:jwt/authBackend:AuthBackend",
  connection: "vault:database/secretBackendConnection:SecretBackendConnection",
  endpoint: "vault:generic/endpoint:Endpoint",
  key: "vault:transit/secretBackendKey:SecretBackendKey",
  entity: "vault:identity/entity:Entity",
  totp: "vault:identity/mfaTotp:MfaTotp",
  policy: "vault:index/policy:Policy",
  enforcement: "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement",
};

const model = smallModel();
const all = await declared(() =>
  platform(model, { part: "all", bootstrapPasswords: { "titan.ledger": "first-password" } }),
);

test("declares two audit devices, one after the other, for the whole cluster (R51)", () => {
  const [first, second] = all.of(types.audit);
  assert.deepEqual(first?.inputs, {
    path: "first",
    type: "file",
    options: { file_path: "/var/log/first/audit.log" },
    local: false,
    description: "Every request and every answer, values hashed.",
  });
  assert.deepEqual(second?.dependsOn, [first?.urn]);
});

test("puts every mount, policy and person on record: nothing is declared before the audit devices (R51)", () => {
  const devices = all.of(types.audit).map(({ urn }) => urn);
  const behind = new Set<string>(devices);
  // Resources are registered only after what they depend on, so one pass in order sees every chain.
  for (const { urn, dependsOn } of all.resources) {
    if (dependsOn.some((other) => behind.has(other))) behind.add(urn);
  }
  const before = all.resources
    .filter(({ type }) => type.startsWith("vault:"))
    .filter(({ urn }) => !behind.has(urn))
    .map(({ urn }) => urn);
  assert.deepEqual(before, []);
});

test("gives whoever deploys the right to the mount of Kubernetes before it is made: it may come later", async () => {
  const deploy: Policy = {
    name: "keyplane.deploy",
    purpose: "Builds the platform.",
    of: { kind: "platform", id: "keyplane.deploy" },
    rules: [],
  };
  const policies = [...model.policies, deploy];
  const withDeploy = await declared(() =>
    platform(smallModel({ policies }), { part: "platform", bootstrapPasswords: {} }),
  );
  const rights = withDeploy.one(types.policy, "keyplane.deploy").urn;
  const mount = withDeploy.of(types.auth).find(({ inputs }) => inputs.type === "kubernetes");
  assert.ok(mount?.dependsOn.includes(rights));
});

test("refuses a Vault with one audit device (R51)", async () => {
  const [only] = model.vault.audit;
  assert.ok(only);
  await assert.rejects(
    declared(() =>
      platform(smallModel({ vault: { ...model.vault, audit: [only] } }), {
        part: "all",
        bootstrapPasswords: {},
      }),
    ),
    { message: /^Vault needs two audit devices on separate failure domains and has 1: add one/ },
  );
});

test("protects and retains everything that holds data (safe removal)", () => {
  const kept = all.resources.filter(({ protect }) => protect);
  assert.deepEqual(
    kept.filter(({ retainOnDelete }) => !retainOnDelete),
    [],
  );
  assert.deepEqual(
    kept.map(({ type, name }) => `${type} ${name}`).sort(),
    [
      `${types.mount} kv`,
      `${types.mount} transit`,
      `${types.mount} database`,
      `${types.jwt} github`,
      `${types.auth} approle`,
      `${types.auth} kubernetes`,
      `${types.auth} userpass`,
      `${types.connection} titan.ledger-connection`,
      `${types.key} titan.documents`,
      `${types.key} keyplane.fingerprint`,
      `${types.totp} people-totp`,
      `${types.enforcement} people-mfa`,
      `${types.policy} default`,
    ].sort(),
  );
});

test("keeps a retired entry's data until `delete: true`, which lifts both guards (safe removal)", async () => {
  const retired = (deleted: boolean) => {
    const mark = { retired: { since: "2026-01-01", reason: "moved", delete: deleted } };
    return smallModel({
      databases: model.databases.map((database) => ({ ...database, ...mark })),
      encryptionKeys: model.encryptionKeys.map((key) => ({ ...key, ...mark })),
    });
  };
  for (const deleted of [false, true]) {
    const declaration = await declared(() =>
      platform(retired(deleted), { part: "all", bootstrapPasswords: {} }),
    );
    const key = declaration.one(types.key, "titan.documents");
    const connection = declaration.one(types.connection, "titan.ledger-connection");
    for (const { protect, retainOnDelete } of [key, connection]) {
      assert.deepEqual({ protect, retainOnDelete }, { protect: !deleted, retainOnDelete: !deleted });
    }
    assert.equal(key.inputs.deletionAllowed, deleted);
  }
});

test("gives no consumer's policy sudo (least privilege, R7)", async () => {
  const rules = [{ path: "sys/audit", capabilities: ["read" as const, "sudo" as const] }];
  for (const kind of ["service", "ci"] as const) {
    const policies = [{ name: "titan.x", purpose: "x", of: { kind, id: "titan/x" }, rules }];
    await assert.rejects(
      declared(() => platform(smallModel({ policies }), { part: "all", bootstrapPasswords: {} })),
      {
        message:
          'The policy "titan.x" of a consumer must not have sudo on "sys/audit": only the platform\'s own roles have it',
      },
    );
  }
});

test("declares the same resources under mocks in one stack and in parts together", async () => {
  const parts: Declaration[] = [];
  for (const part of ["platform", "first", "second"]) {
    parts.push(await declared(() => platform(model, { part, bootstrapPasswords: {} })));
  }
  const urns = parts.flatMap(({ resources }) => resources.map(({ urn }) => urn));
  assert.deepEqual(urns.sort(), all.resources.map(({ urn }) => urn).sort());
});

test("builds the groups' policies with the platform, the systems' with their parts", async () => {
  const names = async (part: string) =>
    (await declared(() => platform(model, { part, bootstrapPasswords: {} })))
      .of("vault:index/policy:Policy")
      .map(({ name }) => name);
  assert.deepEqual(await names("platform"), ["default", "group.platform"]);
  assert.deepEqual(await names("first"), ["titan.ci.deploy"]);
  assert.deepEqual(await names("all"), ["default", "group.platform", "soma.gateway", "titan.ci.deploy"]);
});

test("builds a system's part without anything of the platform or of another system", async () => {
  const second = await declared(() => platform(model, { part: "second", bootstrapPasswords: {} }));
  assert.deepEqual(
    second.resources.map(({ type, name }) => `${type} ${name}`),
    [
      "vault:index/policy:Policy soma.gateway",
      "vault:kubernetes/authBackendRole:AuthBackendRole soma.gateway",
    ],
  );
});

test("refuses a part that no system belongs to, and names those there are", async () => {
  await assert.rejects(
    declared(() => platform(model, { part: "third", bootstrapPasswords: {} })),
    { message: 'No system belongs to the part "third": set keyplane:part to all, platform, first, second' },
  );
});

test("declares nothing twice, and its helper would say so", async () => {
  await assert.rejects(
    declared(() => {
      platform(model, { part: "second", bootstrapPasswords: {} });
      platform(model, { part: "second", bootstrapPasswords: {} });
    }),
    { message: /^declared twice: urn:pulumi:local::keyplane::vault:index\/policy:Policy::soma.gateway/ },
  );
});
