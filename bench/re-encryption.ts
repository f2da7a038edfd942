import { randomBytes } from "node:crypto";
import type { Secret } from "../model/model.ts";
import { Column } from "../operations/rotation/re-encryption/column.ts";
import { FernetKey } from "../operations/rotation/re-encryption/fernet.ts";
import { start, sweep } from "../operations/rotation/re-encryption/sweep.ts";
import { recipher } from "../operations/rotation/rotators/fernet.ts";
import { startDatabaseServer } from "../test/operations/rotation/postgres-server.ts";
import { median, type Row, type Scale, timed } from "./measure.ts";

const place = {
  database: "soma/main",
  schema: "public",
  table: "bench_keys",
  key: "id",
  column: "ciphertext",
};
const inside = { id: "soma", databaseUser: { database: place.database } } as Secret;

/** How fast stored tokens are put under a new key, beside one UPDATE that only turns each around. */
export async function reEncryption(scale: Scale): Promise<Row[]> {
  const ends: (() => Promise<void>)[] = [];
  const server = await startDatabaseServer({ after: (end) => ends.push(end) });
  try {
    const ask = (text: string, values: unknown[] = []) => server.query(inside, text, values);
    for (const off of ["log_statement = 'none'", "log_min_duration_statement = -1"])
      await ask(`ALTER SYSTEM SET ${off}`);
    await ask("SELECT pg_reload_conf()");
    const database = server.model.databases.find(({ id }) => id === place.database);
    if (database === undefined) throw new Error(`${place.database} is not in the catalogue`);
    const count = scale.full ? 1_000_000 : 200_000;
    const [plain, ours, again]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < 3; round++) {
      scale.say(`re-encryption of ${count} rows, round ${round + 1} …`);
      const [old, next] = [newKey(), newKey()];
      await fill(ask, count, old);
      plain.push(await timed(() => ask("UPDATE bench_plain SET ciphertext = reverse(ciphertext)")));
      const connection = await server.reach.manage(database);
      const column = await Column.find(connection, place);
      let replaced = 0;
      const began = performance.now();
      const { position: end } = await sweep(column, recipher(old, next), start, {
        until: Number.POSITIVE_INFINITY,
        signal: new AbortController().signal,
        reached: async (position) => {
          if (replaced === 0 && position.replaced === count) replaced = performance.now();
        },
      });
      again.push(performance.now() - replaced);
      ours.push(replaced - began);
      if (!end.clean) throw new Error("rows were left under the old key");
      await connection.end();
    }
    const rate = (times: number[]) =>
      `${Math.round(count / (median(times) / 1000)).toLocaleString("en")} rows/s`;
    return [
      {
        what: `Re-encryption of ${count.toLocaleString("en")} Fernet tokens in batches ÷ one plain UPDATE of as many`,
        measured: `${rate(ours)} ÷ ${rate(plain)}`,
        ratio: median(plain) / median(ours),
      },
      { what: "The pass after it, which finds nothing under the old key", measured: rate(again) },
    ];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function newKey(): FernetKey {
  return new FernetKey(`${randomBytes(32).toString("base64url")}=`);
}

async function fill(
  ask: (text: string, values?: unknown[]) => Promise<unknown>,
  count: number,
  key: FernetKey,
): Promise<void> {
  const tokens = Array.from({ length: 1000 }, (_, index) =>
    key.seal({ plaintext: Buffer.from(`sk-live-${String(index).padStart(40, "0")}`), time: 1n }),
  );
  for (const table of ["bench_keys", "bench_plain"]) {
    await ask(`DROP TABLE IF EXISTS ${table}`);
    await ask(`CREATE TABLE ${table} (id bigint PRIMARY KEY, ciphertext text NOT NULL)`);
    await ask(
      `INSERT INTO ${table} SELECT n, ($1::text[])[n % 1000 + 1] FROM generate_series(1, ${count}) AS n`,
      [tokens],
    );
    await ask(`VACUUM ANALYZE ${table}`);
  }
}
