import assert from "node:assert/strict";
import { test } from "node:test";
import * as audit from "../../../policies/vault/audit.ts";
import * as databases from "../../../policies/vault/databases.ts";
import * as encryption from "../../../policies/vault/encryption.ts";
import { endpointRotatesOnly } from "../../../policies/vault/endpoint.ts";
import * as people from "../../../policies/vault/people.ts";
import * as quotas from "../../../policies/vault/quotas.ts";
import { vault } from "../../../policies/vault/types.ts";
import {
  changed,
  type Example,
  everything,
  everythingBut,
  findings,
  ruleSuite,
  shipped,
} from "../examples.ts";

const user = shipped(vault.databaseRole);
const connection = shipped(vault.connection);
const key = shipped(vault.key, "titan.documents");
const creation = `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`;

ruleSuite(databases.databaseTtl, user, {
  unset: [
    { defaultTtl: undefined, maxTtl: undefined },
    ["defaultTtl is not between 1 and 3600 s", "maxTtl is not between 1 and 3600 s"],
  ],
  "a second over an hour": [{ maxTtl: 3601 }, ["maxTtl is not between 1 and 3600 s"]],
  "the mount's": [{ maxTtl: 0 }, ["maxTtl is not between 1 and 3600 s", "defaultTtl is over maxTtl"]],
});
ruleSuite(databases.databaseGroupMembership, user, {
  unset: [
    { creationStatements: undefined },
    [
      "0 creation statements, where one makes the user",
      "the user joins no group, or does more after it",
      "the user's password does not end with the lease",
      "the name or the password is not Vault's",
    ],
  ],
  "grants instead of a group": [
    { creationStatements: [creation, 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}"'] },
    [
      "2 creation statements, where one makes the user",
      "the user joins no group, or does more after it",
      "rights are granted to each user: slow, and it fails near 2,400 users",
    ],
  ],
  "the server's own group": [
    { creationStatements: [`${creation} IN ROLE "pg_read_all_data"`] },
    ["the user joins a group that the server itself has"],
  ],
  "the server's own group, by the function": [
    {
      creationStatements: [
        "SELECT keyplane.create_user('{{name}}', '{{password}}', '{{expiration}}', 'pg_read_all_data')",
      ],
    },
    ["the user joins a group that the server itself has"],
  ],
  "a renewal that does more": [
    { renewStatements: [`ALTER ROLE "{{name}}" VALID UNTIL '{{expiration}}' SUPERUSER`] },
    ["a renewal does not, or does more than, move the user's end"],
  ],
  "the server's own renewal": [
    { renewStatements: undefined },
    ["a renewal does not, or does more than, move the user's end"],
  ],
  "more than the function's call": [
    {
      creationStatements: [
        "SELECT keyplane.create_user('{{name}}', '{{password}}', '{{expiration}}', 'reader'); GRANT writer TO \"{{name}}\"",
      ],
    },
    [
      "the user joins no group, or does more after it",
      "rights are granted to each user: slow, and it fails near 2,400 users",
      "the user's password does not end with the lease",
    ],
  ],
  "a role beside the user's": [
    {
      creationStatements: [`CREATE ROLE "x" IN ROLE "reader"; ${creation} IN ROLE "pg_write_all_data"`],
    },
    ["the user joins a group that the server itself has"],
  ],
  "a role before the user's, of groups that nobody minds": [
    { creationStatements: [`CREATE ROLE "x" IN ROLE "reader"; ${creation} IN ROLE "writer"`] },
    ["the creation does more than make one user of one group"],
  ],
  "a group that makes users": [
    {
      name: "titan.ledger.titan-brain",
      creationStatements: [
        "SELECT keyplane.create_user('{{name}}', '{{password}}', '{{expiration}}', 'keyplane_admins')",
      ],
    },
    ["the user joins a group of the platform's own"],
  ],
  "an end of its own": [
    {
      creationStatements: ["SELECT keyplane.create_user('{{name}}', '{{password}}', '2100-01-01', 'reader')"],
    },
    ["the user joins no group, or does more after it", "the user's password does not end with the lease"],
  ],
  "a login that never ends": [
    { creationStatements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' IN ROLE "reader"`] },
    ["the user's password does not end with the lease"],
  ],
});
ruleSuite(databases.databaseNoSuperuser, user, {
  unset: [{ creationStatements: [] }, ["there is no creation statement: the database's own default applies"]],
  "a superuser": [
    { creationStatements: [`${creation} SUPERUSER IN ROLE "x"`] },
    ["a creation statement gives SUPERUSER"],
  ],
  "who makes users": [
    { creationStatements: [`${creation} createrole IN ROLE "x"`] },
    ["a creation statement gives CREATEROLE"],
  ],
});
ruleSuite(databases.databaseRevocation, user, {
  unset: [{ revocationStatements: undefined }, ["there are no revocation statements: open sessions go on"]],
  "another function": [
    { revocationStatements: ["SELECT drop_user('{{name}}', 'reader')"] },
    [
      "a statement does something else",
      "new logins are not blocked",
      "open sessions are not ended",
      "the user is not dropped",
    ],
  ],
  "sessions end of nobody": [
    {
      revocationStatements: [
        `ALTER ROLE "{{name}}" NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE false AND usename = '{{name}}'; DROP ROLE IF EXISTS "{{name}}"`,
      ],
    },
    ["a statement does something else", "open sessions are not ended"],
  ],
  "a group that it does not join": [
    { revocationStatements: ["SELECT keyplane.drop_user('{{name}}', 'reader')"] },
    ["the user is dropped from a group that it does not join"],
  ],
  "sessions go on": [
    { revocationStatements: ['ALTER ROLE "{{name}}" NOLOGIN; DROP ROLE "{{name}}"'] },
    ["open sessions are not ended"],
  ],
  "dropped before it is blocked": [
    {
      revocationStatements: [
        `DROP ROLE "{{name}}"; ALTER ROLE "{{name}}" NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'`,
      ],
    },
    ["the statements are not in the order block, end, drop"],
  ],
});
ruleSuite(databases.databaseTls, connection, {
  unset: [{ "postgresql.connectionUrl": undefined }, ["connectionUrl is not set"]],
  "no TLS": [
    { "postgresql.connectionUrl": "postgresql://{{username}}:{{password}}@db:5432/x?sslmode=disable" },
    ["sslmode is disable, not verify-full"],
  ],
  "TLS that verifies no name": [
    { "postgresql.connectionUrl": "postgresql://{{username}}:{{password}}@db:5432/x?sslmode=verify-ca" },
    ["sslmode is verify-ca, not verify-full"],
  ],
  "the mode is not said": [
    { "postgresql.connectionUrl": "postgresql://{{username}}:{{password}}@db:5432/x" },
    ["sslmode is not set, not verify-full"],
  ],
  "another host as a parameter": [
    {
      "postgresql.connectionUrl":
        "postgresql://{{username}}:{{password}}@127.0.0.1:5432/x?sslmode=disable&host=db.acme.example",
    },
    ["sslmode is disable, not verify-full"],
  ],
  "a host that only looks like this machine": [
    {
      "postgresql.connectionUrl":
        "postgresql://{{username}}:{{password}}@127.0.0.1.example:5432/x?sslmode=disable",
    },
    ["sslmode is disable, not verify-full"],
  ],
});
ruleSuite(databases.databaseScram, connection, {
  unset: [
    { "postgresql.passwordAuthentication": undefined },
    ["passwordAuthentication is not scram-sha-256"],
  ],
  "a password": [
    { "postgresql.passwordAuthentication": "password" },
    ["passwordAuthentication is not scram-sha-256"],
  ],
});
ruleSuite(databases.databaseConnectionNarrow, connection, {
  "any role": [{ allowedRoles: ["*"] }, ["allowedRoles admits roles by a pattern"]],
  "no roles are named": [{ allowedRoles: undefined }, ["allowedRoles is not set"]],
  "another's role": [
    { allowedRoles: ["titan.ledger.x"], name: "soma.main", "postgresql.username": "keyplane_soma__main" },
    ["allowedRoles admits titan.ledger.x, which is not of this connection"],
  ],
  "another database's manager": [
    { "postgresql.username": "keyplane_solo__main" },
    ["keyplane_solo__main is the manager of another database than rec-io.trading"],
  ],
  "the server's administrator": [
    { "postgresql.username": "postgres" },
    ["postgres is no manager that the platform made"],
  ],
  "a password in the URL": [
    { "postgresql.connectionUrl": "postgresql://me:planted@db:5432/x?sslmode=verify-full" },
    ["connectionUrl does not take the credentials from Vault"],
  ],
  ...Object.fromEntries(
    [
      "@db:5432/x?sslmode=verify-full&user=postgres&password=planted", // pragma: allowlist secret
      "@db:5432/x?user=postgres&sslmode=verify-full",
      "@db:5432/x?sslmode=verify-full&host=db.other.example",
      "@db:5432/x?sslmode=verify-full&sslrootcert=/tmp/ca",
      "@db:5432,db.other.example:5432/x?sslmode=verify-full",
      "@me@db:5432/x?sslmode=verify-full",
      "@db:5432/x?sslmode=verify-full#more",
      "@/x?sslmode=verify-full",
    ].map((place) => [
      `what overrides it: ${place}`,
      [
        { "postgresql.connectionUrl": `postgresql://{{username}}:{{password}}${place}` },
        ["connectionUrl says more than one host, one database and sslmode"],
      ] as [Record<string, string>, string[]],
    ]),
  ),
  unverified: [
    { verifyConnection: false },
    ["verifyConnection is not true: a wrong connection is only found when it is needed"],
  ],
});
ruleSuite(encryption.keyStays, key, {
  exportable: [{ exportable: true }, ["exportable is not false"]],
  unset: [
    { exportable: undefined, allowPlaintextBackup: undefined },
    ["exportable is not false", "allowPlaintextBackup is not false"],
  ],
});
ruleSuite(encryption.keyNotDeletable, key, {
  deletable: [{ deletionAllowed: true }, ["deletionAllowed is not false while the key is in use"]],
  unset: [{ deletionAllowed: undefined }, ["deletionAllowed is not false while the key is in use"]],
});
ruleSuite(encryption.keyRotates, key, {
  never: [{ autoRotatePeriod: 0 }, ["autoRotatePeriod is not between 1 h and 90 d"]],
  unset: [{ autoRotatePeriod: undefined }, ["autoRotatePeriod is not between 1 h and 90 d"]],
  "a day over 90": [{ autoRotatePeriod: 91 * 86_400 }, ["autoRotatePeriod is not between 1 h and 90 d"]],
});
ruleSuite(encryption.keyRotates, shipped(vault.key, "keyplane.fingerprint"), {
  "fingerprints that change": [
    { autoRotatePeriod: 7_776_000 },
    ["autoRotatePeriod is not 0: fingerprints could no longer be compared"],
  ],
});
ruleSuite(encryption.keyStrong, key, {
  unset: [{ type: undefined }, ["the type is not set"]],
  "128 bits": [{ type: "aes128-gcm96" }, ["the type is aes128-gcm96"]],
  "equal plaintexts show": [
    { convergentEncryption: true },
    ["convergentEncryption shows which plaintexts are equal"],
  ],
});
ruleSuite(encryption.kvVersioned, shipped(vault.mount, "kv"), {
  "version 1": [{ "options.version": "1" }, ["options.version is not 2"]],
  unset: [{ options: undefined }, ["options.version is not 2"]],
});
ruleSuite(encryption.kvKeepsVersions, shipped(vault.kv), {
  "one version": [{ maxVersions: 1 }, ["maxVersions is not between 2 and 50"]],
  unset: [
    { maxVersions: undefined, casRequired: undefined },
    ["maxVersions is not between 2 and 50", "casRequired is not true"],
  ],
  "gone after a week": [{ deleteVersionAfter: 604_800 }, ["deleteVersionAfter deletes what may be in use"]],
});
ruleSuite(people.groupsClosed, shipped(vault.group, "administrators"), {
  "another system decides": [
    { type: "external" },
    ["the group is not internal: another system decides who is in it"],
  ],
  "members are left to others": [
    { externalMemberEntityIds: true },
    ["members or policies that someone else adds are left alone"],
  ],
  "no policy": [{ policies: [] }, ["the group has no policy"]],
  "another group's policy": [
    { policies: ["keyplane.group.platform"] },
    ["the group gets keyplane.group.platform, which is not its own"],
  ],
});
ruleSuite(people.rightsThroughGroups, shipped(vault.entity, "ada"), {
  "a policy of one's own": [{ policies: ["keyplane.deploy"] }, ["the person has keyplane.deploy directly"]],
  unsaid: [{ policies: undefined }, ["policies that someone attaches go unnoticed"]],
});
ruleSuite(people.mfaEnforced, shipped(vault.enforcement), {
  "no method": [{ mfaMethodIds: [] }, ["mfaMethodIds is empty"]],
  "no login": [{ authMethodAccessors: undefined }, ["authMethodAccessors is empty"]],
  unprotected: [{ "@protect": false }, ["the enforcement is not protected: without it a password is enough"]],
});
ruleSuite(people.mfaGuessesBounded, shipped(vault.totp), {
  "four digits": [{ digits: 4 }, ["digits is not between 6 and 8"]],
  "any number of tries": [
    { maxValidationAttempts: undefined },
    ["maxValidationAttempts is not between 1 and 5"],
  ],
  "minutes of codes": [{ skew: 5 }, ["skew is not between 0 and 1"]],
});
ruleSuite(quotas.quotaBounds, shipped(vault.quota, "keyplane.human"), {
  "no bound": [{ rate: 1_000_000 }, ["1000000 requests in 60 s are no bound"]],
  "fewer logins than people need": [
    { interval: 3600 },
    ["60 requests in 3600 s are fewer than a fleet needs"],
  ],
  unset: [
    { rate: undefined, interval: undefined },
    ["rate is not set", "interval is not between 1 and 3600 s"],
  ],
});
ruleSuite(quotas.quotaBounds, shipped(vault.quota, "keyplane.global"), {
  "fewer requests than a fleet needs": [
    { interval: 1001 },
    ["5000 requests in 1001 s are fewer than a fleet needs"],
  ],
});
ruleSuite(endpointRotatesOnly, shipped(vault.endpoint), {
  "a value": [
    { path: "kv/data/source/titan/hmac", dataJson: '{"data":{"primary":"planted"}}' },
    ['it writes to "kv/data/source/titan/hmac"', "dataJson has more than when it is to be done"],
  ],
  "reads it back": [
    { disableRead: false },
    ["disableRead is not true: what is read there lands in the state"],
  ],
});
/** All of production with some resources changed, taken away or added. */
function production(change: (example: Example) => Example | undefined, ...more: Example[]): Example[] {
  return [...everything().flatMap((example) => change(example) ?? []), ...more];
}
const without = (type: string) => production((example) => (example.type === type ? undefined : example));
const patched = (type: string, patch: Parameters<typeof changed>[1]) =>
  production((example) => (example.type === type ? changed(example, patch) : example));

test("audit-devices-apart: passes the shipped Vault, and a part that has none of the platform", () => {
  assert.deepEqual(findings(audit.auditDevicesApart, everything()), []);
  assert.deepEqual(findings(audit.auditDevicesApart, [user]), []);
});
test("audit-devices-apart: refuses no device, one, and two in one folder", () => {
  const message = (devices: number, domains: number) =>
    `${devices} audit device(s) on ${domains} failure domain(s): Vault stops when all of them block, and nothing is on record when they fail`;
  assert.deepEqual(findings(audit.auditDevicesApart, without(vault.audit)), [message(0, 0)]);
  const same = { type: "file", options: { file_path: "/var/log/vault/audit.log" } };
  assert.deepEqual(findings(audit.auditDevicesApart, patched(vault.audit, same)), [message(2, 1)]);
});
test("database-roles-admitted: refuses a role that its connection does not admit, and one that nobody declares", () => {
  assert.deepEqual(findings(databases.databaseRolesAdmitted, everything()), []);
  const wrong = [changed(connection, { allowedRoles: ["soma.other.x"], name: "soma.other" }), user];
  assert.deepEqual(findings(databases.databaseRolesAdmitted, wrong), [
    "allowedRoles has soma.other.x, which nobody declares",
  ]);
  assert.deepEqual(findings(databases.databaseRolesAdmitted, [changed(user, { dbName: "other" })]), [
    "the role is not named after its connection",
  ]);
});
test("kv-configured: refuses a key-value engine of which nobody says what it keeps", () => {
  assert.deepEqual(findings(encryption.kvConfigured, everything()), []);
  assert.deepEqual(findings(encryption.kvConfigured, without(vault.kv)), [
    "nothing says how many versions it keeps and that writes name the version before",
  ]);
});
test("two-administrators: refuses one administrator, and no such group", () => {
  assert.deepEqual(findings(people.twoAdministrators, everything()), []);
  assert.deepEqual(findings(people.twoAdministrators, patched(vault.group, { memberEntityIds: ["one"] })), [
    "1 administrator(s)",
  ]);
  assert.deepEqual(findings(people.twoAdministrators, without(vault.group)), [
    "there is no group administrators",
  ]);
});
test("everyone-in-a-group: refuses who is in none, and a member who cannot log in", () => {
  assert.deepEqual(findings(people.everyoneInAGroup, everything()), []);
  const stranger = { ...shipped(vault.alias), props: { name: "zed", canonicalId: "zed" } };
  assert.deepEqual(findings(people.everyoneInAGroup, [...everything(), stranger]), [
    "the person is in no group",
  ]);
  const group = { ...shipped(vault.group), props: { memberEntityIds: ["nobody"] } };
  assert.deepEqual(findings(people.everyoneInAGroup, [...everything(), group]), [
    "a member is nobody who can log in",
  ]);
});
test("mfa-for-people: refuses a human login without, a machine's with, and a method that is not ours (R50)", () => {
  assert.deepEqual(findings(people.mfaForPeople, everything()), []);
  assert.deepEqual(findings(people.mfaForPeople, without(vault.enforcement)), [
    "no enforcement asks for a second factor",
  ]);
  assert.deepEqual(
    findings(
      people.mfaForPeople,
      patched(vault.enforcement, { authMethodAccessors: ["accessor-of-github"] }),
    ),
    [
      "no enforcement names its accessor",
      "it names a login that is not people's: a machine could never log in",
    ],
  );
  assert.deepEqual(findings(people.mfaForPeople, patched(vault.enforcement, { mfaMethodIds: ["other"] })), [
    "a method that it names is none of ours",
  ]);
});
test("alias-of-login: refuses a name by a pattern and a login of machines", () => {
  assert.deepEqual(findings(people.aliasOfLogin, everything()), []);
  const login = everything().filter(({ type }) => type === vault.auth || type === vault.entity);
  assert.deepEqual(
    findings(people.aliasOfLogin, [...login, changed(shipped(vault.alias), { name: "*@acme.example" })]),
    ["the alias has no exact name"],
  );
  assert.deepEqual(
    findings(people.aliasOfLogin, [
      ...login,
      changed(shipped(vault.alias), { mountAccessor: "accessor-of-approle" }),
    ]),
    ["mountAccessor is of no login of people"],
  );
});
test("alias-of-login: refuses that somebody logs in by another's name, or by nobody's", () => {
  const as = (name: string) => findings(people.aliasOfLogin, everythingBut(vault.alias, { name }, "ada"));
  assert.deepEqual(as("ben@acme.example"), ["ben@acme.example logs in as somebody else already"]);
  assert.deepEqual(as("eve@acme.example"), ["eve@acme.example is neither a person's name nor address"]);
});
test("quota-everywhere: refuses a Vault without a bound for all, and a login without one", () => {
  assert.deepEqual(findings(quotas.quotaEverywhere, everything()), []);
  assert.deepEqual(
    findings(quotas.quotaEverywhere, patched(vault.quota, { path: "" })),
    [
      "no quota bounds logins at auth/aws/login",
      "no quota bounds logins at auth/oidc/oidc/callback",
      "no quota bounds logins at auth/approle/login",
      "no quota bounds logins at auth/github/login",
    ].toSorted((a, b) => order(a) - order(b)),
  );
  const people = [
    shipped(vault.mount),
    changed(shipped(vault.auth, "oidc"), { type: "userpass", path: "userpass" }),
  ];
  const quota = (path: string) => [
    shipped(vault.quota, "keyplane.global"),
    changed(shipped(vault.quota, "keyplane.human"), { path }),
  ];
  for (const path of ["auth/userpass", "auth/userpass/", "auth/userpass/*", "auth/userpass/login/*"]) {
    assert.deepEqual(findings(quotas.quotaEverywhere, [...people, ...quota(path)]), [], path);
  }
  for (const path of [
    "auth/userpass/login",
    "auth/userpass/users/*",
    "auth/userpas*",
    "auth/other/login/*",
    "*",
  ]) {
    assert.deepEqual(
      findings(quotas.quotaEverywhere, [...people, ...quota(path)]),
      ["no quota bounds logins at auth/userpass/login/NAME"],
      path,
    );
  }
  const radius = changed(shipped(vault.auth, "oidc"), { type: "radius", path: "radius" });
  assert.deepEqual(findings(quotas.quotaEverywhere, [radius, ...quota("auth/radius/login")]), [
    "no quota bounds logins at auth/radius/login/NAME",
  ]);
});
function order(message: string): number {
  return everything().findIndex(({ props }) => message.includes(` auth/${String(props.path)}/`));
}

test("database-login-own: refuses a policy that asks for another service's database user of its own system", () => {
  const asks = (login: string) => {
    const { policy } = shipped(vault.policy, "titan.titan-sentinel").props;
    const more = `${String(policy)}\npath "database/creds/${login}" {\n  capabilities = ["read"]\n}\n`;
    return findings(
      databases.databaseLoginOwn,
      everythingBut(vault.policy, { policy: more }, "titan.titan-sentinel"),
    );
  };
  assert.deepEqual(findings(databases.databaseLoginOwn, everything()), []);
  assert.deepEqual(asks("titan.ledger.titan-ai-quant"), [
    `"titan.ledger.titan-ai-quant" is not titan.titan-sentinel's`,
  ]);
  // The former name of a service, of which only the user is left.
  assert.deepEqual(asks("titan.ledger.titan-guard"), []);
});
