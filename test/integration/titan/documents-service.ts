/**
 * A service that keeps documents in Postgres, encrypted by Vault's transit key: it opens one that it finds, and writes one
 * now and then, RATE times a second. What happened is told on standard output, a line of JSON at a time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { Vault, type VaultOptions } from "../../../clients/vault.ts";

const vault = new Vault(JSON.parse(process.env.VAULT ?? "") as VaultOptions);
const key = process.env.KEY ?? "";
const table = process.env.TABLE ?? "";
const rows = Number(process.env.ROWS);
const pool = new pg.Pool({ ...(JSON.parse(process.env.DATABASE ?? "") as pg.PoolConfig), max: 4 });
const told = { accepted: 0, failed: 0, milliseconds: [] as number[] };
let stopped = false;
let underWay = 0;

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

async function call(work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work().then(
    () => told.accepted++,
    () => told.failed++,
  );
  told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.accepted = told.failed = 0;
  told.milliseconds = [];
}

process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
const began = performance.now();
setInterval(tell, 200).unref();
for (let number = 0; !stopped; number++) {
  underWay++;
  call(number % 10 === 0 ? write : read).finally(() => underWay--);
  await sleep(Math.max(0, began + ((number + 1) * 1000) / Number(process.env.RATE) - performance.now()));
}
while (underWay > 0) await sleep(5);
tell();
process.exit(0);
