import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

/** How a process ended, as a shell would say it: its code, or 128 and the signal's number. */
export type ExitStatus = number;

/** A process of a service, with our terminal and output. */
export class Child {
  readonly pid: number;
  readonly ended: Promise<ExitStatus>;
  readonly #process: ChildProcess;
  #running = true;

  private constructor(child: ChildProcess, pid: number) {
    this.#process = child;
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#running = false;
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  }

  /**
   * Starts a command.
   * @returns 127 where there is no such program and 126 where it cannot be run, as shells do
   */
  static async start(command: string[], env: NodeJS.ProcessEnv): Promise<Child | ExitStatus> {
    const [program = "", ...rest] = command;
    const child = spawn(program, rest, { stdio: "inherit", env });
    return new Promise((resolve) => {
      child.once("spawn", () => resolve(new Child(child, child.pid ?? 0)));
      child.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ENOENT" ? 127 : 126));
    });
  }

  get running(): boolean {
    return this.#running;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#process.kill(signal);
  }

  /** Asks it to end, waits `grace` milliseconds, then kills it. */
  async stop(grace: number): Promise<"ended" | "killed"> {
    this.signal("SIGTERM");
    using timer = cancellable();
    const inTime = await Promise.race([this.ended, wait(grace, "late" as const, { signal: timer.signal })]);
    if (inTime !== "late") return "ended";
    this.signal("SIGKILL");
    await this.ended;
    return "killed";
  }
}

function cancellable(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() };
}
