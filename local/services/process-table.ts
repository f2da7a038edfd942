import { spawn } from "node:child_process";
import { chmod, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { findProcess, startOf } from "../../operations/process-identity.ts";
import { ServiceError } from "./errors.ts";
import { layout } from "./home.ts";
import { readIfThere, writePrivate } from "./private-file.ts";

export const serviceNames = ["vault", "postgres", "issuer", "aws"] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Kubernetes' API, which runs where it is asked for; in the order in which it is stopped. */
export const kubernetesNames = ["kube-apiserver", "etcd"] as const;
export type ProcessName = ServiceName | (typeof kubernetesNames)[number];

/** Ports are remembered apart from processes: they are kept when a service is started again. */
const portNames = ["vault", "vault-cluster", "postgres", "issuer", "aws"] as const;
export type PortName = (typeof portNames)[number];
export const kubernetesPortNames = ["kube-apiserver", "etcd", "etcd-peer"] as const;
export type KubernetesPortName = (typeof kubernetesPortNames)[number];

const processSchema = z.object({
  pid: z.number().int().positive(),
  /** Identifies the process together with the pid, which alone is given out again. */
  started: z.string(),
  port: z.number().int(),
  command: z.array(z.string()),
  log: z.string(),
});
export type ServiceProcess = z.infer<typeof processSchema>;

const tableSchema = z.object({
  ports: z
    .partialRecord(z.enum([...portNames, ...kubernetesPortNames]), z.number().int().min(1).max(65535))
    .default({}),
  processes: z.partialRecord(z.enum([...serviceNames, ...kubernetesNames]), processSchema).default({}),
});
type Table = z.infer<typeof tableSchema>;

/** The last arguments of a service's process: paths of this state folder, which no other process has there. */
export function lastArguments(home: string, name: ProcessName): string[] {
  const { vault, postgres, issuer, aws, kubernetes } = layout(home);
  return {
    vault: [`-config=${vault.settings}`],
    postgres: ["-D", postgres.data],
    issuer: [issuer.settings],
    aws: [aws.settings],
    etcd: [`--config-file=${kubernetes.etcdSettings}`],
    "kube-apiserver": [`--token-auth-file=${kubernetes.tokens}`],
  }[name];
}

/** How to start a service's process. No argument and no variable may hold a secret. */
export interface Launch {
  name: ProcessName;
  /** What to run; it ends in `lastArguments`. */
  command: string[];
  /** Put before the command; it must replace itself by it, keeping the pid. */
  wrapper?: string[];
  environment?: Record<string, string>;
  port: number;
  log: string;
  uid?: number;
  gid?: number;
}

/** Which process serves what in a state folder; it outlives the terminal that started them. */
export class ProcessTable {
  readonly home: string;
  readonly #table: Table;
  #writing: Promise<void> = Promise.resolve();

  private constructor(home: string, table: Table) {
    this.home = home;
    this.#table = table;
  }

  /** Reads the table. One that cannot be read counts as empty: running servers are then found by their arguments. */
  static async read(home: string): Promise<ProcessTable> {
    const text = await readIfThere(layout(home).processes);
    let table: Table = { ports: {}, processes: {} };
    if (text !== undefined) {
      try {
        table = tableSchema.parse(JSON.parse(text));
      } catch {
        // Nothing is lost that cannot be found again.
      }
    }
    return new ProcessTable(home, table);
  }

  port(name: PortName | KubernetesPortName): number | undefined {
    return this.#table.ports[name];
  }

  ports(): number[] {
    return Object.values(this.#table.ports);
  }

  async rememberPort(name: PortName | KubernetesPortName, port: number): Promise<void> {
    if (this.#table.ports[name] === port) return;
    this.#table.ports[name] = port;
    await this.#write();
  }

  /** The recorded process, where it still runs and is the same one. */
  async running(name: ProcessName): Promise<ServiceProcess | undefined> {
    const recorded = this.#table.processes[name];
    if (recorded === undefined) return undefined;
    return (await startOf(recorded.pid)) === recorded.started ? recorded : undefined;
  }

  recorded(name: ProcessName): ServiceProcess | undefined {
    return this.#table.processes[name];
  }

  /**
   * The running process of a service: the recorded one, or one that a killed start left behind before it could write
   * down its pid. Changes nothing.
   */
  async find(name: ProcessName): Promise<ServiceProcess | undefined> {
    const recorded = await this.running(name);
    if (recorded !== undefined) return recorded;
    const pid = await findProcess(lastArguments(this.home, name));
    const started = pid === undefined ? undefined : await startOf(pid);
    if (pid === undefined || started === undefined) return undefined;
    const log = join(layout(this.home).logs, `${name}.log`);
    return { pid, started, port: this.port(name) ?? 0, command: [], log };
  }

  async record(name: ProcessName, entry: ServiceProcess): Promise<void> {
    this.#table.processes[name] = entry;
    await this.#write();
  }

  /** Starts a process in a session of its own, so that it survives us and our terminal. */
  async launch(launch: Launch): Promise<ServiceProcess> {
    const { name, command, wrapper = [], environment = {}, log, uid, gid } = launch;
    const [file = "", ...args] = [...wrapper, ...command];
    const output = await open(log, "a", 0o600);
    try {
      await chmod(log, 0o600);
      const child = spawn(file, args, {
        cwd: "/",
        detached: true,
        stdio: ["ignore", output.fd, output.fd],
        // Nothing is inherited but what a server needs: VAULT_TOKEN, VAULT_API_ADDR or PGPASSWORD are someone else's.
        env: {
          PATH: process.env.PATH ?? "/usr/bin:/bin",
          ...(process.env.HOME !== undefined && { HOME: process.env.HOME }),
          ...(process.env.TMPDIR !== undefined && { TMPDIR: process.env.TMPDIR }),
          TZ: "UTC",
          ...environment,
        },
        ...(uid !== undefined && { uid }),
        ...(gid !== undefined && { gid }),
      });
      const pid = await new Promise<number>((resolve, reject) => {
        child.once("error", (cause) =>
          reject(
            new ServiceError(
              `${name} could not be started: ${cause.message}. Is ${file} there, and may it be executed?`,
              { cause },
            ),
          ),
        );
        child.once("spawn", () => resolve(child.pid as number));
      });
      child.unref();
      // A process that has ended already gets an identity that nothing matches.
      const entry = { pid, started: (await startOf(pid)) ?? "ended", port: launch.port, command, log };
      await this.record(launch.name, entry);
      return entry;
    } finally {
      await output.close();
    }
  }

  async forget(name: ProcessName): Promise<void> {
    delete this.#table.processes[name];
    await this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = this.#writing.then(() =>
      writePrivate(layout(this.home).processes, `${JSON.stringify(this.#table, undefined, 2)}\n`),
    );
    await this.#writing;
  }
}

export async function isAlive({ pid, started }: ServiceProcess): Promise<boolean> {
  return (await startOf(pid)) === started;
}

/**
 * Ends a process: asks with `signal`, waits `patience` milliseconds, then kills. A pid that was given out again is
 * left alone.
 */
export async function stopProcess(
  target: ServiceProcess,
  signal: NodeJS.Signals,
  patience = 15_000,
): Promise<"stopped" | "killed" | "not running"> {
  if (!(await signalProcess(target, signal))) return "not running";
  if (await endsWithin(target, patience)) return "stopped";
  await signalProcess(target, "SIGKILL");
  if (await endsWithin(target, 5_000)) return "killed";
  throw new ServiceError(`Process ${target.pid} does not end. End it by hand: kill -9 ${target.pid}`);
}

/** Sends a signal to the very process that was recorded; false when it is gone. */
export async function signalProcess(target: ServiceProcess, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(target))) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw new ServiceError(
      `Process ${target.pid} may not be signalled: ${error instanceof Error ? error.message : String(error)}. ` +
        "Run keyplane as the user who started it.",
      { cause: error },
    );
  }
}

async function endsWithin(target: ServiceProcess, patience: number): Promise<boolean> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(25)) {
    if (!(await isAlive(target))) return true;
  }
  return false;
}

export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
