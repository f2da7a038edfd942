/**
 * A service that keeps documents in Postgres, encrypted by Vault's transit key: it opens one that it finds, and writes one
 * now and then, RATE times a second.
 */
import pg from "pg";
import { Vault, type VaultOptions } from "../../../clients/vault.ts";
import { atRate } from "../services/at-rate.ts";

const vault = new Vault(JSON.parse(process.env.VAULT ?? "") as VaultOptions);
const key = process.env.KEY ?? "";
const table = process.env.TABLE ?? "";
const rows = Number(process.env.ROWS);
const pool = new pg.Pool({ ...(JSON.parse(process.env.DATABASE ?? "") as pg.PoolConfig), max: 4 });

async function write(): Promise<void> {
  const plaintext = Buffer.from(`document ${Math.random()}`).toString("base64");
  const { data } = await vault.write<{ ciphertext: string }>(`transit/encrypt/${key}`, { plaintext });
  const id = 1 + Math.floor(Math.random() * rows);
  await pool.query(`UPDATE ${table} SET body = $2 WHERE id = $1`, [id, data.ciphertext]);
}

async function read(): Promise<void> {
  const id = 1 + Math.floor(Math.random() * rows);
  const found = await pool.query<{ body: string }>(`SELECT body FROM ${table} WHERE id = $1`, [id]);
  const ciphertext = found.rows[0]?.body;
  const { data } = await vault.write<{ plaintext: string }>(`transit/decrypt/${key}`, { ciphertext });
  const text = Buffer.from(data.plaintext, "base64").toString();
  if (!text.startsWith("document ")) throw new Error("another text");
}

await atRate(async (number) => {
  await (number % 10 === 0 ? write() : read());
  return true;
});
