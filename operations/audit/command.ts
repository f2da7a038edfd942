import { execFile } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { type AuditEntry, normalise } from "./normalise.ts";
import { has } from "./reader.ts";

/** Milliseconds: a collector has a line later than the device that wrote it. */
const patience = { within: 60_000, every: 2_000 } as const;

/**
 * An audit device whose lines are asked of whoever collects them, by a command of the shell that prints them as Vault wrote
 * them, a line each (`aws logs filter-log-events … --query 'events[].message'`, `kubectl logs vault-0 …`). It finds the
 * request's id in KEYPLANE_REQUEST_ID, to filter by, and no token of Vault's in its environment.
 */
export class AuditCommand {
  readonly #command: string;
  readonly #patience: { within: number; every: number };

  constructor(command: string, times: { within: number; every: number } = patience) {
    this.#command = command;
    this.#patience = times;
  }

  /**
   * Asks again until an entry has all that is wanted of it; undefined when the time is over.
   * @throws AuditCommandError where the last answer was none
   */
  async find(wanted: Partial<AuditEntry>): Promise<AuditEntry | undefined> {
    const { within, every } = this.#patience;
    const end = Date.now() + within;
    for (;;) {
      const left = Math.max(end - Date.now(), every);
      const found = await this.#entries(wanted, left).catch((error: unknown) => failure(error));
      if (Array.isArray(found)) {
        const entry = found.find((each) => has(each, wanted));
        if (entry !== undefined || Date.now() >= end) return entry;
      } else if (Date.now() >= end) throw found;
      await wait(every);
    }
  }

  async #entries({ requestId = "" }: Partial<AuditEntry>, timeout: number): Promise<AuditEntry[]> {
    const { VAULT_TOKEN: _, ...environment } = process.env;
    const { stdout } = await promisify(execFile)("sh", ["-c", this.#command], {
      env: { ...environment, KEYPLANE_REQUEST_ID: requestId },
      maxBuffer: 256 * 1024 ** 2,
      timeout,
    });
    return stdout.split("\n").flatMap((line) => normalise(line) ?? []);
  }
}

/** A command that was to print audit lines ended otherwise. */
export class AuditCommandError extends Error {
  override name = "AuditCommandError";
}

/** What it says may quote what it reads: only how it ended is told. */
function failure(cause: unknown): AuditCommandError {
  const { code, signal } = cause as { code?: number | string; signal?: string };
  const how = signal ? `was ended by ${signal}` : `ended with ${code ?? "an error"}`;
  return new AuditCommandError(`a command of --audit-command ${how}: run it in a shell to see why`, {
    cause,
  });
}
