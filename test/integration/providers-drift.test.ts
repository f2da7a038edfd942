import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Vault } from "../../clients/vault.ts";
import { policyText } from "../../infra/vault/policies.ts";
import { ProgramStack } from "./providers-stack.ts";

/** A change by hand in Vault, and the resource in which a refresh must see it. */
interface Drift {
  what: string;
  change: (vault: Vault) => Promise<unknown>;
  seen: string;
}

const groupId = async (vault: Vault) =>
  (await vault.read<{ id: string }>("identity/group/name/platform"))?.id ?? "";
const entityId = async (vault: Vault, name: string) =>
  (await vault.read<{ id: string }>(`identity/entity/name/${name}`))?.id ?? "";

const drifts: Drift[] = [
  {
    what: "a policy gets a path",
    change: (vault) =>
      vault.write("sys/policies/acl/titan.ci.deploy", {
        policy: 'path "kv/data/*" { capabilities = ["read"] }',
      }),
    seen: "update Policy titan.ci.deploy",
  },
  {
    what: "the policy that every token carries gets a path",
    change: async (vault) => {
      const live = await vault.read<{ policy: string }>("sys/policies/acl/default");
      await vault.write("sys/policies/acl/default", {
        policy: `${live?.policy}\npath "kv/data/*" { capabilities = ["read"] }`,
      });
    },
    seen: "update Policy default",
  },
  {
    what: "a policy is deleted",
    change: (vault) => vault.delete("sys/policies/acl/soma.gateway"),
    seen: "delete Policy soma.gateway",
  },
  {
    what: "a database role's TTL grows",
    change: (vault) => vault.write("database/roles/titan.ledger.quant", { max_ttl: 86_400 }),
    seen: "update SecretBackendRole titan.ledger-titan.ledger.quant",
  },
  {
    what: "a connection admits every role",
    change: (vault) =>
      vault.write("database/config/titan.ledger", { allowed_roles: ["*"], verify_connection: false }),
    seen: "update SecretBackendConnection titan.ledger-connection",
  },
  {
    what: "an audit device is removed",
    change: (vault) => vault.delete("sys/audit/second"),
    seen: "delete Audit audit-second",
  },
  {
    what: "the MFA enforcement moves to another login",
    change: async (vault) => {
      const live = await vault.read<{ mfa_method_ids: string[] }>("identity/mfa/login-enforcement/people");
      await vault.write("identity/mfa/login-enforcement/people", {
        mfa_method_ids: live?.mfa_method_ids,
        auth_method_accessors: [],
        auth_method_types: ["approle"],
      });
    },
    seen: "update MfaLoginEnforcement people-mfa",
  },
  {
    what: "the TOTP method forgives more",
    change: async (vault) => {
      const [method] = await vault.list("identity/mfa/method/totp");
      await vault.write(`identity/mfa/method/totp/${method}`, {
        issuer: "Keyplane acme local",
        max_validation_attempts: 1000,
      });
    },
    seen: "update MfaTotp people-totp",
  },
  {
    what: "a JWT role admits another claim",
    change: (vault) =>
      vault.write("auth/github/role/titan.ci.deploy", {
        role_type: "jwt",
        user_claim: "repository_id",
        bound_audiences: ["https://github.com/acme"],
        bound_claims: { repository_id: ["821093847"], repository_owner_id: ["5544123"] },
      }),
    seen: "update AuthBackendRole titan.ci.deploy",
  },
  {
    what: "a role gets a setting that nobody declared",
    change: (vault) => vault.write("auth/approle/role/titan.quant", { token_num_uses: 7 }),
    seen: "update AuthBackendRole titan.quant",
  },
  {
    what: "a pod's role admits every namespace",
    change: (vault) =>
      vault.write("auth/kubernetes/role/soma.gateway", {
        bound_service_account_names: ["gateway"],
        bound_service_account_namespaces: ["*"],
        audience: "vault",
      }),
    seen: "update AuthBackendRole soma.gateway",
  },
  {
    what: "a group gets a member",
    change: async (vault) =>
      vault.write(`identity/group/id/${await groupId(vault)}`, {
        member_entity_ids: [await entityId(vault, "ada"), await entityId(vault, "ben")],
      }),
    seen: "update Group platform",
  },
  {
    what: "a person gets a policy of their own",
    change: async (vault) =>
      vault.write(`identity/entity/id/${await entityId(vault, "ben")}`, { policies: ["titan.ci.deploy"] }),
    seen: "update Entity ben",
  },
  {
    what: "a mount's values go to the audit log unhashed",
    change: (vault) => vault.write("sys/mounts/kv/tune", { audit_non_hmac_response_keys: ["data"] }),
    seen: "update Mount kv",
  },
  {
    what: "writes no longer need the version that they follow",
    change: (vault) => vault.write("kv/config", { cas_required: false }),
    seen: "update SecretBackendV2 kv",
  },
  {
    what: "a login's tokens live longer",
    change: (vault) => vault.write("sys/auth/approle/tune", { max_lease_ttl: "8760h" }),
    seen: "update AuthBackend approle",
  },
  {
    what: "the GitHub login takes another algorithm",
    change: async (vault) => {
      const config = await vault.read("auth/github/config");
      await vault.write("auth/github/config", { ...config, jwt_supported_algs: ["RS256", "ES256"] });
    },
    seen: "update AuthBackend github",
  },
  {
    what: "an encryption key stops rotating",
    change: (vault) => vault.write("transit/keys/titan.documents/config", { auto_rotate_period: 0 }),
    seen: "update SecretBackendKey titan.documents",
  },
  {
    what: "a quota is lifted",
    change: (vault) => vault.write("sys/quotas/rate-limit/everyone", { rate: 1_000_000, path: "" }),
    seen: "update QuotaRateLimit everyone",
  },
];

/** The declared text of Vault's own policy. */
function defaultPolicy(): string {
  const declared = stack.model.policies.find(({ name }) => name === "default");
  assert.ok(declared);
  return policyText(declared);
}

let stack: ProgramStack;
let taken: string | undefined;
let untouched: string[];
let found: string[];
let repaired: string[];
let afterwards: string[];

before(async () => {
  stack = await ProgramStack.start();
  await stack.up();
  taken = (await stack.vault.read<{ policy: string }>("sys/policies/acl/default"))?.policy;
  untouched = (await stack.drift()).steps;
  for (const { change } of drifts) await change(stack.vault);
  found = (await stack.drift()).steps;
  repaired = (await stack.up({ refresh: true })).steps;
  afterwards = (await stack.drift()).steps.concat((await stack.preview()).steps);
});
after(() => stack?.[Symbol.asyncDispose]());

test("takes over the policy that Vault brings along, and keeps it when the model has it no more", async () => {
  assert.equal(taken, defaultPolicy());
  const { model } = stack;
  stack.model = { ...model, policies: model.policies.filter(({ name }) => name !== "default") };
  await assert.rejects(stack.up(), /default" cannot be deleted\s+because it is protected/);
  stack.model = model;
});

test("finds nothing right after `up`", () => {
  assert.deepEqual(untouched, []);
});

for (const { what, seen } of drifts) {
  test(`a refresh finds it when ${what}`, () => {
    assert.ok(found.includes(seen), `${seen} is not among ${found.join(", ")}`);
  });
}

test("finds what was changed by hand and nothing else", () => {
  assert.deepEqual(found, drifts.map(({ seen }) => seen).sort());
});

test("an update after the refresh puts everything back", async () => {
  assert.equal(repaired.filter((step) => step.startsWith("create")).length, 2);
  assert.deepEqual(afterwards, []);
  const role = await stack.vault.read<{ max_ttl: number }>("database/roles/titan.ledger.quant");
  assert.equal(role?.max_ttl, 3600);
  const everyone = await stack.vault.read<{ policy: string }>("sys/policies/acl/default");
  assert.equal(everyone?.policy, defaultPolicy());
  const approle = await stack.vault.read<{ token_num_uses: number }>("auth/approle/role/titan.quant");
  assert.equal(approle?.token_num_uses, 0);
  assert.deepEqual(Object.keys((await stack.vault.read<Record<string, unknown>>("sys/audit")) ?? {}).sort(), [
    "first/",
    "second/",
  ]);
});

test("a login that was removed with all its roles is found, and comes back with them", async () => {
  await stack.vault.delete("sys/auth/approle");
  assert.deepEqual((await stack.drift()).steps, [
    "delete AuthBackend approle",
    "delete AuthBackendRole titan.quant",
  ]);
  await stack.up({ refresh: true });
  const role = await stack.vault.read<{ token_policies: string[] }>("auth/approle/role/titan.quant");
  assert.deepEqual(role?.token_policies, ["titan.quant"]);
});
