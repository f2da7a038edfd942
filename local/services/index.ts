import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import type { EnvironmentOverrides } from "../../model/catalogue.ts";
import type { Database } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import { ensureCertificates } from "./certificates.ts";
import { makeDatabases } from "./databases.ts";
import { account, emulatorEndpoint, region, startEmulator } from "./emulator/index.ts";
import { ServiceError, ServicesDownError } from "./errors.ts";
import { deleteHome, holdServices, holdStack, isHome, layout, prepareHome, removeLeftovers } from "./home.ts";
import { issuerUrl, startIssuer } from "./issuer/index.ts";
import { becomesFree, freePort, startOrMove } from "./ports.ts";
import { copyCertificate, startPostgres, superuser } from "./postgres-server.ts";
import type { PostgresUser } from "./postgres-user.ts";
import {
  kubernetesNames,
  type PortName,
  type ProcessName,
  ProcessTable,
  type ServiceName,
  serviceNames,
  signalProcess,
  stopProcess,
} from "./process-table.ts";
import { type ServiceStatus, statusOf } from "./status.ts";
import { readVaultKeys } from "./vault-keys.ts";
import { startVault, vaultAddress } from "./vault-server.ts";

export { sampleTable } from "./databases.ts";
export { HomeError, ServiceError, ServicesDownError } from "./errors.ts";
export { type GitHubJob, gitHubClaims } from "./issuer/claims.ts";
export { signGitHubToken } from "./issuer/token.ts";
export type { ServiceStatus } from "./status.ts";
export { forgetRootToken, regenerateRoot } from "./vault-keys.ts";

/** Where the local services are and what is needed to use them. */
export interface LocalServices {
  /** The state folder's real path. */
  home: string;
  vault: {
    address: string;
    /** PEM of the local CA. */
    ca: string;
    caFile: string;
    unsealKeysFile: string;
    /** Only until it is revoked and forgotten. */
    rootToken?: string;
    /** Two folders that Vault may write audit files into. */
    auditDirectories: [string, string];
  };
  postgres: { host: "127.0.0.1"; port: number; superuser: string; passwordFile: string; logFile: string };
  issuer: { url: string; ca: string };
  /** The emulator of AWS: plain HTTP, any access key. */
  aws: { endpoint: string; account: string; region: string };
}

export interface StartOptions {
  report: Report;
  /** Path of Vault's executable; the toolchain's when absent. */
  vault?: string;
  /** Postgres settings on top of ours, e.g. `{ log_statement: "all" }`. They count when Postgres is started. */
  postgresSettings?: Record<string, string>;
  /** Whom Postgres runs as; decided by the machine when absent. */
  postgresUser?: PostgresUser;
  /** All when absent; what else runs is left alone. */
  only?: readonly ServiceName[];
}

/**
 * Starts what does not run of Vault, Postgres, the issuer and the AWS emulator, and unseals Vault. Repeating it changes nothing.
 * @throws ServiceError for a service that does not come up, HomeError for a folder that is not ours; both say what to do.
 */
export async function startServices(home: string, options: StartOptions): Promise<LocalServices> {
  const { report } = options;
  const executable = options.vault ?? (await pinnedVault(report));
  const root = await prepareHome(home);
  using _held = await holdServices(root, { report });
  const at = layout(root);
  await removeLeftovers(root);
  for (const folder of [at.logs, at.vault.folder, ...at.audit]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  const certificates = await ensureCertificates(root);
  const table = await ProcessTable.read(root);
  const ports = await choosePorts(table, report);
  const { ca } = certificates;
  const common = { home: root, ca, table, report };
  await Promise.all(
    certificates.renewed.map(async (name) => {
      const running = await table.running(name);
      if (name === "postgres") await copyCertificate(root);
      if (running !== undefined && (await signalProcess(running, "SIGHUP"))) {
        report({ subject: name, state: "progress", text: "loads its renewed certificate" });
      }
    }),
  );
  const start: Record<ServiceName, () => Promise<void>> = {
    vault: () =>
      startVault({ ...common, executable, port: ports.vault, clusterPort: ports["vault-cluster"] }),
    postgres: () =>
      startPostgres({
        ...common,
        port: ports.postgres,
        ...(options.postgresSettings !== undefined && { settings: options.postgresSettings }),
        ...(options.postgresUser !== undefined && { user: options.postgresUser }),
      }),
    issuer: () => startIssuer({ ...common, port: ports.issuer }),
    aws: () => startEmulator({ ...common, python: () => pinnedEmulator(report), port: ports.aws }),
  };
  const move = async (name: ServiceName) => {
    for (const port of portsOf(name)) ports[port] = await chooseAnew(port, { table, report });
  };
  await allOrFirstFailure(
    (options.only ?? serviceNames).map((name) => startOrMove(start[name], () => move(name))),
  );
  return servicesAt(root, ports, ca);
}

/** Loaded here only: `status` and `down` need no tools. */
async function pinnedVault(report: Report): Promise<string> {
  const { findTool } = await import("../toolchain/index.ts");
  return findTool("vault", report);
}

async function pinnedEmulator(report: Report): Promise<string> {
  const { findEmulator } = await import("../toolchain/emulator.ts");
  return findEmulator(report);
}

/**
 * The running services, without starting anything.
 * @throws ServicesDownError when one of them does not serve.
 */
export async function connectServices(home: string): Promise<LocalServices> {
  const status = await servicesStatus(home);
  const down = status.filter(({ state }) => state !== "running");
  if (down.length > 0) {
    const list = down.map(
      ({ name, state, reason }) => `${name} is ${state}${reason === undefined ? "" : ` (${reason})`}`,
    );
    throw new ServicesDownError(`The local services are not up: ${list.join(", ")}. Run \`keyplane up\`.`);
  }
  const root = await prepareHome(home);
  const table = await ProcessTable.read(root);
  return servicesAt(root, rememberedPorts(table), await readFile(layout(root).tls.ca, "utf8"));
}

/** What each service is doing, and why one is not serving. */
export async function servicesStatus(home: string): Promise<ServiceStatus[]> {
  return statusOf(home);
}

/**
 * What to tell when work on the running services failed: which of them ended meanwhile, where one did, else the error
 * itself. A service that is gone says more than the request that met nobody.
 */
export async function orEndedService(home: string, error: unknown): Promise<unknown> {
  if (error instanceof ServiceError) return error;
  const ended = (await statusOf(home)).filter(({ state }) => state === "stopped");
  if (ended.length === 0) return error;
  const names = ended.map(({ name }) => name).join(" and ");
  const logs = ended.map(({ log }) => log).join(" and ");
  const met = error instanceof Error ? error.message : String(error);
  return new ServiceError(
    `${names} was killed or ended by itself while it was needed; ${logs} may say why. Run \`keyplane up\` again: it ` +
      `starts what is missing and carries on. What failed with it: ${met}`,
    { cause: error },
  );
}

/**
 * What `keyplane down` does: stops the services, unless an `up` is at work with them.
 * @throws HeldError that names the `up`, HomeError when the folder is not ours.
 */
export async function down(
  home: string,
  { patience = 3_000, ...options }: { deleteData: boolean; report: Report; patience?: number },
): Promise<void> {
  // Where there is nothing of ours, nothing is made either.
  using _held = (await isHome(home))
    ? await holdStack(home, { report: options.report, patience })
    : undefined;
  await stopServices(home, options);
}

/**
 * Stops the services; with `deleteData` it then removes the state folder.
 * @throws HomeError when the folder is not ours.
 */
export async function stopServices(
  home: string,
  { deleteData, report }: { deleteData: boolean; report: Report },
): Promise<void> {
  if (!(await isHome(home))) {
    // Nothing of ours: a folder that exists is refused, one that does not is nothing to do.
    if (deleteData && existsSync(home)) await deleteHome(home);
    for (const subject of serviceNames) report({ subject, state: "unchanged", text: "not running" });
    return;
  }
  const root = await prepareHome(home);
  using _held = await holdServices(root, { report });
  const table = await ProcessTable.read(root);
  for (const name of kubernetesNames) {
    if ((await table.find(name)) !== undefined) await stopService(table, name, report);
  }
  await Promise.all(serviceNames.map((name) => stopService(table, name, report)));
  if (!deleteData) return;
  await deleteHome(root);
  report({ subject: "services", state: "done", text: `deleted ${root}` });
}

/**
 * Makes the databases, group roles and manager roles of the model in the local Postgres; repeating it changes nothing.
 * @param exists Whether Vault has that connection already.
 * @returns connection → bootstrap password of the managers that Vault does not know yet.
 */
export async function prepareDatabases(
  services: LocalServices,
  databases: Database[],
  options: { exists: (connection: string) => Promise<boolean> },
): Promise<Record<string, string>> {
  const { home, postgres, issuer } = services;
  using _held = await holdServices(home, { report: () => {} });
  return await makeDatabases({ home, port: postgres.port, ca: issuer.ca }, databases, options);
}

/** The files that Vault's audit devices write. */
export function auditFiles({ vault }: Pick<LocalServices, "vault">): string[] {
  return vault.auditDirectories.map((folder) => `${folder}/audit.log`);
}

/** What the local environment knows only at run time, in the form of the catalogue's environment block. */
export function environmentOf({ vault, postgres, issuer, aws }: LocalServices): EnvironmentOverrides {
  const [first, second] = vault.auditDirectories;
  return {
    github: { issuer: issuer.url, certificate: issuer.ca },
    vault: {
      address: vault.address,
      certificate: vault.ca,
      audit: {
        first: { type: "file", path: `${first}/audit.log` },
        second: { type: "file", path: `${second}/audit.log` },
      },
    },
    postgres: { host: postgres.host, port: postgres.port },
    aws: { account: aws.account, region: aws.region, emulator: aws.endpoint },
  };
}

type Ports = Record<PortName, number>;

const owner: Record<PortName, ServiceName> = {
  vault: "vault",
  "vault-cluster": "vault",
  postgres: "postgres",
  issuer: "issuer",
  aws: "aws",
};

const portsOf = (service: ServiceName) =>
  (Object.keys(owner) as PortName[]).filter((name) => owner[name] === service);

/** The remembered ports, while they are free or our own server holds them; else new ones. */
async function choosePorts(table: ProcessTable, report: Report): Promise<Ports> {
  const chosen: Partial<Ports> = {};
  for (const name of Object.keys(owner) as PortName[]) {
    const remembered = table.port(name);
    const running = await table.find(owner[name]);
    if (running !== undefined && remembered === undefined) {
      // A table that was lost: the server's port is not known, so it starts again where it is.
      await stopProcess(running, stopSignal[owner[name]]);
    }
    if (remembered !== undefined && (running !== undefined || (await becomesFree(remembered)))) {
      chosen[name] = remembered;
      continue;
    }
    chosen[name] = await chooseAnew(name, { table, report });
  }
  return chosen as Ports;
}

/** Another port than what it has, which is remembered. */
async function chooseAnew(
  name: PortName,
  { table, report }: { table: ProcessTable; report: Report },
): Promise<number> {
  const before = table.port(name);
  const port = await freePort(table.ports());
  if (before !== undefined) {
    const text = `port ${before} was taken by another process, so it moves to ${port}`;
    report({ subject: owner[name], state: "progress", text });
  }
  await table.rememberPort(name, port);
  return port;
}

function rememberedPorts(table: ProcessTable): Ports {
  const port = (name: PortName) => table.port(name) ?? 0;
  return {
    vault: port("vault"),
    "vault-cluster": port("vault-cluster"),
    postgres: port("postgres"),
    issuer: port("issuer"),
    aws: port("aws"),
  };
}

async function servicesAt(root: string, ports: Ports, ca: string): Promise<LocalServices> {
  const at = layout(root);
  const keys = await readVaultKeys(root);
  return {
    home: root,
    vault: {
      address: vaultAddress(ports.vault),
      ca,
      caFile: at.tls.ca,
      unsealKeysFile: at.vault.keys,
      ...(keys?.rootToken !== undefined && { rootToken: keys.rootToken }),
      auditDirectories: at.audit,
    },
    postgres: {
      host: "127.0.0.1",
      port: ports.postgres,
      superuser,
      passwordFile: at.postgres.password,
      logFile: `${at.logs}/postgres.log`,
    },
    issuer: { url: issuerUrl(ports.issuer), ca },
    aws: { endpoint: emulatorEndpoint(ports.aws), account, region },
  };
}

/** Postgres: SIGINT ends its sessions and stops in order; SIGTERM would wait for every client to leave. */
const stopSignal: Record<ProcessName, NodeJS.Signals> = {
  vault: "SIGTERM",
  postgres: "SIGINT",
  issuer: "SIGTERM",
  aws: "SIGTERM",
  "kube-apiserver": "SIGTERM",
  etcd: "SIGTERM",
};

/** Ends a process of this state folder, where it runs, and forgets it. */
export async function stopService(table: ProcessTable, name: ProcessName, report: Report): Promise<void> {
  const running = await table.find(name);
  if (running === undefined) {
    report({ subject: name, state: "unchanged", text: "not running" });
  } else {
    const how = await stopProcess(running, stopSignal[name]);
    report({
      subject: name,
      state: "done",
      text: how === "killed" ? "did not stop in time and was killed" : "stopped",
    });
  }
  await table.forget(name);
}

/** Waits for all, so that nothing goes on behind a failure, then throws the first one. */
async function allOrFirstFailure(work: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === "rejected") throw result.reason;
  }
}
