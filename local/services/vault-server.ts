import { mkdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Vault, VaultError, VaultUnreachableError } from "../../clients/vault.ts";
import type { Report } from "../progress.ts";
import { ServiceError } from "./errors.ts";
import { waitUntilHealthy } from "./health.ts";
import { layout } from "./home.ts";
import { writePrivate } from "./private-file.ts";
import {
  type Launch,
  lastArguments,
  type ProcessTable,
  type ServiceProcess,
  sizeOf,
  stopProcess,
} from "./process-table.ts";
import {
  finishInitialising,
  readVaultKeys,
  startInitialising,
  storeVaultKeys,
  wasInitialising,
} from "./vault-keys.ts";

export interface VaultStart {
  home: string;
  /** Path of the server's executable. */
  executable: string;
  port: number;
  clusterPort: number;
  /** PEM of the CA of its certificate. */
  ca: string;
  table: ProcessTable;
  report: Report;
}

/** What sys/seal-status says; https://developer.hashicorp.com/vault/api-docs/system/seal-status */
export interface SealStatus {
  initialized: boolean;
  sealed: boolean;
}

export function vaultAddress(port: number): string {
  return `https://127.0.0.1:${port}`;
}

/** The server's settings: Raft storage, TLS on loopback, nothing that listens elsewhere. */
function vaultSettings(home: string, ports: { port: number; clusterPort: number }): object {
  const { vault, tls } = layout(home);
  return {
    storage: { raft: { path: vault.raft, node_id: "local", performance_multiplier: 1 } },
    listener: {
      tcp: {
        address: `127.0.0.1:${ports.port}`,
        cluster_address: `127.0.0.1:${ports.clusterPort}`,
        tls_cert_file: tls.leaf("vault"),
        tls_key_file: tls.leaf("vault"),
        tls_min_version: "tls12",
      },
    },
    // A role id is no secret: without this, five wrong guesses by anyone lock a host out for a quarter of an hour. A
    // secret id is too long to be guessed.
    user_lockout: { approle: { disable_lockout: true } },
    api_addr: vaultAddress(ports.port),
    cluster_addr: `https://127.0.0.1:${ports.clusterPort}`,
    // Raft maps its file into memory; locking all of it asks for rights that a developer's process has not.
    disable_mlock: true,
    ui: false,
    log_level: "info",
  };
}

function vaultLaunch({ home, executable, port }: Pick<VaultStart, "home" | "executable" | "port">): Launch {
  const { logs } = layout(home);
  return {
    name: "vault",
    command: [executable, "server", ...lastArguments(home, "vault")],
    port,
    log: `${logs}/vault.log`,
  };
}

/**
 * Starts Vault where it does not run, initialises it the first time, and unseals it. A start that was killed while
 * Vault was being initialised is made good: nobody ever had those keys, so the storage starts anew.
 * @throws ServiceError, saying what to do.
 */
export async function startVault(start: VaultStart): Promise<void> {
  const { home, table, report } = start;
  const { vault } = layout(home);
  const launch = vaultLaunch(start);
  const recorded = await table.find("vault");
  let running = recorded;
  if ((await wasInitialising(home)) && (await readVaultKeys(home)) === undefined) {
    report({
      subject: "vault",
      state: "progress",
      text: "an earlier start was killed while Vault was being initialised; nobody has keys to that storage, so it starts anew",
    });
    if (running !== undefined) await stopProcess(running, "SIGKILL");
    running = undefined;
    await rm(vault.raft, { recursive: true, force: true });
    await finishInitialising(home);
  }
  const logStart = running === undefined ? await sizeOf(launch.log) : 0;
  if (running === undefined) {
    await mkdir(vault.raft, { recursive: true, mode: 0o700 });
    await writePrivate(vault.settings, `${JSON.stringify(vaultSettings(home, start), undefined, 2)}\n`);
    report({ subject: "vault", state: "started", text: `starting on ${vaultAddress(start.port)}` });
    running = await table.launch(launch);
  }
  await table.record("vault", running);
  const client = new Vault({ address: vaultAddress(start.port), ca: start.ca });
  try {
    await waitUntilHealthy({ name: "vault", process: running, logStart, probe: () => answers(client) });
    const opened = await open(client, start, running);
    const text = `running on ${vaultAddress(start.port)}${opened === "" ? "" : `, ${opened}`}`;
    report({ subject: "vault", state: recorded === running && opened === "" ? "unchanged" : "done", text });
  } finally {
    await client.close();
  }
}

/** Brings a running server to the unsealed, active state. Returns what had to be done; "" for nothing. */
async function open(client: Vault, { home, report }: VaultStart, running: ServiceProcess): Promise<string> {
  const { vault } = layout(home);
  const status = await sealStatus(client);
  const keys = await readVaultKeys(home);
  if (status.initialized && keys === undefined) {
    throw new ServiceError(
      `Vault's storage in ${vault.raft} is initialised, but its keys are not in ${vault.keys}. ` +
        "Nothing was changed. Put keys.json back from where it was moved to; or, if the storage holds nothing " +
        "that you need, `keyplane down --delete` removes everything and the next `keyplane up` starts afresh.",
    );
  }
  if (!status.initialized && keys !== undefined) {
    throw new ServiceError(
      `${vault.keys} holds keys, but Vault's storage in ${vault.raft} is empty: the storage was removed or moved. ` +
        "Nothing was changed. Put it back; or `keyplane down --delete` removes everything and the next " +
        "`keyplane up` starts afresh.",
    );
  }
  if (keys === undefined) {
    const made = await initialise(client, home);
    report({
      subject: "vault",
      state: "progress",
      text: "initialised with one key share (threshold 1), kept in a file: right for one machine only",
    });
    await unseal(client, made.unsealKeys, home);
    await untilActive(client, running);
    return "initialised and unsealed";
  }
  await finishInitialising(home);
  if (status.sealed) await unseal(client, keys.unsealKeys, home);
  await untilActive(client, running);
  return status.sealed ? "unsealed" : "";
}

/** The order is what makes it safe to be killed anywhere: the mark, then Vault, then the keys, then the mark goes. */
async function initialise(client: Vault, home: string) {
  await startInitialising(home);
  const answer = (await client.request("PUT", "sys/init", {
    body: { secret_shares: 1, secret_threshold: 1 },
  })) as unknown as { keys_base64: string[]; root_token: string };
  const keys = { unsealKeys: answer.keys_base64, rootToken: answer.root_token };
  await storeVaultKeys(home, keys);
  await finishInitialising(home);
  return keys;
}

async function unseal(client: Vault, unsealKeys: string[], home: string): Promise<void> {
  const { vault } = layout(home);
  try {
    for (const key of unsealKeys) await client.request("PUT", "sys/unseal", { body: { key } });
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    throw new ServiceError(
      `Vault refused the unseal key in ${vault.keys}: it belongs to another storage than ${vault.raft}. ` +
        "Nothing was changed. Put the right keys.json back, or start afresh with `keyplane down --delete`.",
      { cause: error },
    );
  }
}

async function untilActive(client: Vault, running: ServiceProcess): Promise<void> {
  await waitUntilHealthy({
    name: "vault",
    process: running,
    logStart: 0,
    probe: async () => {
      const problem = await vaultProblem(client);
      if (problem !== undefined) await sleep(50);
      return problem;
    },
  });
}

/** Whether the server answers at all. */
async function answers(client: Vault): Promise<string | undefined> {
  try {
    await sealStatus(client);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function sealStatus(client: Vault): Promise<SealStatus> {
  return (await client.request("GET", "sys/seal-status")) as unknown as SealStatus;
}

/** What keeps Vault from serving; undefined when it serves. https://developer.hashicorp.com/vault/api-docs/system/health */
export async function vaultProblem(client: Vault): Promise<string | undefined> {
  try {
    await client.request("GET", "sys/health");
    return undefined;
  } catch (error) {
    if (error instanceof VaultError) {
      return (
        { 429: "it has not become active yet", 501: "it is not initialised", 503: "it is sealed" }[
          error.status
        ] ?? error.message
      );
    }
    if (error instanceof VaultUnreachableError) return error.message;
    throw error;
  }
}
