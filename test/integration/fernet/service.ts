/**
 * A service that keeps API keys of others in Postgres, encrypted with the key that it read at its start; opens what it
 * finds with that key or the one before. Writes and reads RATE times a second, and tells what happened in lines of JSON.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { FernetKey } from "../../../operations/rotation/re-encryption/fernet.ts";

const variable = (name: string) => process.env[process.env[name] ?? ""] ?? "";
const key = new FernetKey(variable("KEY_VARIABLE"));
const previous = new FernetKey(variable("PREVIOUS_VARIABLE"));
const table = process.env.TABLE ?? "";
const told = { done: 0, failed: 0, written: 0 };
const client = new pg.Client(JSON.parse(process.env.DATABASE ?? "") as pg.ClientConfig);
await client.connect();

async function write(): Promise<void> {
  const plaintext = Buffer.from(`sk-${process.env.NAME}-${Math.random()}`);
  const token = key.seal({ plaintext, time: BigInt(Math.floor(Date.now() / 1000)) });
  await client.query(`INSERT INTO ${table} (ciphertext) VALUES ($1)`, [token]);
  told.written++;
}

async function read(): Promise<void> {
  const { rows } = await client.query<{ ciphertext: string }>(
    `SELECT ciphertext FROM ${table} OFFSET floor(random() * (SELECT count(*) FROM ${table})) LIMIT 1`,
  );
  const token = rows[0]?.ciphertext;
  if (token === undefined) return;
  const opened = key.open(token) ?? previous.open(token);
  if (opened?.plaintext.toString().startsWith("sk-") !== true) told.failed++;
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.done = told.failed = told.written = 0;
}

let stopped = false;
process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
setInterval(tell, 200).unref();
const began = performance.now();
for (let number = 0; !stopped; number++) {
  try {
    await (number % 10 === 0 ? write() : read());
    told.done++;
  } catch {
    told.failed++;
  }
  await sleep(Math.max(0, began + ((number + 1) * 1000) / Number(process.env.RATE) - performance.now()));
}
await client.end();
tell();
process.exit(0);
