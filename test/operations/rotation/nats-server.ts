import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "../../../local/toolchain/index.ts";
import type { NatsTarget } from "../../../model/model.ts";
import { freePort } from "../../free-port.ts";

/** A real nats-server whose configuration includes a users file. */
export class TestNats implements AsyncDisposable {
  readonly folder: string;
  readonly target: NatsTarget;
  readonly #child: ChildProcess;

  private constructor(folder: string, target: NatsTarget, child: ChildProcess) {
    this.folder = folder;
    this.target = target;
    this.#child = child;
  }

  /** @param users the whole users file */
  static async start(users: string): Promise<TestNats> {
    const executable = await findTool("nats-server", () => {});
    const folder = await mkdtemp(join(tmpdir(), "keyplane-nats-"));
    const port = await freePort();
    const monitorPort = await freePort();
    const target: NatsTarget = {
      servers: [`nats://127.0.0.1:${port}`],
      usersFile: join(folder, "users.conf"),
      pidFile: join(folder, "nats.pid"),
      monitor: `http://127.0.0.1:${monitorPort}`,
    };
    await writeFile(target.usersFile, users);
    await chmod(target.usersFile, 0o600);
    const settings = [
      `listen: "127.0.0.1:${port}"`,
      `http: "127.0.0.1:${monitorPort}"`,
      `pid_file: "${target.pidFile}"`,
      `log_file: "${join(folder, "nats.log")}"`,
      'authorization { include "users.conf" }',
    ];
    await writeFile(join(folder, "nats.conf"), settings.join("\n"));
    const child = spawn(executable, ["-c", join(folder, "nats.conf")], { stdio: "ignore" });
    const server = new TestNats(folder, target, child);
    try {
      await server.#answers();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  users(): Promise<string> {
    return readFile(this.target.usersFile, "utf8");
  }

  log(): Promise<string> {
    return readFile(join(this.folder, "nats.log"), "utf8");
  }

  async monitor(path: string): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.target.monitor}/${path}`);
    return (await response.json()) as Record<string, unknown>;
  }

  /** When it last read its configuration. */
  async loadedAt(): Promise<unknown> {
    return (await this.monitor("varz")).config_load_time;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    for (
      const end = Date.now() + 30_000;
      Date.now() < end && this.#child.exitCode === null;
      await sleep(20)
    ) {
      const healthy = await this.monitor("healthz").catch(() => undefined);
      if (healthy !== undefined) return;
    }
    throw new Error(`nats-server did not come up: ${await this.log().catch(() => "")}`);
  }
}
