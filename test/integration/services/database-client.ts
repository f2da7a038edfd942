/**
 * A service with a database: RATE requests a second from a pool of its own, each a read or a write. It finds its
 * credentials as its kind does: files that variables name, a URL, a password beside a fixed user. It reads them at its
 * start; where WATCH names its env-file, again whenever that changes, and the pool before is closed once it is unused.
 * With CHURN its pool gives connections up after so many requests, so that new ones are made all the time. What happened is
 * told on standard output, a line of JSON at a time.
 */
import { readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEnv } from "node:util";
import pg from "pg";

const { NAME = "", WATCH, CHURN, TABLE = "", PGHOST = "", PGPORT = "", PGDATABASE = "" } = process.env;
const pause = 1000 / Number(process.env.RATE);
const size = 3;

const told = { accepted: 0, failed: 0, connections: 0, milliseconds: [] as number[], why: [] as string[] };
let stopped = false;
let underWay = 0;

function credentials(): pg.PoolConfig {
  const env = WATCH === undefined ? process.env : parseEnv(readFileSync(WATCH, "utf8"));
  if (env.DATABASE_URL) return { connectionString: env.DATABASE_URL };
  const fromFile = (name: string) => readFileSync(env[name] ?? "", "utf8").trim();
  const user = env.TITAN_DB_USER_FILE ? fromFile("TITAN_DB_USER_FILE") : env.POSTGRES_USER;
  const password = env.TITAN_DB_PASSWORD_FILE ? fromFile("TITAN_DB_PASSWORD_FILE") : env.POSTGRES_PASSWORD;
  return {
    host: PGHOST,
    port: Number(PGPORT),
    database: PGDATABASE,
    user: user ?? "",
    password: password ?? "",
  };
}

async function open(config: pg.PoolConfig): Promise<pg.Pool> {
  const pool = new pg.Pool({
    ...config,
    max: size,
    application_name: NAME,
    idleTimeoutMillis: 0,
    ...(CHURN !== undefined && { maxUses: Number(CHURN) }),
  });
  // A session that is ended while nobody uses it is no failed request.
  pool.on("error", () => {});
  pool.on("connect", () => told.connections++);
  const clients = await Promise.all(Array.from({ length: size }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}

let held = JSON.stringify(credentials());
let pool = await open(credentials());

if (WATCH !== undefined) {
  let moving = Promise.resolve();
  watch(dirname(WATCH), (_, name) => {
    if (name === basename(WATCH)) moving = moving.then(move);
  });
}

async function move(): Promise<void> {
  let found: pg.PoolConfig;
  try {
    found = credentials();
  } catch {
    // It is being replaced: another event follows.
    return;
  }
  if (JSON.stringify(found) === held) return;
  held = JSON.stringify(found);
  const before = pool;
  pool = await open(found);
  // Waits for what is under way.
  await before.end();
}

async function ask(number: number): Promise<void> {
  const began = performance.now();
  try {
    if (number % 5 === 0) await pool.query(`insert into ${TABLE} (note) values ($1)`, [`${NAME} ${number}`]);
    else await pool.query(`select count(*) from (select from ${TABLE} limit 10) rows`);
    told.accepted++;
  } catch (error) {
    told.failed++;
    told.why.push(error instanceof Error ? `${NAME}: ${error.name}: ${error.message}` : String(error));
  }
  told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.accepted = told.failed = told.connections = 0;
  told.milliseconds = [];
  told.why = [];
}

process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
const began = performance.now();
setInterval(tell, 200).unref();
for (let number = 0; !stopped; number++) {
  underWay++;
  ask(number).finally(() => underWay--);
  const next = began + (number + 1) * pause - performance.now();
  await sleep(Math.max(0, next));
}
while (underWay > 0) await sleep(5);
await pool.end();
tell();
process.exit(0);
