import { execFile } from "node:child_process";
import { readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { NatsTarget } from "../../../model/model.ts";
import { Folder } from "../../delivery/folder.ts";
import { holdPlace } from "../../delivery/hold.ts";
import { lookAt, lookIn, placeFiles, removeLeftovers } from "../../delivery/owned-file.ts";
import { TargetUnavailableError } from "../rotator.ts";
import { UsersFileError } from "./users-file.ts";

/** A connection as the server's monitoring shows it. */
export interface NatsConnection {
  /** The client's own name, or its address where it gives none. */
  name: string;
  /** Undefined while it is open. */
  ended: Date | undefined;
}

/** One nats-server on this host, whose users stand in a file. */
export class NatsServer {
  readonly #target: NatsTarget;
  readonly #fetch: typeof fetch;
  readonly #signal: AbortSignal;
  /** Milliseconds until the server must have read its file again. */
  readonly #patience: number;

  constructor(
    target: NatsTarget,
    {
      fetch,
      signal,
      patience = 20_000,
    }: { fetch: typeof globalThis.fetch; signal: AbortSignal; patience?: number },
  ) {
    this.#target = target;
    this.#fetch = fetch;
    this.#signal = signal;
    this.#patience = patience;
  }

  /** The users file as it is. */
  async users(): Promise<string> {
    return (await this.#look()).content;
  }

  /** Removes what a killed run had staged beside the users file; the next change would as well. */
  async tidy(): Promise<void> {
    await using folder = await Folder.open(dirname(await this.#path()));
    await removeLeftovers(folder);
  }

  /**
   * Changes the users file and makes the server read it, unless both are so already. A change that the server does not
   * take over is taken back: it would keep the server from starting again.
   * @param holds whether the server acts as the changed file says
   * @throws TargetUnavailableError, UsersFileError
   */
  async change(changed: (text: string) => string, holds: () => Promise<boolean>): Promise<void> {
    const path = await this.#path();
    await this.#look();
    await using folder = await Folder.open(dirname(path));
    await using _ = await holdPlace(folder, `.${basename(path)}.lock`);
    await folder.assertInPlace();
    const { content, stats } = await this.#look(folder);
    const text = changed(content);
    if (text === content && (await holds())) return;
    const write = (whole: string) =>
      placeFiles(folder, [
        { name: basename(path), content: whole, owner: { uid: stats.uid, gid: stats.gid } },
      ]);
    this.#signal.throwIfAborted();
    await write(text);
    try {
      await this.#reload(holds);
    } catch (error) {
      if (this.#signal.aborted || text === content) throw error;
      await write(content);
      await this.#hangUp().catch(() => {});
      throw error;
    }
  }

  /**
   * A user's connections, those of the recent past included.
   * @returns undefined where the server has no monitoring
   */
  async connections(user: string): Promise<{ connections: NatsConnection[]; at: Date } | undefined> {
    const { monitor } = this.#target;
    if (monitor === undefined) return undefined;
    const connections: NatsConnection[] = [];
    const limit = 1024;
    for (let offset = 0; ; offset += limit) {
      const query = `auth=1&state=all&user=${encodeURIComponent(user)}&limit=${limit}&offset=${offset}`;
      const page = await this.#monitor(`connz?${query}`);
      const listed = Array.isArray(page.connections) ? (page.connections as Record<string, unknown>[]) : [];
      for (const { name, ip, stop, authorized_user } of listed) {
        if (authorized_user !== user) continue;
        connections.push({
          name: typeof name === "string" && name !== "" ? name : String(ip),
          ended: typeof stop === "string" ? new Date(stop) : undefined,
        });
      }
      if (listed.length < limit) return { connections, at: new Date(String(page.now)) };
    }
  }

  async #reload(holds: () => Promise<boolean>): Promise<void> {
    const before = await this.#loadedAt();
    await this.#hangUp();
    for (const end = Date.now() + this.#patience; Date.now() < end; ) {
      await sleep(50, undefined, { signal: this.#signal });
      if (before !== undefined && (await this.#loadedAt()) === before) continue;
      if (await holds()) return;
    }
    throw new TargetUnavailableError(
      `nats-server did not take over ${this.#target.usersFile} within ${this.#patience / 1000} s: its log says why (nats-server -t checks its configuration)`,
    );
  }

  /** When the server last read its configuration, in its own words; undefined without monitoring. */
  async #loadedAt(): Promise<string | undefined> {
    if (this.#target.monitor === undefined) return undefined;
    return String((await this.#monitor("varz")).config_load_time);
  }

  /** Sends SIGHUP, which any other process would die of: so it is looked at first. */
  async #hangUp(): Promise<void> {
    const { pidFile } = this.#target;
    const text = await readFile(pidFile, "utf8").catch(() => undefined);
    const pid = Number(text?.trim());
    if (!Number.isSafeInteger(pid) || pid < 1) {
      throw new TargetUnavailableError(
        `${pidFile} names no process: start nats-server with --pid, or pid_file`,
      );
    }
    const command = await commandOf(pid);
    if (command !== "nats-server") {
      throw new TargetUnavailableError(
        `the process ${pid} that ${pidFile} names is ${command ?? "not there"}, no nats-server: start it again`,
      );
    }
    try {
      process.kill(pid, "SIGHUP");
    } catch (cause) {
      throw new TargetUnavailableError(
        `nats-server (${pid}) cannot be told to read its users again: run as its user or as root`,
        { cause },
      );
    }
  }

  async #monitor(path: string): Promise<Record<string, unknown>> {
    const { monitor } = this.#target;
    try {
      const response = await this.#fetch(`${monitor?.replace(/\/+$/, "")}/${path}`, {
        redirect: "error",
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(10_000)]),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return (await response.json()) as Record<string, unknown>;
    } catch (cause) {
      this.#signal.throwIfAborted();
      throw new TargetUnavailableError(`the monitoring of nats-server at ${monitor} does not answer`, {
        cause,
      });
    }
  }

  async #look(folder?: Folder) {
    const path = await this.#path();
    const found = await (folder === undefined ? lookAt(path) : lookIn(folder, basename(path)));
    if (found === undefined) {
      throw new UsersFileError(
        `there is no ${this.#target.usersFile}: write \`users = [ … ]\` there and include it in the server's configuration`,
      );
    }
    return found;
  }

  /** Where a folder above it is a link, the place itself. */
  async #path(): Promise<string> {
    const { usersFile } = this.#target;
    const folder = await realpath(dirname(usersFile)).catch(() => dirname(usersFile));
    return join(folder, basename(usersFile));
  }
}

/** The name of a process' program; undefined where it does not run. */
async function commandOf(pid: number): Promise<string | undefined> {
  const comm = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => undefined);
  if (comm !== undefined) return comm.trim();
  const { stdout } = await promisify(execFile)("ps", ["-o", "comm=", "-p", String(pid)]).catch(() => ({
    stdout: "",
  }));
  return stdout.trim() === "" ? undefined : basename(stdout.trim());
}
