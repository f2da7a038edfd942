import assert from "node:assert/strict";
import { test } from "node:test";
import { platform } from "../../infra/index.ts";
import { duration } from "../../infra/vault/lifetime.ts";
import { policyText } from "../../infra/vault/policies.ts";
import { declared } from "./declared.ts";
import { smallModel } from "./model.ts";

const model = smallModel();
const all = await declared(() => platform(model, { part: "all", bootstrapPasswords: {} }));
const keyType = "vault:transit/secretBackendKey:SecretBackendKey";

test("keeps values in a versioned engine where no writer overwrites another unseen (R1)", () => {
  assert.deepEqual(all.one("vault:index/mount:Mount", "kv").inputs, {
    path: "kv",
    type: "kv",
    description: "Secret values: a source each, and a path per consumer.",
    options: { version: "2" },
    local: false,
    defaultLeaseTtlSeconds: 900,
    maxLeaseTtlSeconds: 3600,
    listingVisibility: "hidden",
    auditNonHmacRequestKeys: [],
    auditNonHmacResponseKeys: [],
  });
  assert.deepEqual(all.one("vault:kv/secretBackendV2:SecretBackendV2", "kv").inputs, {
    mount: "kv",
    maxVersions: 10,
    casRequired: true,
    deleteVersionAfter: 0,
  });
});

test("rotates encryption keys by itself and never lets one out (R17)", () => {
  const key = all.one(keyType, "titan.documents");
  assert.deepEqual(key.inputs, {
    backend: "transit",
    name: "titan.documents",
    type: "aes256-gcm96",
    autoRotatePeriod: 7_776_000,
    exportable: false,
    allowPlaintextBackup: false,
    deletionAllowed: false,
  });
  assert.deepEqual(key.ignoreChanges, ["minDecryptionVersion", "minEncryptionVersion"]);
});

test("has one fingerprint key that never changes", () => {
  assert.deepEqual(all.one(keyType, "keyplane.fingerprint").inputs, {
    backend: "transit",
    name: "keyplane.fingerprint",
    type: "hmac",
    keySize: 32,
    autoRotatePeriod: 0,
    exportable: false,
    allowPlaintextBackup: false,
    deletionAllowed: false,
  });
});

test("bounds the rate of requests", () => {
  assert.deepEqual(all.one("vault:index/quotaRateLimit:QuotaRateLimit", "everyone").inputs, {
    name: "everyone",
    path: "",
    rate: 500,
    interval: 1,
  });
});

test("writes a policy with its purpose and its exact paths (R7)", () => {
  assert.equal(
    all.one("vault:index/policy:Policy", "titan.ci.deploy").inputs.policy,
    `# Reads what the deploy job needs.
# For ci titan/ci/deploy.

path "kv/data/ci/titan/deploy/grafana-admin" {
  capabilities = ["read"]
}
`,
  );
});

test("refuses a pattern in a consumer's policy (R7)", () => {
  for (const path of ["kv/data/services/titan/*", "kv/data/services/+/x"]) {
    assert.throws(
      () =>
        policyText({
          name: "titan.x",
          purpose: "x",
          of: { kind: "service", id: "titan/x" },
          rules: [{ path, capabilities: ["read"] }],
        }),
      { message: `The policy "titan.x" of a consumer must name exact paths; "${path}" is a pattern` },
    );
  }
});

test("lets no purpose and no path end its line in a policy", () => {
  const text = policyText({
    name: "titan.x",
    purpose: 'one\npath "sys/*" {\n}',
    of: { kind: "service", id: "titan/x" },
    rules: [{ path: 'a" {\n}\npath "sys/raw', capabilities: ["read"] }],
  });
  assert.deepEqual(
    text.split("\n").filter((line) => line.startsWith("path")),
    ['path "a\\" {\\n}\\npath \\"sys/raw" {'],
  );
});

test("writes durations as Vault writes them back", () => {
  assert.deepEqual([45, 60, 900, 3600, 5400, 14_400, 86_400, 3601].map(duration), [
    "45s",
    "1m",
    "15m",
    "1h",
    "1h30m",
    "4h",
    "24h",
    "3601s",
  ]);
});
