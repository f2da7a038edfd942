import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as acl from "../../../policies/vault/acl.ts";
import { vault } from "../../../policies/vault/types.ts";
import { findings, ruleSuite } from "../suite.ts";
import { of, policy } from "./policy.ts";

/** What no role but the deploy role, and no group, may do, whatever its duty is. */
const forbidden: [path: string, ...capabilities: string[]][] = [
  ["sys/pol*", "update"],
  ["sys/policies/acl/*", "delete"],
  ["sys/seal", "update"],
  ["sys/storage/raft/snapshot", "read"],
  ["sys/storage/raft/snapshot-force", "update"],
  ["sys/quotas/*", "delete", "update"],
  ["sys/audit/x", "delete", "sudo"],
  ["sys/auth/github", "delete", "sudo"],
  ["sys/wrapping/unwrap", "update"],
  ["auth/+/ro*", "update"],
  ["auth/to*", "update"],
  ["auth/token/create", "update"],
  ["auth/approle/role/x/policies", "update"],
  ["identity/g*", "update"],
  ["identity/+/name/administrators", "update"],
  ["identity/mfa/login-enforcement/*", "delete"],
  ["identity/mfa/login-enf*", "update"],
  ["database/roles/*", "update"],
  ["database/config/*", "update"],
  ["database/static-creds/*", "read"],
  ["transit/keys/x", "delete"],
  ["kv/metadata/*", "delete"],
  ["kv/data/rotation/*", "delete"],
  ["kv/data/services/titan/titan-brain/hmac", "read"],
];
const holders: Record<string, [path: string, ...capabilities: string[]]> = {
  "keyplane.drift": ["sys/auth/github", "read", "sudo"],
  "keyplane.enrol": ["identity/entity/name/+", "read"],
  "keyplane.promotion": ["kv/data/evidence/*", "read"],
  "keyplane.group.administrators": [
    "sys/leases/revoke-prefix/database/creds/titan.ledger.brain",
    "sudo",
    "update",
  ],
  "keyplane.group.auditors": ["kv/metadata/*", "list", "read"],
  "keyplane.group.titan-operators": ["kv/data/source/titan/hmac", "create", "update"],
};
for (const [name, right] of Object.entries(holders)) {
  ruleSuite(
    acl.policyOfItsDuty,
    of(name, right),
    Object.fromEntries(
      forbidden.map(([path, ...capabilities]) => {
        // Vault demands sudo of those who look at a login's settings.
        const looks = path === "sys/auth/github" && /drift|administrators|auditors/.test(name);
        const odd = looks ? ["delete"] : capabilities;
        return [
          `${name} may ${capabilities.join(" and ")} ${path}`,
          [policy(name, right, [path, ...capabilities]), [`"${path}" may ${odd.join(", ")}`]] as const,
        ];
      }),
    ),
  );
}
ruleSuite(acl.policyOfItsDuty, of("keyplane.deploy", ["sys/policies/acl/*", "create", "delete", "update"]), {
  "it makes tokens": [
    policy("keyplane.deploy", ["auth/token/create", "update"]),
    ['"auth/token/create" may update'],
  ],
  "it ends a login that people have": [
    policy("keyplane.deploy", ["sys/auth/oidc", "delete", "sudo"]),
    ['"sys/auth/oidc" may delete'],
  ],
  "it reads values": [
    policy("keyplane.deploy", ["kv/data/source/*", "read"]),
    ['"kv/data/source/*" may read'],
  ],
});
ruleSuite(acl.policyOfItsDuty, of("keyplane.rotate", ["kv/data/source/*", "create", "read", "update"]), {
  "it deletes a path": [
    policy("keyplane.rotate", ["kv/metadata/source/*", "delete"]),
    ['"kv/metadata/source/*" may delete'],
  ],
  "it hashes with a key that is not its own": [
    policy("keyplane.rotate", ["transit/hmac/titan.documents", "update"]),
    ['"transit/hmac/titan.documents" may update'],
  ],
  "it says whatever it likes of a key": [
    policy(
      "keyplane.rotate",
      ["transit/keys/+/config", "create", "update"],
      ["transit/keys/+/trim", "update"],
    ),
    ['"transit/keys/+/config" may create, update', '"transit/keys/+/trim" may update'],
  ],
  "it makes the users of services": [
    policy("keyplane.rotate", ["database/creds/titan.ledger.titan-ai-quant", "read"]),
    ['"database/creds/titan.ledger.titan-ai-quant" may read'],
  ],
});
ruleSuite(
  acl.policyOfItsDuty,
  {
    type: vault.policy,
    props: {
      name: "keyplane.enrol",
      policy:
        'path "auth/userpass/users/+" {\n  capabilities = ["create", "update"]\n  allowed_parameters = {\n    "password" = []\n  }\n}\n',
    },
  },
  {
    "any parameter of a login": [
      policy("keyplane.enrol", ["auth/userpass/users/+", "create", "update"]),
      ['"auth/userpass/users/+" may create, update'],
    ],
    "one parameter more": [
      {
        policy:
          'path "auth/userpass/users/+" {\n  capabilities = ["update"]\n  allowed_parameters = {\n    "password" = []\n    "token_policies" = []\n  }\n}\n',
      },
      ['"auth/userpass/users/+" may update'],
    ],
  },
);
const keyConfig = (...parameters: string[]) => ({
  policy: `path "transit/keys/+/config" {\n  capabilities = ["update"]\n  allowed_parameters = {\n${parameters.map((name) => `    "${name}" = []\n`).join("")}  }\n}\n`,
});
ruleSuite(
  acl.policyOfItsDuty,
  {
    type: vault.policy,
    props: { name: "keyplane.rotate", ...keyConfig("min_decryption_version", "min_encryption_version") },
  },
  {
    "it lets a key be deleted": [
      keyConfig("min_decryption_version", "deletion_allowed"),
      ['"transit/keys/+/config" may update'],
    ],
    "it lets a key leave Vault": [keyConfig("exportable"), ['"transit/keys/+/config" may update']],
  },
);
suite(`policy-of-its-duty: ${acl.policyOfItsDuty.sentence}`, () => {
  test("refuses a role that the platform does not have", () =>
    assert.deepEqual(findings(acl.policyOfItsDuty, [of("keyplane.evil", ["sys/auth", "read"])]), [
      "the platform has no role of this name",
    ]));
  test("refuses a group that sees everything and sets values", () =>
    assert.deepEqual(
      findings(acl.policyOfItsDuty, [
        of(
          "keyplane.group.both",
          ["sys/auth", "read"],
          ["sys/mounts", "read"],
          ["kv/data/source/titan/hmac", "update"],
        ),
      ]),
      ['"kv/data/source/titan/hmac" may update'],
    ));
});
