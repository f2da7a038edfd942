import pg from "pg";
import type { Vault } from "../clients/vault.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { median, type Row, type Scale } from "./measure.ts";
import { type BenchStack, startBenchStack } from "./stack.ts";

/** Requests under way at a time. */
const atOnce = 8;
/** Users by direct grants, each slower to make than the one before; near 2,400 there is no room for another one. */
const directLive = 500;
/** Tables that a direct grant walks over, for every user again. */
const tables = 50;

type Way = "vault" | "raw" | "direct";

/** Dynamic credentials per second with few and with many live users, beside raw CREATE ROLE and direct grants. */
export async function credentialsPerSecond({ full, say }: Scale): Promise<Row[]> {
  const live = full ? 5_000 : 500;
  const batch = full ? 200 : 80;
  await using bench = await startBenchStack(await loadCatalogue("catalogue"));
  await bench.build();
  const issuer = await Issuer.open(bench);
  try {
    const none = await issuer.rates(batch);
    say(`credentials: filling up to ${live} live users`);
    await issuer.fill("vault", live);
    const many = await issuer.rates(batch);
    await issuer.clear();
    await issuer.fill("direct", directLive);
    const slow = await issuer.rate("direct", directLive / 10);
    const perSecond = (rate: number) => `${rate.toFixed(0)}/s`;
    return [
      {
        what: `Dynamic credentials with ${live} live users ÷ with none`,
        measured: `${perSecond(many.vault)} ÷ ${perSecond(none.vault)}`,
        ratio: many.vault / none.vault,
        goal: "≥ 0.9",
      },
      {
        what: "Dynamic credentials ÷ raw CREATE ROLE, no live users",
        measured: `${perSecond(none.vault)} ÷ ${perSecond(none.raw)}`,
        ratio: none.vault / none.raw,
        goal: "≥ 0.7",
      },
      {
        what: `Dynamic credentials ÷ raw CREATE ROLE, ${live} live users`,
        measured: `${perSecond(many.vault)} ÷ ${perSecond(many.raw)}`,
        ratio: many.vault / many.raw,
        goal: "≥ 0.7",
      },
      {
        what: `By a group's membership ÷ by direct grants on ${tables} tables, no live users`,
        measured: `${perSecond(none.vault)} ÷ ${perSecond(none.direct)}`,
        ratio: none.vault / none.direct,
      },
      {
        what: `By a group's membership with ${live} live users ÷ by direct grants with ${directLive}`,
        measured: `${perSecond(many.vault)} ÷ ${perSecond(slow)}`,
        ratio: many.vault / slow,
      },
    ];
  } finally {
    await issuer.close();
  }
}

class Issuer {
  readonly #vault: Vault;
  readonly #pool: pg.Pool;
  readonly #role: string;
  readonly #group: string;
  #made = 0;

  private constructor(vault: Vault, pool: pg.Pool, role: string, group: string) {
    this.#vault = vault;
    this.#pool = pool;
    this.#role = role;
    this.#group = group;
  }

  static async open({ model, services, vault }: BenchStack): Promise<Issuer> {
    const database = model.databases.find(({ users }) => users.length > 0);
    const user = database?.users[0];
    if (database === undefined || user === undefined) throw new Error("The catalogue has no dynamic user.");
    const { readFile } = await import("node:fs/promises");
    const pool = new pg.Pool({
      host: services.postgres.host,
      port: services.postgres.port,
      database: database.database,
      user: services.postgres.superuser,
      password: (await readFile(services.postgres.passwordFile, "utf8")).trim(),
      ssl: { ca: services.issuer.ca },
      max: atOnce,
    });
    await pool.query("create schema bench");
    for (let table = 0; table < tables; table++) await pool.query(`create table bench.t${table} (id int)`);
    // Direct grants are what installations do whose manager makes the users itself.
    await pool.query(`alter role ${pg.escapeIdentifier(database.manager)} createrole`);
    await pool.query(
      `alter role ${pg.escapeIdentifier(database.manager)} set createrole_self_grant = 'inherit'`,
    );
    await pool.query(
      `grant usage, create on schema bench to ${pg.escapeIdentifier(database.manager)} with grant option`,
    );
    await pool.query(
      `grant select on all tables in schema bench to ${pg.escapeIdentifier(database.manager)} with grant option`,
    );
    const connection = await vault.read<{ allowed_roles: string[] }>(
      `database/config/${database.connection}`,
    );
    await vault.write(`database/config/${database.connection}`, {
      plugin_name: "postgresql-database-plugin",
      allowed_roles: [...(connection?.allowed_roles ?? []), "bench.direct"],
    });
    await vault.write("database/roles/bench.direct", {
      db_name: database.connection,
      creation_statements: [
        `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON ALL TABLES IN SCHEMA bench TO "{{name}}"`,
      ],
      revocation_statements: [`DROP OWNED BY "{{name}}"; DROP ROLE "{{name}}"`],
      default_ttl: "1h",
      max_ttl: "1h",
    });
    return new Issuer(vault, pool, user.role, user.memberOf);
  }

  /** Medians of three batches each; the ways take turns, and every batch is gone before the next one. */
  async rates(batch: number): Promise<Record<Way, number>> {
    const rates: Record<Way, number[]> = { vault: [], raw: [], direct: [] };
    for (let round = 0; round < 4; round++) {
      for (const way of ["vault", "raw", "direct"] as const) {
        const rate = await this.rate(way, batch);
        if (round > 0) rates[way].push(rate);
      }
    }
    return { vault: median(rates.vault), raw: median(rates.raw), direct: median(rates.direct) };
  }

  /** Users per second of one batch. */
  async rate(way: Way, batch: number): Promise<number> {
    const start = performance.now();
    const made = await this.#make(way, batch);
    const rate = made.length / ((performance.now() - start) / 1_000);
    await this.#remove(way, made);
    return rate;
  }

  /** Makes users that stay. */
  async fill(way: Way, count: number): Promise<void> {
    await this.#make(way, count);
  }

  async clear(): Promise<void> {
    await this.#vault.write("sys/leases/revoke-prefix/database/creds", { sync: true });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** The names of raw users, the leases of Vault's. */
  async #make(way: Way, count: number): Promise<string[]> {
    const made: string[] = [];
    let left = count;
    const worker = async () => {
      while (left-- > 0) made.push(await this.#one(way));
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return made;
  }

  async #one(way: Way): Promise<string> {
    if (way === "raw") {
      const name = `bench-${this.#made++}`;
      // Postgres makes the verifier, as Vault does for its users.
      await this.#pool.query(
        `create role "${name}" with login password 'bench-password-${name}' valid until '2100-01-01' in role ${pg.escapeIdentifier(this.#group)}`,
      );
      return name;
    }
    const role = way === "vault" ? this.#role : "bench.direct";
    return (await this.#vault.request("GET", `database/creds/${role}`)).lease_id;
  }

  async #remove(way: Way, made: string[]): Promise<void> {
    for (const one of made) {
      if (way === "raw") await this.#pool.query(`drop role "${one}"`);
      else await this.#vault.write("sys/leases/revoke", { lease_id: one, sync: true });
    }
  }
}
