/**
 * A service with a database: RATE requests a second from a pool of its own, each a read or a write. It finds its
 * credentials as its kind does: files that variables name, a URL, a password beside a fixed user. It reads them at its
 * start; where WATCH names its env-file, again whenever that changes, and the pool before is closed once it is unused.
 * With CHURN its pool gives connections up after so many requests, so that new ones are made all the time.
 */
import { readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { parseEnv } from "node:util";
import pg from "pg";
import { atRate, connected, settled } from "./at-rate.ts";

const { NAME = "", WATCH, CHURN, TABLE = "", PGHOST = "", PGPORT = "", PGDATABASE = "" } = process.env;
const size = 3;

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
  pool.on("connect", connected);
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
  // A pool that ends forgets who still waits for one of its connections.
  await settled();
  await before.end();
}

await atRate(
  async (number) => {
    if (number % 5 === 0) await pool.query(`insert into ${TABLE} (note) values ($1)`, [`${NAME} ${number}`]);
    else await pool.query(`select count(*) from (select from ${TABLE} limit 10) rows`);
    return true;
  },
  () => pool.end(),
);
