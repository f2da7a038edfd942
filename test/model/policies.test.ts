import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { renderPolicy } from "../../model/policies.ts";
import type { Policy } from "../../model/vault.ts";

const catalogue = await loadCatalogue("catalogue");
const environments = ["local", "staging", "production"].map((environment) => derive(catalogue, environment));
const local = environments[0] as Model;

/** Vault's own matching: "+" is one segment, "*" at the end anything. Written again here, on purpose. */
function matches(pattern: string, path: string): boolean {
  const open = pattern.endsWith("*");
  const parts = (open ? pattern.slice(0, -1) : pattern).split("/");
  const given = path.split("/");
  if (open ? given.length < parts.length : given.length !== parts.length) return false;
  return parts.every((part, index) => {
    if (open && index === parts.length - 1) return given.slice(index).join("/").startsWith(part);
    return part === "+" ? given[index] !== undefined : part === given[index];
  });
}

function may(policy: Policy, path: string, capability: string): boolean {
  return policy.rules.some(
    (rule) => matches(rule.path, path) && (rule.capabilities as string[]).includes(capability),
  );
}

const isConsumer = ({ of }: Policy) => of.kind === "service" || of.kind === "ci";
const named = (model: Model, name: string): Policy => {
  const found = model.policies.find((policy) => policy.name === name);
  assert.ok(found, name);
  return found;
};

suite("consumer policies hold exact paths (R7)", () => {
  for (const model of environments) {
    test(`no consumer of ${model.environment} reaches another's path, for every pair`, () => {
      let pairs = 0;
      for (const policy of model.policies.filter(isConsumer)) {
        for (const { consumers, source, journal } of model.secrets) {
          assert.equal(may(policy, `kv/data/${source}`, "read"), false, policy.name);
          assert.equal(may(policy, `kv/data/${journal}`, "read"), false, policy.name);
          for (const { id, path } of consumers) {
            pairs++;
            assert.equal(
              may(policy, `kv/data/${path}`, "read"),
              policy.of.id === id,
              `${policy.name} ${path}`,
            );
            assert.equal(may(policy, `kv/data/${path}`, "update"), false);
          }
        }
        for (const user of model.databases.flatMap(({ users }) => users)) {
          pairs++;
          assert.equal(may(policy, `database/creds/${user.role}`, "read"), policy.of.id === user.service);
        }
      }
      assert.ok(pairs > 500, String(pairs));
    });
    test(`no consumer of ${model.environment} has a pattern, sudo or a write outside transit`, () => {
      for (const policy of model.policies.filter(isConsumer)) {
        for (const { path, capabilities } of policy.rules) {
          assert.doesNotMatch(path, /[*+]/);
          assert.deepEqual(capabilities, path.startsWith("transit/") ? ["update"] : ["read"]);
        }
      }
    });
  }
  test("the policy of titan-brain, in Vault's language", () => {
    assert.equal(
      renderPolicy(named(local, "titan.titan-brain")),
      `# What titan/titan-brain reads, and nothing else.
# For service titan/titan-brain.

path "kv/data/services/titan/titan-brain/hmac" {
  capabilities = ["read"]
}

path "kv/data/services/titan/titan-brain/ledger-titan-brain" {
  capabilities = ["read"]
}

path "kv/data/services/titan/titan-brain/nats" {
  capabilities = ["read"]
}

path "transit/decrypt/titan.documents" {
  capabilities = ["update"]
}

path "transit/encrypt/titan.documents" {
  capabilities = ["update"]
}
`,
    );
  });
  test("how an answer must be wrapped, in Vault's language", () => {
    assert.match(
      renderPolicy(named(local, "keyplane.enrol")),
      /^path "auth\/approle\/role\/titan\.titan-brain\/secret-id" \{\n {2}capabilities = \["update"\]\n {2}min_wrapping_ttl = "60s"\n {2}max_wrapping_ttl = "3600s"\n\}$/m,
    );
  });
  test("a CI job reads its own copies of the secrets that it names", () => {
    assert.deepEqual(named(local, "titan.ci.deploy").rules, [
      { path: "kv/data/ci/titan/deploy/grafana-admin", capabilities: ["read"] },
    ]);
  });
});

suite("people's policies", () => {
  test("operators set values without seeing them, also not through a host's secret id", () => {
    const policy = named(local, "keyplane.group.titan-operators");
    assert.deepEqual(
      policy.rules.filter(({ path }) => path.startsWith("auth/")),
      [],
    );
    assert.equal(may(policy, "kv/data/source/titan/hmac", "update"), true);
    assert.equal(may(policy, "kv/data/source/titan/hmac", "read"), false);
    assert.equal(may(policy, "kv/data/source/soma/openai", "update"), false);
  });
  test("whoever hands out a secret id gets it wrapped only, and reads that host's values anyway or administers", () => {
    const handing = local.policies.flatMap(({ of, rules }) =>
      rules
        .filter(({ path, capabilities }) => path.endsWith("/secret-id") && capabilities.includes("update"))
        .map(({ path, wrapping }) => ({ who: of.id, system: path.split("/")[3]?.split(".")[0], wrapping })),
    );
    assert.deepEqual(
      [...new Set(handing.map(({ wrapping }) => JSON.stringify(wrapping)))],
      ['{"min":60,"max":3600}'],
    );
    assert.deepEqual(
      [
        ...new Set(handing.map(({ who, system }) => (who.startsWith("rec-io") ? `${who} ${system}` : who))),
      ].sort(),
      ["administrators", "keyplane.enrol", "rec-io-architect rec-io", "rec-io-operators rec-io"],
    );
  });
  test("administrators stop a person and a host's secret id, and change nothing else of them", () => {
    const { rules } = named(local, "keyplane.group.administrators");
    assert.deepEqual(
      rules.find(({ path }) => path === "identity/entity/name/ada"),
      {
        path: "identity/entity/name/ada",
        capabilities: ["update"],
        parameters: ["disabled"],
      },
    );
    assert.deepEqual(
      rules.find(({ path }) => path === "auth/approle/role/titan.titan-brain/secret-id-accessor/destroy"),
      {
        path: "auth/approle/role/titan.titan-brain/secret-id-accessor/destroy",
        capabilities: ["update"],
      },
    );
  });
  test("those who look after rec-io read its values, and nobody else does (R59)", () => {
    const readers = local.policies
      .filter(({ of }) => of.kind === "group")
      .filter((policy) => may(policy, "kv/data/source/rec-io/kalshi", "read"));
    assert.deepEqual(
      readers.map(({ of }) => of.id),
      ["rec-io-architect", "rec-io-operators"],
    );
  });
  test("auditors see configuration and metadata, never a value", () => {
    const policy = named(local, "keyplane.group.auditors");
    assert.equal(may(policy, "kv/metadata/source/titan/hmac", "read"), true);
    for (const { source, consumers } of local.secrets) {
      for (const path of [source, ...consumers.map((c) => c.path)])
        assert.equal(may(policy, `kv/data/${path}`, "read"), false);
    }
  });
});

suite("the platform's own policies", () => {
  /** Paths that Vault 1.21.1 protects: Root of vault/logical_system.go and vault/token_store.go. */
  const root = [
    "sys/auth/+",
    "sys/auth/+/tune",
    "sys/audit",
    "sys/audit/+",
    "sys/leases/lookup/*",
    "sys/leases/revoke-prefix/*",
    "auth/token/accessors",
  ];
  test("the default policy is declared: whoever widens it is seen", () => {
    for (const { path } of named(local, "default").rules) {
      assert.doesNotMatch(path, /^(kv|database|transit|auth\/(?!token\/[a-z]+-self$))/);
    }
  });
  test("enrol gives a login a password and nothing else: no policy, no token setting", () => {
    assert.deepEqual(
      named(local, "keyplane.enrol").rules.filter(({ path }) => path.startsWith("auth/userpass/users/")),
      [
        {
          path: "auth/userpass/users/+",
          capabilities: ["create", "delete", "update"],
          parameters: ["password"],
        },
      ],
    );
  });
  test("rotation says of an encryption key which versions are accepted and kept, and nothing else (R24)", () => {
    assert.deepEqual(
      named(local, "keyplane.rotate").rules.filter(({ path }) =>
        /^transit\/keys\/\+\/(config|trim)$/.test(path),
      ),
      [
        {
          path: "transit/keys/+/config",
          capabilities: ["create", "update"],
          parameters: ["min_decryption_version", "min_encryption_version"],
        },
        { path: "transit/keys/+/trim", capabilities: ["update"], parameters: ["min_available_version"] },
      ],
    );
  });
  test("sudo stands only where Vault demands it, and at exact paths but for audit devices' names", () => {
    for (const policy of local.policies) {
      for (const { path, capabilities } of policy.rules.filter((rule) =>
        rule.capabilities.includes("sudo"),
      )) {
        assert.ok(
          root.some((pattern) => matches(pattern, path)),
          `${policy.name} ${path} ${capabilities}`,
        );
        assert.doesNotMatch(path === "sys/audit/+" ? "" : path, /[*+]/);
      }
    }
  });
  test("sudo stands wherever Vault demands it", () => {
    for (const policy of local.policies) {
      const bare = policy.rules.filter(
        ({ path, capabilities }) =>
          root.some((pattern) => matches(pattern, path)) && !capabilities.includes("sudo"),
      );
      assert.deepEqual(bare, [], policy.name);
    }
  });
  test("drift writes nothing and reads no value", () => {
    for (const { path, capabilities } of named(local, "keyplane.drift").rules) {
      assert.deepEqual(
        capabilities.filter((c) => !["read", "list", "sudo"].includes(c)),
        [],
        path,
      );
      assert.doesNotMatch(path, /^(kv\/data|database\/creds|transit\/(decrypt|encrypt|hmac))/);
    }
  });
  test("deploy reads and writes no secret's value, and cannot delete a mount that holds data", () => {
    const deploy = named(local, "keyplane.deploy");
    for (const { source, consumers } of local.secrets) {
      for (const path of [source, ...consumers.map((c) => c.path)]) {
        for (const capability of ["read", "update", "create"])
          assert.equal(may(deploy, `kv/data/${path}`, capability), false);
      }
    }
    for (const mount of ["kv", "transit", "database"])
      assert.equal(may(deploy, `sys/mounts/${mount}`, "delete"), false);
  });
  test("rotate alone writes sources, consumers' paths and its journal, and deletes no path", () => {
    const rotate = named(local, "keyplane.rotate");
    for (const { source, journal, consumers } of local.secrets) {
      for (const path of [source, journal, ...consumers.map((c) => c.path)]) {
        assert.equal(may(rotate, `kv/data/${path}`, "update"), true, path);
        assert.equal(may(rotate, `kv/metadata/${path}`, "delete"), false, path);
        assert.equal(may(rotate, `kv/data/${path}`, "delete"), false, path);
      }
    }
  });
  test("two policies never have one name, and one policy never has two rules for a path", () => {
    for (const model of environments) {
      const names = model.policies.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const { rules } of model.policies)
        assert.equal(new Set(rules.map(({ path }) => path)).size, rules.length);
    }
  });
});
