import assert from "node:assert/strict";
import test from "node:test";
import { grantStatements } from "../../../local/services/databases.ts";
import { parseGrant } from "../../../local/services/grants.ts";

const where = { group: "ledger_reader", creators: ["postgres", "keyplane_ledger"], database: "ledger" };

test("a grant on all tables also covers the tables that come later (R8)", () => {
  assert.deepEqual(grantStatements(parseGrant('SELECT, INSERT ON ALL TABLES IN SCHEMA "public"'), where), [
    'GRANT USAGE ON SCHEMA "public" TO "ledger_reader"',
    'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "public" TO "ledger_reader"',
    'ALTER DEFAULT PRIVILEGES FOR ROLE "postgres" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "ledger_reader"',
    'ALTER DEFAULT PRIVILEGES FOR ROLE "keyplane_ledger" IN SCHEMA "public" GRANT SELECT, INSERT ON TABLES TO "ledger_reader"',
  ]);
});

for (const [text, statements] of [
  ['USAGE ON SCHEMA "Books"', ['GRANT USAGE ON SCHEMA "Books" TO "ledger_reader"']],
  ["create on schema Books", ['GRANT CREATE ON SCHEMA "books" TO "ledger_reader"']],
  ["TEMPORARY ON DATABASE ledger", ['GRANT TEMPORARY ON DATABASE "ledger" TO "ledger_reader"']],
  [
    "SELECT ON TABLE books.entries",
    [
      'GRANT USAGE ON SCHEMA "books" TO "ledger_reader"',
      'GRANT SELECT ON TABLE "books"."entries" TO "ledger_reader"',
    ],
  ],
  [
    "USAGE ON SEQUENCE books.entries_id_seq",
    [
      'GRANT USAGE ON SCHEMA "books" TO "ledger_reader"',
      'GRANT USAGE ON SEQUENCE "books"."entries_id_seq" TO "ledger_reader"',
    ],
  ],
] as const) {
  test(`understands ${text} (R8)`, () => {
    assert.deepEqual(grantStatements(parseGrant(text), where), statements);
  });
}

for (const text of [
  "",
  "SELECT",
  "SELECT ON ALL TABLES IN SCHEMA public; DROP TABLE entries",
  "SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
  "SELECT ON ALL TABLES IN SCHEMA public WITH GRANT OPTION",
  'SELECT ON ALL TABLES IN SCHEMA "public" -- note',
  "SUPERUSER ON SCHEMA public",
  "SELECT ON SCHEMA public",
  "USAGE ON ALL TABLES IN SCHEMA public",
  "pg_read_all_data",
  "SELECT ON entries",
]) {
  test(`refuses "${text}" as a grant, and says what one looks like (R8)`, () => {
    assert.throws(() => parseGrant(text), /is not a privilege statement\. Write one such as/);
  });
}
