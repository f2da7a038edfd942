import assert from "node:assert/strict";
import pg from "pg";
import type { Vault } from "../../../clients/vault.ts";
import { loginAs } from "../../../local/identity.ts";
import { forgetRootToken, type LocalServices, regenerateRoot } from "../../../local/services/index.ts";
import { connectAsSuperuser } from "../../../local/services/postgres-server.ts";
import type { Database, DynamicUser, Model } from "../../../model/model.ts";

/** What these need of a stack that is up. */
export interface Running {
  services: LocalServices;
  model: Model;
  /** Without a token. */
  vault: Vault;
}

/** Every dynamic database user of the model with its database. */
export function dynamicUsers(model: Model): { database: Database; user: DynamicUser }[] {
  return model.databases.flatMap((database) => database.users.map((user) => ({ database, user })));
}

/** The dynamic user of a Compose service, which logs in by AppRole. */
export function composeUser(model: Model): { database: Database; user: DynamicUser } {
  const found = dynamicUsers(model).find(({ user }) =>
    model.appRoles.some(({ service }) => service === user.service),
  );
  assert.ok(found, "the catalogue has a dynamic database user of a service with an AppRole");
  return found;
}

/** Logs a service in as its host does: role id, and a secret id that was handed over wrapped. */
export async function asService({ services, model, vault }: Running, service: string): Promise<Vault> {
  const role = model.appRoles.find((candidate) => candidate.service === service);
  assert.ok(role, `${service} has an AppRole`);
  const mount = `auth/${model.vault.auth.approle}/role/${role.name}`;
  const { vault: enroller, end } = await loginAs(services, model, vault, "enrol");
  const roleId = await enroller.read<{ role_id: string }>(`${mount}/role-id`);
  const { wrap_info } = await enroller.write(`${mount}/secret-id`, {}, { wrapTtl: "60s" });
  await end();
  const unwrapped = await vault.with(wrap_info?.token).write<{ secret_id: string }>("sys/wrapping/unwrap");
  const { auth } = await vault.write(`auth/${model.vault.auth.approle}/login`, {
    role_id: roleId?.role_id,
    secret_id: unwrapped.data.secret_id,
  });
  assert.ok(auth, `${service} gets a token`);
  return vault.with(auth.client_token);
}

/** Root for a test's own look from above; call `end` to revoke and forget it. */
export async function asRoot({ services, vault }: Running): Promise<{ root: Vault; end(): Promise<void> }> {
  const root = vault.with(await regenerateRoot(services));
  return {
    root,
    async end() {
      await root.write("auth/token/revoke-self");
      await forgetRootToken(services.home);
    },
  };
}

/** Root for one look: the next `up` would revoke one that stays. */
export async function withRoot<T>(running: Running, look: (root: Vault) => Promise<T>): Promise<T> {
  const { root, end } = await asRoot(running);
  try {
    return await look(root);
  } finally {
    await end();
  }
}

export interface Issued {
  username: string;
  password: string;
  lease: string;
  seconds: number;
}

export async function issue(vault: Vault, model: Model, role: string): Promise<Issued> {
  const path = `${model.vault.mounts.database}/creds/${role}`;
  const answer = await vault.request<{ username: string; password: string }>("GET", path);
  return { ...answer.data, lease: answer.lease_id, seconds: answer.lease_duration };
}

/** Logs in to a database with issued credentials. The caller ends the session. */
export async function connect(
  { services }: Pick<Running, "services">,
  database: string,
  { username, password }: { username: string; password: string },
): Promise<pg.Client> {
  const client = new pg.Client({
    host: services.postgres.host,
    port: services.postgres.port,
    database,
    user: username,
    password,
    ssl: { ca: services.issuer.ca },
    connectionTimeoutMillis: 5_000,
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** The SQLSTATE with which Postgres refuses a login; undefined when it lets it in. */
export async function refusal(
  running: Pick<Running, "services">,
  database: string,
  credentials: { username: string; password: string },
): Promise<string | undefined> {
  try {
    await (await connect(running, database, credentials)).end();
    return undefined;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code;
    throw error;
  }
}

/** Asks as the superuser. */
export async function query<Row extends pg.QueryResultRow>(
  { services }: Pick<Running, "services">,
  text: string,
  values: unknown[] = [],
  database = "postgres",
): Promise<Row[]> {
  const client = await connectAsSuperuser({
    home: services.home,
    port: services.postgres.port,
    ca: services.issuer.ca,
    database,
  });
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Names of the users that Vault has made and not dropped, sorted. */
export async function issuedUsers(running: Pick<Running, "services">): Promise<string[]> {
  const rows = await query<{ rolname: string }>(
    running,
    `select rolname from pg_roles where rolname like 'v-%' order by rolname`,
  );
  return rows.map(({ rolname }) => rolname);
}
