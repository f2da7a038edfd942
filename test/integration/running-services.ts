import { mkdtemp, readdir, readFile, readlink, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Step } from "../../local/progress.ts";
import {
  type LocalServices,
  type StartOptions,
  startServices,
  stopServices,
} from "../../local/services/index.ts";
import { ProcessTable, type ServiceName, serviceNames } from "../../local/services/process-table.ts";

/** The local services of a test's own: a folder of their own, ports of their own. */
export interface TestServices {
  home: string;
  /** Starts what does not run; the steps that were reported are in `steps` afterwards. */
  start(options?: Partial<StartOptions>): Promise<LocalServices>;
  steps: Step[];
  pids(): Promise<Record<ServiceName, number | undefined>>;
  kill(name: ServiceName): Promise<void>;
}

/**
 * Nothing is started yet. Whatever the test starts in `home` ends with the test, also when it fails.
 * @param usual what each start is given, beside what it says itself
 */
export async function testServices(
  t: { after(end: () => Promise<void>): void },
  usual: Partial<StartOptions> = {},
): Promise<TestServices> {
  // The space is meant: people keep their work in such folders.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "keyplane services-")));
  const home = join(folder, "home");
  const steps: Step[] = [];
  t.after(async () => {
    await stopServices(home, { deleteData: false, report: () => {} });
    await killAllIn(folder);
    await rm(folder, { recursive: true, force: true });
  });
  const pids = async () => {
    const table = await ProcessTable.read(home);
    const found = await Promise.all(
      serviceNames.map(async (name) => [name, (await table.find(name))?.pid] as const),
    );
    return Object.fromEntries(found) as Record<ServiceName, number | undefined>;
  };
  return {
    home,
    steps,
    pids,
    async start(options = {}) {
      steps.length = 0;
      return startServices(home, { report: (step) => steps.push(step), ...usual, ...options });
    },
    kill: (name) => killService(home, name),
  };
}

/** Kills a service of a state folder (SIGKILL) and waits until it is gone. Throws when it does not run. */
export async function killService(home: string, name: ServiceName): Promise<void> {
  const table = await ProcessTable.read(home);
  const found = await table.find(name);
  if (found === undefined) throw new Error(`${name} does not run`);
  process.kill(found.pid, "SIGKILL");
  while ((await table.running(name)) !== undefined) await sleep(10);
}

/** Kills every process whose arguments name a folder; for what a failed test left behind. */
async function killAllIn(folder: string): Promise<void> {
  for (const pid of await processesIn(folder)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
}

/** Processes, other than ours, whose arguments or working directory lie in a folder (Linux). */
export async function processesIn(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => "");
    if (line.includes(folder) || cwd.startsWith(folder)) found.push(Number(name));
  }
  return found;
}

/** A connection of the superuser over TLS; whoever asked for it ends it. */
export async function superuser(services: LocalServices): Promise<pg.Client> {
  const { postgres, issuer } = services;
  const password = (await readFile(postgres.passwordFile, "utf8")).trim();
  const client = new pg.Client({
    ...postgres,
    user: postgres.superuser,
    password,
    database: "postgres",
    ssl: { ca: issuer.ca },
  });
  // The server may be stopped before the client is ended.
  client.on("error", () => {});
  await client.connect();
  return client;
}
