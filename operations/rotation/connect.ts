import { setTimeout as sleep } from "node:timers/promises";
import pg, { type QueryResult, type QueryResultRow } from "pg";
import { type Vault, VaultError } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import {
  type Connection,
  PersonNeededError,
  type Reach,
  type Target,
  TargetUnavailableError,
} from "./rotator.ts";

export interface DatabaseAccess {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: { vault: { mounts: Pick<Model["vault"]["mounts"], "database"> } };
  /** PEM of the CA that signed the servers' certificates, where TLS is on; the system's roots when absent. */
  ca?: string;
  /** Milliseconds for a connection, and for one statement; 10 000 and 30 000 by default. */
  patience?: { connect: number; statement: number };
}

/** What a database says to something that its rotation role must be able to do. */
export function refused({ id, rotation: { actsAs } }: Target, cause: pg.DatabaseError): PersonNeededError {
  return new PersonNeededError(
    `${id} refuses what rotation does as "${actsAs}": ${cause.message} (${cause.code}): let a DBA run the statements ` +
      'of "Static database users" in infra/README.md again',
    { cause },
  );
}

/**
 * Connections to the model's databases. `manage` gets a login of its own from Vault, which ends with the connection,
 * and with its lease where the runner is killed. Both throw TargetUnavailableError for a server that cannot be
 * reached, has no free connection or answers too late; a login that the server refuses is a pg.DatabaseError.
 */
export function databaseReach(access: DatabaseAccess): Pick<Reach, "manage" | "login"> {
  return {
    login: async (database, as) => new Session(await open(access, database, as), database),
    manage: (database) => manage(access, database),
  };
}

async function manage(access: DatabaseAccess, database: Target): Promise<Connection> {
  if (database.retired?.delete === true) {
    throw new PersonNeededError(
      `${database.id} is retired with \`delete: true\`, so that rotation has no login there: take \`delete: true\` back, run ` +
        "keyplane up, and delete it once this rotation has ended",
    );
  }
  const lease = await Lease.of(access, database);
  try {
    const client = await open(access, database, lease.credentials);
    const session = new Session(client, database, lease);
    // Roles are made and altered as this role alone: the attribute CREATEROLE is not inherited.
    await session.query(`SET ROLE ${pg.escapeIdentifier(database.rotation.actsAs)}`);
    return session;
  } catch (error) {
    await lease.end();
    throw error instanceof pg.DatabaseError ? refused(database, error) : error;
  }
}

async function open(
  { ca, patience = { connect: 10_000, statement: 30_000 } }: DatabaseAccess,
  database: Target,
  { user, password }: { user: string; password: string },
): Promise<pg.Client> {
  const client = new pg.Client({
    host: database.host,
    port: database.port,
    database: database.database,
    user,
    password,
    ssl: database.tls === "disable" ? false : { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    application_name: "keyplane",
    connectionTimeoutMillis: patience.connect,
    statement_timeout: patience.statement,
    // A server that is gone without a word is noticed here, within the lease's bound on a call.
    query_timeout: patience.statement * 1.1,
    // Whatever waits for a lock makes others wait behind it: better to come again.
    lock_timeout: 2_000,
    // What the database's users have made must not stand in for what is meant.
    options: "-c search_path=pg_catalog",
  });
  // A server that goes away between two queries must not end our process.
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw untrusted(error, database) ?? unavailable(error, database) ?? error;
  }
}

/** Codes of Node for a certificate that does not hold: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const certificateErrors =
  /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Time does not mend trust. */
function untrusted(error: unknown, { id, host, port }: Target): PersonNeededError | undefined {
  if (!(error instanceof Error) || error instanceof pg.DatabaseError) return undefined;
  const code = "code" in error ? String(error.code) : "";
  if (!certificateErrors.test(code) && !/does not support SSL/.test(error.message)) return undefined;
  return new PersonNeededError(
    `The database ${id} at ${host}:${port} is not who it should be (${error.message}): name the PEM file of its CA in ` +
      "PGSSLROOTCERT, or correct its host or tls in the catalogue",
    { cause: error },
  );
}

/** A connection whose errors are told apart, and whose lease is renewed while it is used. */
class Session implements Connection {
  readonly #client: pg.Client;
  readonly #database: Target;
  readonly #lease: Lease | undefined;

  constructor(client: pg.Client, database: Target, lease?: Lease) {
    this.#client = client;
    this.#database = database;
    this.#lease = lease;
  }

  async renew(): Promise<void> {
    await this.#lease?.renewInTime();
  }

  async query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    await this.renew();
    try {
      return await this.#client.query<Row>(text, values);
    } catch (error) {
      throw unavailable(error, this.#database) ?? error;
    }
  }

  async end(): Promise<void> {
    // The server may be gone, or never answer: then there is nothing to wait for.
    await Promise.race([this.#client.end().catch(() => {}), sleep(2_000, undefined, { ref: false })]);
    await this.#lease?.end();
  }
}

/** A login that Vault made for one connection. */
class Lease {
  readonly credentials: { user: string; password: string };
  readonly #vault: Vault;
  readonly #id: string;
  #halfway: number;

  private constructor(vault: Vault, id: string, duration: number, credentials: Lease["credentials"]) {
    this.#vault = vault;
    this.#id = id;
    this.#halfway = halfway(duration);
    this.credentials = credentials;
  }

  static async of({ vault, model }: DatabaseAccess, database: Target): Promise<Lease> {
    const path = `${model.vault.mounts.database}/creds/${database.rotation.role}`;
    try {
      const { data, lease_id, lease_duration } = await vault.request<{ username: string; password: string }>(
        "GET",
        path,
      );
      return new Lease(vault, lease_id, lease_duration, { user: data.username, password: data.password });
    } catch (cause) {
      if (!(cause instanceof VaultError) || cause.status < 500) throw cause;
      // Vault says 500 for a database that it cannot reach, or that lets nobody in.
      throw new TargetUnavailableError(
        `Vault could not make a login for ${database.id} at ${database.host}:${database.port} (${path}: ${cause.status}): ` +
          "the database does not answer or has no free connection; the same step is tried again",
        { cause },
      );
    }
  }

  /** @throws TargetUnavailableError when the lease is at its end: the work goes on over a new connection */
  async renewInTime(): Promise<void> {
    if (Date.now() < this.#halfway) return;
    try {
      const { lease_duration } = await this.#vault.write(`sys/leases/renew`, { lease_id: this.#id });
      this.#halfway = halfway(lease_duration);
    } catch (cause) {
      if (!(cause instanceof VaultError) || cause.status >= 500) throw cause;
      throw new TargetUnavailableError(
        "The login's time is over: the same step is tried again with a new one",
        { cause },
      );
    }
  }

  async end(): Promise<void> {
    // Where Vault does not answer, the lease ends by itself within minutes.
    await this.#vault.write(`sys/leases/revoke/${this.#id}`).catch(() => {});
  }
}

function halfway(duration: number): number {
  return Date.now() + (duration * 1000) / 2;
}

/**
 * What Postgres says where the same step may do better later. Classes 08 (connection), 53 (resources, too many
 * connections) and 57P (shutting down, starting up); deadlock, lock and statement timeouts; two sessions that alter
 * one role at once have no code of their own. https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
function mayPass({ code = "", message }: pg.DatabaseError): boolean {
  return /^(08|53|57P)|^(40001|40P01|55P03|57014)$/.test(code) || /tuple concurrently/.test(message);
}

function unavailable(error: unknown, { id, host, port }: Target): TargetUnavailableError | undefined {
  if (error instanceof pg.DatabaseError && !mayPass(error)) return undefined;
  const said = error instanceof Error ? error.message || error.name : String(error);
  return new TargetUnavailableError(
    `The database ${id} at ${host}:${port} is not there for now (${said}): the same step is tried again`,
    { cause: error },
  );
}
