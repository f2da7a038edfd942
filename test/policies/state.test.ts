import assert from "node:assert/strict";
import { test } from "node:test";
import { rules } from "../../policies/rules.ts";
import * as state from "../../policies/state.ts";
import { keyNotDeletable } from "../../policies/vault/encryption.ts";
import { vault } from "../../policies/vault/types.ts";
import { changed, everything, findings, ruleSuite, shipped } from "./examples.ts";

const key = shipped(vault.key, "titan.documents");
const connection = shipped(vault.connection);

ruleSuite(state.dataProtected, key, { unprotected: [{ "@protect": false }, ["it is not protected"]] });
test("state-data-protected: a key that is retired with `delete: true` may lose its protection", () => {
  assert.deepEqual(
    findings(state.dataProtected, [changed(key, { deletionAllowed: true, "@protect": false })]),
    [],
  );
  assert.deepEqual(
    findings(keyNotDeletable, [changed(key, { deletionAllowed: true, "@protect": false })]),
    [],
  );
});
test("state-data-protected: a database that is given up has no users, a secret says so; each may then lose its protection", () => {
  const open = { "@protect": false };
  assert.deepEqual(findings(state.dataProtected, [changed(connection, { allowedRoles: [], ...open })]), []);
  assert.deepEqual(findings(state.dataProtected, [changed(connection, open)]), ["it is not protected"]);
  const secret = shipped("aws:secretsmanager/secret:Secret");
  for (const [description, found] of [
    ["The Postgres user x, retired since 2026-11-01, to be deleted.", []],
    ["The Postgres user x, retired since 2026-11-01.", ["it is not protected"]],
    ["The Postgres user x, which rotates.", ["it is not protected"]],
  ] as const) {
    assert.deepEqual(findings(state.dataProtected, [changed(secret, { description, ...open })]), found);
  }
});
test("state-data-protected: a log that no update deletes needs no protection", () => {
  const log = shipped("aws:cloudwatch/logGroup:LogGroup");
  const open = { "@protect": false };
  assert.deepEqual(findings(state.dataProtected, [changed(log, open)]), []);
  assert.deepEqual(findings(state.dataProtected, [changed(log, { skipDestroy: false, ...open })]), [
    "it is not protected",
  ]);
});
// Joined here, so that no scanner takes this file for a leak.
const planted = (...parts: string[]) => parts.join("");
test("state-no-live-value: leaves a provider's flag alone, which is a text, but no other text under its name", () => {
  const provider = (skipChildToken: string) => [
    { type: "pulumi:providers:vault", props: { skipChildToken } },
  ];
  assert.deepEqual(findings(state.noLiveValue, provider("true")), []);
  assert.deepEqual(findings(state.noLiveValue, provider("false")), []);
  assert.deepEqual(findings(state.noLiveValue, provider("x")), [
    "skipChildToken is the name of a live value",
  ]);
});
ruleSuite(state.noLiveValue, shipped(vault.entity, "ada"), {
  "a password": [{ password: "x" }, ["password is the name of a live value"]],
  "deep inside": [
    { metadata: { backup: { secretKey: "x" } } },
    ["metadata.backup.secretKey is the name of a live value"],
  ],
  "a name that ends as one": [
    { metadata: { db_password: "x", adminPassword: "y" } },
    [
      "metadata.db_password is the name of a live value",
      "metadata.adminPassword is the name of a live value",
    ],
  ],
  "whatever stands below such a name": [
    { metadata: { credentials: { user: "x", rest: ["y"] } } },
    [
      "metadata.credentials.user is the name of a live value",
      "metadata.credentials.rest[0] is the name of a live value",
    ],
  ],
  "a private key": [
    { "metadata.note": planted("-----BEGIN RSA ", "PRIVATE KEY-----\nx") },
    ["metadata.note holds a private key"],
  ],
  "an age key": [
    { "metadata.note": planted("AGE-SECRET-", `KEY-1${"Q".repeat(40)}`) },
    ["metadata.note holds a private age key"],
  ],
  "a Vault token in a list": [
    { tags: ["a", planted("hv", `s.${"a".repeat(24)}`)] },
    ["tags[1] holds a Vault token"],
  ],
  "an AWS key": [
    { "metadata.note": planted("AK", `IA${"A".repeat(16)}`) },
    ["metadata.note holds an AWS access key"],
  ],
  "a URL with a password": [
    { "metadata.note": planted("postgresql://me:", "planted@db/x") },
    ["metadata.note holds a URL with a password"],
  ],
});
const typeJudged = rules.find(({ name }) => name === "state-type-judged");
assert.ok(typeJudged);
const inText: [what: string, value: string][] = [
  ["a private key", planted("-----BEGIN EC ", "PRIVATE KEY-----")],
  ...["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "].map((kind): [string, string] => [
    "a private key",
    btoa(planted(`-----BEGIN ${kind}`, "PRIVATE KEY-----")),
  ]),
  ["a private age key", planted("AGE-SECRET-", `KEY-1${"Q".repeat(40)}`)],
  ...["s", "b", "r"].map((kind): [string, string] => [
    "a Vault token",
    planted(`hv${kind}`, `.${"a".repeat(24)}`),
  ]),
  ...["AKIA", "ASIA"].map((kind): [string, string] => ["an AWS access key", planted(kind, "A".repeat(16))]),
  ...["o", "p", "r", "s", "u"].map((kind): [string, string] => [
    "a GitHub token",
    planted(`gh${kind}`, `_${"a".repeat(36)}`),
  ]),
  ["a GitHub token", planted("github", `_pat_${"a".repeat(30)}`)],
  ["a Slack token", planted("xox", `b-${"1".repeat(12)}`)],
  ["a Slack token", planted("hooks.slack", ".com/services/T0A/B0B/c0c")],
  ["an API key", planted("sk", `-${"a".repeat(24)}`)],
  ["a JSON web token", planted("eyJ", `${"a".repeat(12)}.eyJ${"b".repeat(12)}.${"c".repeat(12)}`)],
  ["an access token", planted("pul", `-${"a".repeat(40)}`)],
  ["a Stripe key", planted("sk", `_live_${"a".repeat(24)}`)],
  ["a Stripe key", planted("rk", `_live_${"a".repeat(24)}`)],
  ["a Stripe key", planted("whsec", `_${"a".repeat(32)}`)],
  ["an access token", planted("glpat", `-${"a".repeat(20)}`)],
  ["an access token", planted("dop", `_v1_${"a".repeat(64)}`)],
  ["an access token", planted("hf", `_${"a".repeat(34)}`)],
  ["a Google API key", planted("AIz", `a${"a".repeat(35)}`)],
  ["a SendGrid key", planted("SG", `.${"a".repeat(22)}.${"b".repeat(43)}`)],
  ["a Slack token", planted("xapp", `-1-A0B1-12-${"a".repeat(20)}`)],
  ["a private key", planted("-----BEGIN PGP PRIV", "ATE KEY BLOCK-----")],
  ["a key of a storage account", planted("Account", `Key=${"a".repeat(86)}==`)],
  ["an access token", planted("npm", `_${"a".repeat(36)}`)],
  ["a Fernet token", planted("gAA", `AAA${"a".repeat(70)}`)],
  ["a URL with a password", planted("postgresql://me:", "planted@db/x")],
  ["a URL with a password", planted("postgresql://{{username}}:", "planted@db/x")],
  ["a password of a connection", planted("postgresql://db/x?sslmode=verify-full&pass", "word=planted")],
  ["a password of a connection", planted("host=db user=me pass", "word=planted")],
];
for (const [what, value] of inText) {
  test(`state-no-live-value: finds ${what} (${value.slice(0, 5)}…) in the middle of a long text`, () => {
    const ada = shipped(vault.entity, "ada");
    const note = `${"before ".repeat(40)} ${value} ${" after".repeat(40)}`;
    assert.deepEqual(findings(state.noLiveValue, [{ ...ada, props: { ...ada.props, note } }]), [
      `note holds ${what}`,
    ]);
  });
}

ruleSuite(typeJudged, shipped(vault.entity, "ada"), {});
test("state-type-judged: refuses a type that no rule looks at", () => {
  assert.deepEqual(findings(typeJudged, [{ type: "vault:index/token:Token", props: {} }]), [
    "no rule judges vault:index/token:Token",
  ]);
});

test("state-bootstrap-ends: refuses a connection whose first password nobody replaces", () => {
  assert.deepEqual(findings(state.bootstrapEnds, everything()), []);
  assert.deepEqual(findings(state.bootstrapEnds, [connection]), [
    `nothing writes database/rotate-root/${String(connection.props.name)}: its first password stays alive`,
  ]);
});
