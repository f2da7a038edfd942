/**
 * A service that keeps API keys of others in Postgres, encrypted with the key that it read at its start; opens what it
 * finds with that key or the one before. Writes and reads RATE times a second.
 */
import pg from "pg";
import { FernetKey } from "../../../operations/rotation/re-encryption/fernet.ts";
import { atRate } from "../services/at-rate.ts";

const variable = (name: string) => process.env[process.env[name] ?? ""] ?? "";
const key = new FernetKey(variable("KEY_VARIABLE"));
const previous = new FernetKey(variable("PREVIOUS_VARIABLE"));
const table = process.env.TABLE ?? "";
const pool = new pg.Pool({ ...(JSON.parse(process.env.DATABASE ?? "") as pg.PoolConfig), max: 4 });

async function write(): Promise<number> {
  const plaintext = Buffer.from(`sk-${process.env.NAME}-${Math.random()}`);
  const token = key.seal({ plaintext, time: BigInt(Math.floor(Date.now() / 1000)) });
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO ${table} (ciphertext) VALUES ($1) RETURNING id`,
    [token],
  );
  return Number(rows[0]?.id);
}

/** One of all rows, also of those that another service or an earlier start wrote. */
async function read(): Promise<boolean> {
  const id = 1 + Math.floor(Math.random() * last);
  const { rows } = await pool.query<{ ciphertext: string }>(`SELECT ciphertext FROM ${table} WHERE id = $1`, [
    id,
  ]);
  const token = rows[0]?.ciphertext;
  // Its number was given out, and it is not committed yet.
  if (token === undefined) return true;
  const opened = key.open(token) ?? previous.open(token);
  return opened?.plaintext.toString().startsWith("sk-") === true;
}

let last = await write();
await atRate(
  async (number) => {
    if (number % 10 !== 0) return read();
    last = Math.max(last, await write());
    return true;
  },
  () => pool.end(),
);
