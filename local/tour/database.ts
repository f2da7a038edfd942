import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import type { Database, DynamicUser, Model } from "../../model/model.ts";
import type { AppRole } from "../../model/vault.ts";
import { loginAs } from "../identity.ts";
import type { LocalServices } from "../services/index.ts";
import { connectAsSuperuser } from "../services/postgres-server.ts";
import { notShown, type TourContext, type TourLine, tried } from "./line.ts";

interface Credentials {
  username: string;
  password: string;
}

/** A service gets database credentials of its own, uses them for a query, and sees them expire. */
export async function* databaseCredentials(context: TourContext): AsyncGenerator<TourLine> {
  const { services, model, vault, trail } = context;
  const expire = "the credentials expire: Postgres refuses them and the role is gone";
  const found = userWithAppRole(model);
  if (found === undefined) {
    const why = "no service of the catalogue that logs in by AppRole uses a database";
    yield notShown("a service gets database credentials of its own and uses them for a query", why);
    yield notShown(expire, why);
    return;
  }
  const { database, user, role } = found;
  const service = vault.with(await loginByAppRole(context, role.name));
  try {
    const path = `${model.vault.mounts.database}/creds/${user.role}`;
    const issued = await service.request<Credentials>("GET", path);
    const { data: credentials, lease_id, lease_duration } = issued;
    const connection = {
      host: services.postgres.host,
      port: services.postgres.port,
      database: database.database,
      user: credentials.username,
      password: credentials.password,
    };
    const member = await query<{ member: boolean }>(
      connection,
      "select pg_has_role($1, 'member') as member",
      [user.memberOf],
    );
    yield tried(
      `${user.service} gets database credentials of its own and uses them for a query`,
      member?.member === true,
      `member of ${user.memberOf}, valid for ${lease_duration} s of at most ${user.maxTtl} s`,
      await trail.of(issued, role.name),
    );

    // A renewal may shorten a lease: the same expiry that comes after the whole TTL, without the wait.
    const shortened = await service.write("sys/leases/renew", { lease_id, increment: 1 });
    const refusal = await untilRefused(connection);
    const isGone = refusal !== undefined && (await untilGone(services, credentials.username));
    yield tried(
      expire,
      isGone,
      refusal === undefined
        ? `Postgres still accepts them ${patience / 1000} s after their lease ended`
        : `${refusal}; pg_roles ${isGone ? "has no such role any more" : `still has the role ${patience / 1000} s later`}; ` +
            "the renewal that set their end is audited, since Vault's own end of a lease is no request",
      await trail.of(shortened, role.name),
    );
  } finally {
    // Also where nobody asks for the next line.
    await service.write("auth/token/revoke-self");
  }
}

/** The first database user, in any database, whose service logs in by AppRole: others need a cluster for it. */
export function userWithAppRole({
  databases,
  appRoles,
}: Pick<Model, "databases" | "appRoles">):
  | { database: Database; user: DynamicUser; role: AppRole }
  | undefined {
  for (const database of databases) {
    for (const user of database.users) {
      const role = appRoles.find(({ service }) => service === user.service);
      if (role !== undefined) return { database, user, role };
    }
  }
  return undefined;
}

/** The first secret id is handed over response-wrapped, as `keyplane` hands it to whoever installs the host. */
async function loginByAppRole({ services, model, vault }: TourContext, role: string): Promise<string> {
  const session = await loginAs(services, model, vault, "enrol");
  const enroller = session.vault;
  const mount = `auth/${model.vault.auth.approle}`;
  const roleId = await enroller.read<{ role_id: string }>(`${mount}/role/${role}/role-id`);
  const wrapped = await enroller.write(`${mount}/role/${role}/secret-id`, {}, { wrapTtl: "60s" });
  await session.end();
  const { data: secret } = await vault
    .with(wrapped.wrap_info?.token)
    .write<{ secret_id: string }>("sys/wrapping/unwrap");
  const { auth } = await vault.write(`${mount}/login`, {
    role_id: roleId?.role_id,
    secret_id: secret.secret_id,
  });
  if (auth === undefined) throw new Error(`Vault answered the AppRole login of ${role} without a token.`);
  return auth.client_token;
}

async function query<T extends pg.QueryResultRow>(
  connection: pg.ClientConfig,
  text: string,
  values: string[] = [],
): Promise<T | undefined> {
  const client = new pg.Client(connection);
  // A login that is revoked between the answer and the end must not end our process.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows[0];
  } finally {
    await client.end();
  }
}

/** SQLSTATEs of a login that meets the end of its credentials: after it, and at two places in its midst. */
const refused = { password: "28P01", dropped: "28000", ended: "57P01" };

/** Milliseconds in which Vault ends what has expired. */
const patience = 20_000;

async function untilRefused(connection: pg.ClientConfig): Promise<string | undefined> {
  for (let waited = 0; waited < patience; waited += 250) {
    try {
      await query(connection, "select 1");
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      if (error.code === refused.password || error.code === refused.dropped)
        return `refused ${waited / 1000} s later (${error.code})`;
      if (error.code !== refused.ended) throw error;
    }
    await wait(250);
  }
  return undefined;
}

/** Whether Postgres itself has no such role any more: a refused login may be of a role that is only locked. */
async function untilGone({ home, postgres, issuer }: LocalServices, name: string): Promise<boolean> {
  const client = await connectAsSuperuser({ home, port: postgres.port, ca: issuer.ca });
  try {
    for (let waited = 0; waited < patience; waited += 250) {
      const { rowCount } = await client.query("select from pg_roles where rolname = $1", [name]);
      if (rowCount === 0) return true;
      await wait(250);
    }
    return false;
  } finally {
    await client.end();
  }
}
