import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { parseEnv } from "node:util";
import { containerState } from "../../../operations/delivery/host.ts";
import type { CommandLimits } from "../../../operations/delivery/host-command.ts";
import { whileAway } from "./away.ts";

/** A program that stands for a service's container. */
export interface Program {
  /** A TypeScript file. */
  file: string;
  /** Its environment, beside what its env-file says. */
  env: Record<string, string>;
  /** An env-file that it is started with, where that exists. */
  envFile: string;
  /** A folder as the container sees it, and where that is. */
  mount?: { seenAs: string; folder: string };
  /** Every line that it says. */
  said?: (line: string) => void;
}

interface Container {
  child: ChildProcess;
  started: Date;
}

/**
 * Stands for `docker compose` and `supervisorctl` on a machine that has neither: the very commands that sinks run, over real processes. A
 * restart stops the process, which ends what is under way, and starts another. Also behind an HTTP server, for runners
 * that are processes of their own.
 */
export class Compose {
  readonly #programs: Map<string, Program>;
  readonly #containers = new Map<string, Container>();
  /** Names in the order of their first start. */
  readonly #came = new Set<string>();
  readonly #server: Server;
  /** Services in the order in which they were started again. */
  readonly restarts: string[] = [];

  constructor(programs: Record<string, Program>) {
    this.#programs = new Map(Object.entries(programs));
    this.#server = createServer(async (request, response) => {
      let text = "";
      for await (const part of request) text += part;
      try {
        response.end(await this.command(JSON.parse(text) as string[]));
      } catch (error) {
        response.writeHead(500).end(error instanceof Error ? error.message : String(error));
      }
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  readonly command = async (
    argv: string[],
    { answers = [0] }: Partial<CommandLimits> = {},
  ): Promise<string> => {
    const name = argv.at(-1) ?? "";
    const said = argv.slice(0, -1).join(" ");
    switch (said) {
      case "docker compose up --detach --force-recreate --no-deps":
        await this.restart(name);
        return "";
      case "docker compose ps -q":
        return this.#containers.has(name) ? `${name}\n` : "";
      case `docker inspect -f ${containerState}`:
        return `${this.#containers.get(name)?.started.toISOString()} true false 0\n`;
      case "supervisorctl restart":
        await this.restart(name);
        return "";
      case "supervisorctl status": {
        const pid = this.#containers.get(name)?.child.pid;
        if (pid !== undefined) return `${name.padEnd(33)}RUNNING   pid ${pid}, uptime 0:00:05\n`;
        // It exits with 3 then, which its caller has to know.
        if (answers.includes(3)) return `${name.padEnd(33)}STOPPED   Not started\n`;
        throw new Error("failed with exit status 3");
      }
      case "docker compose kill --signal HUP":
        this.#containers.get(name)?.child.kill("SIGHUP");
        return "";
      default:
        throw new Error(`nobody expected ${argv.join(" ")}`);
    }
  };

  restart(name: string): Promise<void> {
    return whileAway(() => this.#restart(name));
  }

  async #restart(name: string): Promise<void> {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`no service ${name}`);
    await this.#stop(name);
    this.restarts.push(name);
    this.#came.add(name);
    const started = new Date();
    const child = spawn(process.execPath, [program.file], {
      env: {
        PATH: process.env.PATH,
        // It starts as often as it is rotated, from compiled code.
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        ...environmentOf(program),
        ...program.env,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#containers.set(name, { child, started });
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${name} ended (${code}) before it was ready`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line === "ready") resolve();
        else program.said?.(line);
      });
    });
  }

  /**
   * Ends everything, kindly first; who came last ends first, so that nobody calls one that is gone. A client still has all
   * answers to get, which a slow machine keeps waiting.
   */
  async end(): Promise<void> {
    for (const name of [...this.#came].reverse()) await whileAway(() => this.#stop(name, 60));
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @param patience seconds until it is killed */
  async #stop(name: string, patience = 15): Promise<void> {
    const child = this.#containers.get(name)?.child;
    this.#containers.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<NodeJS.Signals | null>((resolve) =>
      child.once("close", (_, signal) => resolve(signal)),
    );
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), patience * 1000);
    // What it still had to tell would be missing.
    if ((await ended) === "SIGKILL") throw new Error(`${name} did not end within ${patience} s`);
    clearTimeout(timer);
  }
}

function environmentOf({ envFile, mount }: Program): NodeJS.Dict<string> {
  if (!existsSync(envFile)) return {};
  const variables = parseEnv(readFileSync(envFile, "utf8"));
  if (mount === undefined) return variables;
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, value?.replace(mount.seenAs, mount.folder)]),
  );
}
