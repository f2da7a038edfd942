import type pg from "pg";
import type { Secret, StoredCiphertext } from "../../../../model/model.ts";
import { FernetKey } from "../../../../operations/rotation/re-encryption/fernet.ts";
import type { RotatorContext } from "../../../../operations/rotation/rotator.ts";
import { generate } from "../../../../operations/values/generate.ts";
import type { Fields } from "../../../../operations/values/shape.ts";
import type { DatabaseServer } from "../postgres-server.ts";

/** soma's table of API keys, as its gateway stores them: a Fernet token per row. */
export interface ApiKeys {
  secret: Secret;
  old: Fields;
  next: Fields;
  context(given?: Partial<RotatorContext>): RotatorContext;
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Adds rows of which each holds its plaintext under a key. */
  fill(plaintexts: string[], key?: string): Promise<void>;
  /** The plaintext of every row, by id, and under which key it is. */
  rows(): Promise<{ id: string; under: "old" | "new" | "neither"; plaintext: string | undefined }[]>;
}

/** What is asked is asked inside soma's database, which no static user of the catalogue has to name. */
export const inSoma = { id: "soma/main-soma-app", databaseUser: { database: "soma/main" } } as Secret;

export const fernetKey = () => generate({ by: "machine", bytes: 32, encoding: "fernet" });
let tables = 0;

/** A table of its own for each test. */
export async function apiKeys(
  server: DatabaseServer,
  { keyType = "bigint GENERATED ALWAYS AS IDENTITY", columnType = "text" } = {},
): Promise<ApiKeys> {
  tables++;
  const stored: StoredCiphertext = {
    database: "soma/main",
    schema: "public",
    table: `api_keys_${tables}`,
    key: "id",
    column: "ciphertext",
  };
  const declared = server.secret("soma/crypto-fernet");
  const secret: Secret = { ...declared, journal: `${declared.journal}-${tables}`, stored: [stored] };
  const old = { key: fernetKey(), previous: fernetKey() };
  const next = { key: fernetKey(), previous: old.key };
  const before = new FernetKey(old.key);
  const now = new FernetKey(next.key);
  const query = <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    server.query<Row>(inSoma, text.replaceAll("api_keys", stored.table), values);
  await query(`CREATE TABLE api_keys (id ${keyType} PRIMARY KEY, ciphertext ${columnType})`);
  const asColumn = columnType === "bytea" ? "convert_to(value, 'LATIN1')" : "value";
  return {
    secret,
    old,
    next,
    query,
    context: (given = {}) => ({ ...server.context(secret), ...given }),
    async fill(plaintexts, key = old.key) {
      const sealing = new FernetKey(key);
      const tokens = plaintexts.map((text) =>
        sealing.seal({ plaintext: Buffer.from(text), time: 499_162_800n }),
      );
      await query(`INSERT INTO api_keys (ciphertext) SELECT ${asColumn} FROM unnest($1::text[]) AS value`, [
        tokens,
      ]);
    },
    async rows() {
      const found = await query<{ id: string; ciphertext: string | Buffer }>(
        "SELECT id::text AS id, ciphertext FROM api_keys WHERE ciphertext IS NOT NULL ORDER BY api_keys.id",
      );
      return found.map(({ id, ciphertext }) => {
        const token = ciphertext.toString();
        const [mine, theirs] = [now.open(token), before.open(token)];
        const under = mine !== undefined ? "new" : theirs !== undefined ? "old" : "neither";
        return { id, under, plaintext: (mine ?? theirs)?.plaintext.toString() };
      });
    },
  };
}
