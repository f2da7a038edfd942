import assert from "node:assert/strict";
import { test } from "node:test";
import * as databases from "../../../policies/vault/databases.ts";
import { vault } from "../../../policies/vault/types.ts";
import { changed, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

const user = shipped(vault.databaseRole);
const connection = shipped(vault.connection);
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
