import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Vault, VaultError } from "../../clients/vault.ts";
import { rotationLogins, type VaultLogin } from "../../model/derive/databases.ts";
import type { Database, Model } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import { vaultName } from "./user-functions.ts";

/** A connection to one database, e.g. a pg.Client, as a role that sees and may drop every user of its groups. */
export interface Connection {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
  end(): Promise<void>;
}

export interface OrphanSearch {
  /** May list, look up and renew the leases of database credentials. */
  vault: Vault;
  model: Model;
  connect: (database: Database) => Promise<Connection>;
  report: Report;
  /** Age in milliseconds from which a user without a lease is no request that is still under way; 3 000 by default. */
  settled?: number;
}

interface Login {
  name: string;
  /** Changes with every ALTER ROLE. */
  version: string;
  expired: boolean;
  /** Milliseconds since Vault made it. */
  age: number;
}

/**
 * Drops database users that no Vault lease owns: Vault or Postgres was killed between CREATE ROLE and the lease.
 * Vault says for no lease which user it owns. But renewing a lease makes Vault alter exactly that user, so where
 * there are more users than leases every lease is renewed for the time it has left anyway, and a user that
 * nothing has touched belongs to none. Users whose time is up are dropped in any case.
 * @returns the names of the users dropped, sorted
 */
export async function dropOrphans(search: OrphanSearch): Promise<string[]> {
  const dropped: string[] = [];
  for (const database of search.model.databases) {
    const members = [...database.users, ...rotationLogins(database)];
    if (members.length === 0) continue;
    const connection = await search.connect(database);
    try {
      for (const users of byGroup(members)) {
        dropped.push(...(await dropOrphansOf(search, database, users, connection)));
      }
    } finally {
      await connection.end();
    }
  }
  return dropped.sort();
}

async function dropOrphansOf(
  { vault, model, report, settled = 3_000 }: OrphanSearch,
  database: Database,
  users: [VaultLogin, ...VaultLogin[]],
  connection: Connection,
): Promise<string[]> {
  const [{ memberOf }] = users;
  const before = await logins(connection, memberOf);
  if (before.length === 0) return [];
  const leases = await leasesOf(vault, model, users);
  let orphans = before.filter(({ expired }) => expired);
  if (before.length > leases.length) {
    // Who was asked for credentials a moment ago may not have got the lease yet.
    const youngest = Math.min(...before.map(({ age }) => age));
    if (youngest < settled) {
      await sleep(settled - youngest);
      return dropOrphansOf(
        { vault, model, report, settled, connect: async () => connection },
        database,
        users,
        connection,
      );
    }
    let touchedAll = true;
    for (const lease of leases) touchedAll = (await touch(vault, lease)) && touchedAll;
    if (!touchedAll) {
      // An untouched user may still be that lease's: only what has ended is safe to drop.
      report({
        subject: database.id,
        state: "progress",
        text: "a lease could not be renewed; its user stays",
      });
      return drop(connection, database, memberOf, orphans, report);
    }
    const versions = new Map(
      (await logins(connection, memberOf)).map(({ name, version }) => [name, version]),
    );
    orphans = before.filter(({ name, version, expired }) => expired || versions.get(name) === version);
  }
  return drop(connection, database, memberOf, orphans, report);
}

async function drop(
  connection: Connection,
  database: Database,
  group: string,
  orphans: Login[],
  report: Report,
): Promise<string[]> {
  for (const { name } of orphans) {
    await connection.query(dropStatement(name, group));
    report({
      subject: database.id,
      state: "progress",
      text: `dropped the user ${name}, which no lease owns`,
    });
  }
  return orphans.map(({ name }) => name);
}

/**
 * What keyplane.drop_user does, with the rights of who is connected, whoever made the user. One that is gone by now is
 * as good.
 */
function dropStatement(name: string, group: string): string {
  const [login, user] = [pg.escapeLiteral(name), pg.escapeIdentifier(name)];
  return `DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${login}) THEN
      ALTER ROLE ${user} NOLOGIN;
      PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${login};
      REASSIGN OWNED BY ${user} TO ${pg.escapeIdentifier(group)};
      DROP OWNED BY ${user};
      DROP ROLE ${user};
    END IF;
  END $$`;
}

/** Users that Vault made (its default name is v-<who>-<role>-<random>-<Unix time>) in a group. */
async function logins(connection: Connection, group: string): Promise<Login[]> {
  const { rows } = await connection.query<Login>(
    `select login.rolname as name,
            login.xmin::text as version,
            coalesce(login.rolvaliduntil < now() - interval '30 seconds', false) as expired,
            (extract(epoch from now()) - substring(login.rolname from '[0-9]+$')::bigint)::float8 * 1000 as age
       from pg_authid login
       join pg_auth_members membership on membership.member = login.oid
       join pg_roles parent on parent.oid = membership.roleid
      where parent.rolname = $1 and login.rolname ~ '${vaultName}'`,
    [group],
  );
  return rows;
}

async function leasesOf(vault: Vault, model: Model, users: VaultLogin[]): Promise<string[]> {
  const leases: string[] = [];
  for (const { role } of users) {
    const prefix = `${model.vault.mounts.database}/creds/${role}`;
    const keys = await vault.list(`sys/leases/lookup/${prefix}`);
    leases.push(...keys.map((key) => `${prefix}/${key}`));
  }
  return leases;
}

/**
 * Renews a lease for what it has left. One that has ended owns nobody, nor does one whose user was dropped by hand
 * (SQLSTATE 42704, undefined_object). False where Vault cannot renew it for any other reason.
 */
async function touch(vault: Vault, lease_id: string): Promise<boolean> {
  try {
    const { data } = await vault.write<{ expire_time: string }>("sys/leases/lookup", { lease_id });
    const left = Math.ceil((Date.parse(data.expire_time) - Date.now()) / 1000);
    if (left > 0) await vault.write("sys/leases/renew", { lease_id, increment: left });
    return true;
  } catch (error) {
    if (!(error instanceof VaultError && error.status === 400)) throw error;
    return /invalid lease|lease not found|SQLSTATE 42704/.test(error.message);
  }
}

function byGroup(users: VaultLogin[]): [VaultLogin, ...VaultLogin[]][] {
  const groups = new Map<string, [VaultLogin, ...VaultLogin[]]>();
  for (const user of users) {
    const group = groups.get(user.memberOf);
    if (group === undefined) groups.set(user.memberOf, [user]);
    else group.push(user);
  }
  return [...groups.values()];
}
