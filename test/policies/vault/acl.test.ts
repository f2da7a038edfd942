import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { renderPolicy } from "../../../model/policies.ts";
import { unknown } from "../../../policies/unknown.ts";
import * as acl from "../../../policies/vault/acl.ts";
import { readAcl } from "../../../policies/vault/acl-text.ts";
import { AclTextError } from "../../../policies/vault/acl-tokens.ts";
import { vault } from "../../../policies/vault/types.ts";
import { findings, ruleSuite } from "../suite.ts";
import { of, policy } from "./policy.ts";

const brain = "titan.titan-brain";
const own = "kv/data/services/titan/titan-brain/hmac";

ruleSuite(acl.policyReadable, of(brain, [own, "read"]), {
  "no text": [{ policy: undefined }, ["the policy has no text"]],
  "no name": [{ name: undefined }, ["the policy has no name"]],
  "a word that is no block": [
    { policy: 'import "x"' },
    ["the policy cannot be read: expected path, found import"],
  ],
  "a path without capabilities": [
    { policy: 'path "a" { min_wrapping_ttl = "60s" }' },
    ['the policy cannot be read: the path "a" has no list of capabilities'],
  ],
  // Vault 1.21.1 vault/policy.go: it adds create, read, update, delete, list and sudo to the path's capabilities.
  "rights by the old word for them": [
    { policy: `path "${own}" { capabilities = ["read"] policy = "sudo" }` },
    [`the policy cannot be read: the path "${own}" has policy, which no rule judges`],
  ],
  "a setting of Vault Enterprise": [
    { policy: `path "${own}" { capabilities = ["read"] mfa_methods = ["x"] }` },
    [`the policy cannot be read: the path "${own}" has mfa_methods, which no rule judges`],
  ],
  "parameters that are no map": [
    { policy: `path "${own}" { capabilities = ["read"] allowed_parameters = ["x"] }` },
    [`the policy cannot be read: the path "${own}" has allowed_parameters, which are no map of lists`],
  ],
  "a path that leaves its place": [
    policy(brain, ["kv/data/services/titan/titan-brain/../../source/hmac", "read"]),
    [
      'the policy cannot be read: the path "kv/data/services/titan/titan-brain/../../source/hmac" has a segment that is empty or dots',
    ],
  ],
  "a path from the root": [
    policy(brain, ["/sys/policies/acl/x", "update"]),
    ['the policy cannot be read: the path "/sys/policies/acl/x" has a segment that is empty or dots'],
  ],
  "a block that does not end": [{ policy: 'path "a" {' }, ["the policy cannot be read: the end is no name"]],
});
ruleSuite(acl.policyCapabilitiesKnown, of(brain, [own, "read"]), {
  "a capability that there is not": [
    policy(brain, [own, "raed"]),
    [`"${own}" has raed, which Vault does not know`],
  ],
  "no capability": [policy(brain, [own]), [`"${own}" has no capability`]],
  everything: [policy("keyplane.deploy", ["*", "read"]), ['"*" takes in a whole mount']],
  "a whole mount": [policy("keyplane.deploy", ["sys/*", "read"]), ['"sys/*" takes in a whole mount']],
});
ruleSuite(acl.consumerNoSudo, of(brain, [own, "read"]), {
  "sudo of a service": [policy(brain, [own, "read", "sudo"]), [`sudo on "${own}"`]],
});
ruleSuite(acl.consumerExactPaths, of(brain, [own, "read"]), {
  "a pattern at the end": [policy(brain, [`${own}/*`, "read"]), [`"${own}/*" is a pattern`]],
  "a segment left open": [
    policy(brain, ["kv/data/services/+/titan-brain/hmac", "read"]),
    ['"kv/data/services/+/titan-brain/hmac" is a pattern'],
  ],
  "a template": [
    policy(brain, ["kv/data/{{identity.entity.name}}", "read"]),
    ['"kv/data/{{identity.entity.name}}" depends on who logs in'],
  ],
});
ruleSuite(
  acl.consumerOwnPaths,
  of(brain, [own, "read"], ["database/creds/titan.ledger.titan-brain", "read"]),
  {
    "another service's value": [
      policy(brain, ["kv/data/services/titan/titan-sentinel/hmac", "read"]),
      ['"kv/data/services/titan/titan-sentinel/hmac" is not the consumer\'s own'],
    ],
    "a service whose name only begins so": [
      policy(brain, ["kv/data/services/titan/titan-brain-2/hmac", "read"]),
      ['"kv/data/services/titan/titan-brain-2/hmac" is not the consumer\'s own'],
    ],
    "a source": [
      policy(brain, ["kv/data/source/titan/hmac", "read"]),
      ['"kv/data/source/titan/hmac" is not the consumer\'s own'],
    ],
    "a login that alters every user of a database": [
      policy(brain, ["database/creds/titan.ledger.keyplane.rotate", "read"]),
      ['"database/creds/titan.ledger.keyplane.rotate" is not the consumer\'s own'],
    ],
    "a name that is no consumer's": [
      policy("titan.titan-brain.more", ["kv/data/services/titan/titan-brain/hmac", "read"]),
      ['"kv/data/services/titan/titan-brain/hmac" is not the consumer\'s own'],
    ],
    "a write": [policy(brain, [own, "read", "update"]), [`"${own}" may update beside read`]],
    "a key that a job uses": [
      policy("titan.ci.deploy", ["transit/decrypt/titan.documents", "update"]),
      ['"transit/decrypt/titan.documents" is not the consumer\'s own'],
    ],
    "another system's key": [
      policy(brain, ["transit/decrypt/soma.documents", "update"]),
      ['"transit/decrypt/soma.documents" is not the consumer\'s own'],
    ],
  },
);
ruleSuite(
  acl.sudoExact,
  of("keyplane.drift", ["sys/audit", "read", "sudo"], ["sys/auth/github/tune", "read", "sudo"]),
  {
    "sudo by a pattern": [
      policy("keyplane.drift", ["sys/auth/*", "read", "sudo"]),
      ['sudo on "sys/auth/*", which is not one of the paths that the platform needs it for'],
    ],
    "sudo on raw storage": [
      policy("keyplane.deploy", ["sys/raw/core", "read", "sudo"]),
      ['sudo on "sys/raw/core", which is not one of the paths that the platform needs it for'],
    ],
  },
);
ruleSuite(acl.valuesReadByFew, of("keyplane.deploy", ["kv/config", "read"], ["kv/data/rotation/x", "read"]), {
  "the deploy role reads values": [
    policy("keyplane.deploy", ["kv/data/source/*", "read"]),
    ['"kv/data/source/*" reaches values'],
  ],
  "by an open mount": [
    policy("keyplane.drift", ["+/data/source/x", "read"]),
    ['"+/data/source/x" reaches values'],
  ],
  "database users": [
    policy("keyplane.enrol", ["database/creds/+", "read"]),
    ['"database/creds/+" reaches values'],
  ],
  "users of the database's own rotation": [
    policy("keyplane.enrol", ["database/static-creds/*", "read"]),
    ['"database/static-creds/*" reaches values'],
  ],
  "the beginning of a mount": [policy("keyplane.drift", ["k*", "read"]), ['"k*" reaches values']],
  "data keys in clear": [
    policy("keyplane.drift", ["transit/datakey/plaintext/x", "update"]),
    ['"transit/datakey/plaintext/x" reaches values'],
  ],
});
ruleSuite(
  acl.noPatternAcrossSystems,
  of("keyplane.group.titan-operators", ["kv/data/source/titan/hmac", "create"]),
  {
    "a group reads every system": [
      policy("keyplane.group.titan-operators", ["kv/data/source/+/hmac", "read"]),
      ['"kv/data/source/+/hmac" reaches every system'],
    ],
    "a group makes every database user": [
      policy("keyplane.group.titan-operators", ["database/creds/*", "read"]),
      ['"database/creds/*" reaches every system'],
    ],
  },
);
ruleSuite(
  acl.policiesWrittenByDeploy,
  of("keyplane.drift", ["sys/policies/acl/*", "read"], ["auth/token/revoke-accessor", "update"]),
  {
    "drift writes policies": [
      policy("keyplane.drift", ["sys/policies/acl/x", "update"]),
      ['"sys/policies/acl/x" can be written'],
    ],
    "a group makes tokens": [
      policy("keyplane.group.platform", ["auth/token/create", "update"]),
      ['"auth/token/create" can be written'],
    ],
    "enrolment writes any user's policies": [
      policy("keyplane.enrol", ["auth/userpass/users/+", "create"]),
      ['"auth/userpass/users/+" can be written'],
    ],
    ...Object.fromEntries(
      [
        "sys/pol*",
        "identity/+/name/administrators",
        "identity/g*",
        "auth/+/ro*",
        "auth/to*",
        "auth/approle/role/x/policies",
        "auth/{{identity.entity.name}}",
        "sys/seal",
        "sys/storage/raft/snapshot-force",
        "database/roles/*",
        "database/config/*",
      ].map((path) => [
        `a pattern that reaches rights: ${path}`,
        [policy("keyplane.drift", [path, "update"]), [`"${path}" can be written`]] as const,
      ]),
    ),
    "who deletes a right": [
      policy("keyplane.drift", ["sys/policies/acl/*", "delete"]),
      ['"sys/policies/acl/*" can be written'],
    ],
    "any parameter": [
      {
        policy:
          'path "sys/policies/acl/x" {\n  capabilities = ["update"]\n  allowed_parameters = {\n    "*" = []\n  }\n}',
      },
      ['"sys/policies/acl/x" can be written'],
    ],
    "the parameter that gives rights": [
      {
        policy:
          'path "auth/userpass/users/+" {\n  capabilities = ["update"]\n  allowed_parameters = {\n    "token_policies" = []\n  }\n}',
      },
      ['"auth/userpass/users/+" can be written'],
    ],
    "rotation adds a member": [
      policy("keyplane.rotate", ["identity/group/name/administrators", "update"]),
      ['"identity/group/name/administrators" can be written'],
    ],
  },
);
ruleSuite(acl.defaultPolicySelf, of("default", ["auth/token/lookup-self", "read"]), {
  "more than one's own": [
    policy("default", ["kv/data/x", "read"]),
    ['"kv/data/x" is more than a token\'s own affairs'],
  ],
  "not protected": [{ "@protect": false }, ["it is not protected, and Vault refuses to delete it"]],
});
suite(`default-policy-declared: ${acl.defaultPolicyDeclared.sentence}`, () => {
  const mount = { type: vault.mount, props: { type: "kv", path: "kv" } };
  const missing =
    "the policy default is not declared: every token may hash by sys/tools and ask every OIDC provider of this Vault";
  test("passes what declares it", () =>
    assert.deepEqual(findings(acl.defaultPolicyDeclared, [mount, of("default")]), []));
  test("refuses mounts without it", () =>
    assert.deepEqual(findings(acl.defaultPolicyDeclared, [mount, of(brain, [own, "read"])]), [missing]));
  test("refuses a login without it", () =>
    assert.deepEqual(findings(acl.defaultPolicyDeclared, [{ type: vault.jwt, props: {} }]), [missing]));
  test("leaves a part that declares no mount alone", () =>
    assert.deepEqual(findings(acl.defaultPolicyDeclared, [of(brain, [own, "read"])]), []));
  test("is pending while the name of a policy is unknown", () =>
    assert.deepEqual(
      findings(acl.defaultPolicyDeclared, [mount, { type: vault.policy, props: { name: unknown } }]),
      ["pending"],
    ));
});
const secretId = 'path "auth/approle/role/titan.brain/secret-id" {\n  capabilities = ["update"]\n';
ruleSuite(
  acl.secretIdsWrapped,
  {
    type: vault.policy,
    props: {
      name: "keyplane.enrol",
      policy: `${secretId}  min_wrapping_ttl = "60s"\n  max_wrapping_ttl = "900s"\n}\n`,
    },
  },
  {
    "in clear": [
      { policy: `${secretId}}\n` },
      ['"auth/approle/role/titan.brain/secret-id" answers in clear'],
    ],
    "wrapped for no time": [
      { policy: `${secretId}  min_wrapping_ttl = "0s"\n  max_wrapping_ttl = "900s"\n}\n` },
      ['"auth/approle/role/titan.brain/secret-id" answers in clear'],
    ],
    "wrapped for a year": [
      { policy: `${secretId}  min_wrapping_ttl = "60s"\n  max_wrapping_ttl = "8760h"\n}\n` },
      ['"auth/approle/role/titan.brain/secret-id" answers wrapped for over an hour'],
    ],
    "wrapped for as long as one likes": [
      { policy: `${secretId}  min_wrapping_ttl = "60s"\n}\n` },
      ['"auth/approle/role/titan.brain/secret-id" answers in clear'],
    ],
  },
);

test("reads back what the model renders, whatever the paths and parameters", () => {
  const word = fc.stringMatching(/^[a-z0-9+*{}"\\ -]{1,12}$/);
  const rule = fc.record(
    {
      path: word,
      capabilities: fc.uniqueArray(fc.constantFrom("read" as const, "sudo" as const, "update" as const), {
        minLength: 1,
      }),
      wrapping: fc.constant({ min: 60, max: 900 }),
      parameters: fc.uniqueArray(word, { minLength: 1 }),
    },
    { requiredKeys: ["path", "capabilities"] },
  );
  fc.assert(
    fc.property(fc.array(rule), (rules) => {
      const text = renderPolicy({
        name: "x",
        purpose: "Whatever.",
        of: { kind: "platform", id: "x" },
        rules,
      });
      const plain = (path: string, capabilities: string[], wrapped: boolean, parameters: string[] = []) => ({
        path,
        capabilities,
        wrapped,
        parameters: parameters.toSorted(),
      });
      assert.deepEqual(
        readAcl(text).map((read) => plain(read.path, read.capabilities, read.wrapped, read.parameters)),
        rules.map((said) =>
          plain(
            said.path,
            said.capabilities,
            said.wrapping !== undefined,
            // "*" admits any.
            said.parameters?.includes("*") === true ? [] : said.parameters,
          ),
        ),
      );
    }),
  );
});

test("a text is read as a whole or refused: no rule is lost behind what cannot be read", () => {
  fc.assert(
    fc.property(fc.string(), (junk) => {
      const text = `${junk}\npath "x" { capabilities = ["sudo"] }\n`;
      let rules: ReturnType<typeof readAcl>;
      try {
        rules = readAcl(text);
      } catch (error) {
        assert.ok(error instanceof AclTextError);
        return;
      }
      assert.equal(rules.at(-1)?.path, "x");
    }),
  );
});
