import pg from "pg";
import type { StoredCiphertext } from "../../../model/model.ts";
import type { Connection } from "../rotator.ts";

/** Bytes of a table that are counted in about a second. */
const countedBytes = 512 * 1024 * 1024;

/** One row of a column: its key as text, and its ciphertext. */
export interface Row {
  key: string;
  value: string;
}

/** A row with what it held and what it is to hold. */
export interface Replacement extends Row {
  anew: string;
}

/** The catalogue names a column that the database does not have, or one that cannot be re-encrypted. */
export class ColumnError extends Error {
  override name = "ColumnError";
}

/** system/database schema.table.column, as messages name it. */
export function nameOf({ database, schema, table, column }: StoredCiphertext): string {
  return `${database} ${schema}.${table}.${column}`;
}

/**
 * A column of ciphertext, read and written in the order of its table's unique key. Text and bytea are the same here: what
 * is stored is a token's text.
 */
export class Column {
  readonly name: string;
  readonly #connection: Connection;
  readonly #place: StoredCiphertext;
  readonly #keyType: string;
  readonly #isBytes: boolean;

  private constructor(
    connection: Connection,
    place: StoredCiphertext,
    types: { key: string; isBytes: boolean },
  ) {
    this.name = nameOf(place);
    this.#connection = connection;
    this.#place = place;
    this.#keyType = types.key;
    this.#isBytes = types.isBytes;
  }

  /** @throws ColumnError when the table has no such columns, or its key is not unique */
  static async find(connection: Connection, place: StoredCiphertext): Promise<Column> {
    const { schema, table, key, column } = place;
    const { rows } = await connection.query<{ name: string; type: string; unique: boolean; whole: boolean }>(
      `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attnotnull AS whole,
              EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid
                        AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL) AS unique
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY($3) AND NOT a.attisdropped AND a.attnum > 0`,
      [schema, table, [key, column]],
    );
    const found = new Map(rows.map((row) => [row.name, row]));
    const missing = [key, column].filter((name) => !found.has(name));
    if (missing.length > 0) {
      throw new ColumnError(
        `${nameOf(place)}: the table has no column ${missing.join(" and no column ")}, or the rotation role may not see ` +
          "it: correct `stored` in the catalogue",
      );
    }
    const keyed = found.get(key);
    if (keyed === undefined || !keyed.unique || !keyed.whole) {
      throw new ColumnError(
        `${nameOf(place)}: batches go by ${key}, which is not unique and NOT NULL: name a primary key in \`stored\``,
      );
    }
    const type = found.get(column)?.type ?? "";
    if (!/^(text|bytea|character varying)$/.test(type)) {
      throw new ColumnError(`${nameOf(place)} is of type ${type}: ciphertext lies in text or bytea`);
    }
    return new Column(connection, place, { key: keyed.type, isBytes: type === "bytea" });
  }

  /**
   * The next rows after a key (from the first where there is none), in order, without locking any.
   * @param length of the ciphertext, so many characters from its start; all of them by default
   */
  async after(key: string | undefined, limit: number, length?: number): Promise<Row[]> {
    const value = length === undefined ? this.#read : `left(${this.#read}, ${Math.trunc(length)})`;
    const from = key === undefined ? "" : `AND ${this.#key} > $2::${this.#keyType}`;
    const { rows } = await this.#query<Row>(
      `SELECT ${this.#key}::text AS key, ${value} AS value FROM ${this.#table}
        WHERE ${this.#column} IS NOT NULL ${from} ORDER BY ${this.#key} LIMIT $1`,
      key === undefined ? [limit] : [limit, key],
    );
    return rows;
  }

  /** About how many rows there are: exact for a small table, Postgres' own estimate for one that takes long to count. */
  async size(): Promise<number> {
    const { rows } = await this.#query<{ estimate: number; bytes: string }>(
      `SELECT reltuples AS estimate, pg_relation_size(oid) AS bytes FROM pg_class WHERE oid = $1::text::regclass`,
      [this.#table],
    );
    const { estimate = -1, bytes = "0" } = rows[0] ?? {};
    if (Number(bytes) > countedBytes && estimate >= 0) return estimate;
    const counted = await this.#query<{ count: string }>(
      `SELECT count(*) FROM ${this.#table} WHERE ${this.#column} IS NOT NULL`,
      [],
    );
    return Number(counted.rows[0]?.count ?? 0);
  }

  /**
   * Replaces what still stands as it was read, in one statement and so in one transaction. A row that someone else changed
   * meanwhile, or holds locked, stays theirs: it is not waited for, so that nobody ever waits for us in a circle.
   * @param rows in the order of their keys
   * @returns how many rows were replaced
   */
  async replace(rows: Replacement[]): Promise<number> {
    if (rows.length === 0) return 0;
    const { rowCount } = await this.#query(
      `WITH wanted AS (SELECT * FROM unnest($1::${this.#keyType}[], $2::text[], $3::text[]) AS w (key, value, anew)),
            held AS (SELECT t.${this.#key} AS key, w.anew FROM ${this.#table} t
                       JOIN wanted w ON t.${this.#key} = w.key AND t.${this.#column} = ${this.#write("w.value")}
                      WHERE t.${this.#key} BETWEEN $4::${this.#keyType} AND $5::${this.#keyType}
                        FOR NO KEY UPDATE OF t SKIP LOCKED)
       UPDATE ${this.#table} t SET ${this.#column} = ${this.#write("held.anew")} FROM held WHERE t.${this.#key} = held.key`,
      [
        rows.map(({ key }) => key),
        rows.map(({ value }) => value),
        rows.map(({ anew }) => anew),
        // They are in order: however the rows are joined, no others are looked at.
        rows[0]?.key,
        rows.at(-1)?.key,
      ],
    );
    return rowCount ?? 0;
  }

  get #table(): string {
    return `${quoted(this.#place.schema)}.${quoted(this.#place.table)}`;
  }

  get #key(): string {
    return quoted(this.#place.key);
  }

  get #column(): string {
    return quoted(this.#place.column);
  }

  /** As text; bytes that are no ASCII are escaped, so that reading fails on none and writing gives them back. */
  get #read(): string {
    return this.#isBytes ? `encode(${this.#column}, 'escape')` : this.#column;
  }

  #write(text: string): string {
    return this.#isBytes ? `decode(${text}, 'escape')` : text;
  }

  async #query<R extends object>(text: string, values: unknown[]) {
    try {
      return await this.#connection.query<R>(text, values);
    } catch (error) {
      throw withoutRow(this.name, error);
    }
  }
}

/** What Postgres refuses is told without `detail` and `where`, into which it puts the offending row. */
function withoutRow(name: string, error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  return new ColumnError(`${name}: Postgres refuses (SQLSTATE ${error.code}): ${error.message}`);
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
