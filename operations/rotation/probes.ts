import { isAbsolute, join, resolve } from "node:path";
import type { Secret, Service } from "../../model/model.ts";
import { CommandError, runCommand } from "../delivery/host-command.ts";
import type { LogMark } from "../delivery/log-mark.ts";
import { linesSince } from "./log-lines.ts";
import type { ConsumerProbe, Unprobed } from "./observer.ts";
import { ProbeError, TargetUnavailableError } from "./rotator.ts";

export interface ProbeOptions {
  fetch: typeof fetch;
  /** How far the service's log was when it was brought what it has of the secret; absent where nobody knows. */
  logMark?: () => Promise<LogMark | undefined>;
  /** What stands for the root of the service's host, as for its sinks; without it its log is not read here. */
  root?: string;
  /** Folder of the Compose project, in which relative paths lie; the root where absent. */
  project?: string;
  /** Milliseconds for one answer or command; 5 s where absent. */
  timeout?: number;
}

/**
 * How a consumer is seen to work with the new value of a secret (R46): each instance's endpoint answers 2xx; a text stands
 * in its log after it got the value; a command ends with 0. Empty where the catalogue names no probe, or nothing to ask:
 * `unprobed` says why.
 */
export function probesOf(
  { probe }: Pick<Secret, "probe">,
  service: Service,
  options: ProbeOptions,
): ConsumerProbe[] {
  if (probe === undefined || unprobed({ probe }, service, options) !== undefined) return [];
  const { timeout = 5000 } = options;
  if ("http" in probe) {
    return endpointsOf(probe.http, service).map((url) => new HttpProbe(url, options.fetch, timeout));
  }
  if ("command" in probe) return [new CommandProbe(probe.command, service.id, timeout)];
  const log = onHost(service.observe?.log ?? "", options);
  return [new LogProbe(probe.log, log, { ...options, service: service.id })];
}

/** The log on this machine that a service's probe looks into; undefined where it looks into none here. */
export function logOf(
  { probe }: Pick<Secret, "probe">,
  service: Service,
  options: Pick<ProbeOptions, "root" | "project">,
): string | undefined {
  const log = service.observe?.log;
  if (probe === undefined || !("log" in probe) || log === undefined) return undefined;
  return unprobed({ probe }, service, options) === undefined ? onHost(log, options) : undefined;
}

/**
 * Why a service cannot be probed here for a secret that asks for it; undefined where it can, or needs none. Whoever leaves
 * a probe out tells it (R46).
 */
export function unprobed(
  { probe }: Pick<Secret, "probe">,
  { id, observe, unobserved }: Service,
  { root }: Pick<ProbeOptions, "root">,
): Unprobed | undefined {
  if (probe === undefined || "command" in probe) return undefined;
  if ("http" in probe && URL.canParse(probe.http)) return undefined;
  const left = "http" in probe ? `${probe.http} is not asked` : `"${probe.log}" is not looked for`;
  if (unobserved === true)
    return { why: `${id} is not looked at (observe: none): ${left}`, acknowledged: true };
  const because = (why: string): Unprobed => ({ why: `${why}: ${left}`, acknowledged: false });
  if ("http" in probe) {
    const isThere = (observe?.instances.length ?? 0) > 0;
    return isThere ? undefined : because(`${id} has no observe.instances in this environment`);
  }
  if (observe?.log === undefined) return because(`${id} has no observe.log`);
  return root === undefined ? because(`the log of ${id} is not on this machine`) : undefined;
}

function endpointsOf(http: string, { observe }: Service): string[] {
  if (URL.canParse(http)) return [http];
  return (observe?.instances ?? []).map((base) => `${base.replace(/\/+$/, "")}/${http.replace(/^\/+/, "")}`);
}

function onHost(path: string, { root = "/", project }: Pick<ProbeOptions, "root" | "project">): string {
  if (isAbsolute(path)) return join(root, path);
  return project === undefined ? join(root, path) : resolve(project, path);
}

/** One instance answers 2xx; another answer's body is never looked at. */
class HttpProbe implements ConsumerProbe {
  readonly name: string;
  readonly #url: string;
  readonly #fetch: typeof fetch;
  readonly #timeout: number;

  constructor(url: string, fetcher: typeof fetch, timeout: number) {
    this.name = `GET ${withoutCredentials(url)}`;
    this.#url = url;
    this.#fetch = fetcher;
    this.#timeout = timeout;
  }

  async check(signal: AbortSignal): Promise<undefined> {
    let response: Response;
    try {
      response = await this.#fetch(this.#url, {
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeout)]),
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw new ProbeError(`does not answer (${reasonOf(cause)})`, { cause });
    }
    await response.body?.cancel().catch(() => {});
    if (!response.ok) throw new ProbeError(`answers ${response.status}`);
  }
}

/** A text that the service logs once it works with what it got. */
class LogProbe implements ConsumerProbe {
  readonly name: string;
  readonly #text: string;
  readonly #path: string;
  readonly #service: string;
  readonly #mark: ProbeOptions["logMark"];

  constructor(
    text: string,
    path: string,
    { service, logMark }: Pick<ProbeOptions, "logMark"> & { service: string },
  ) {
    this.name = `"${text}" in ${path}`;
    this.#text = text;
    this.#path = path;
    this.#service = service;
    this.#mark = logMark;
  }

  async check(signal: AbortSignal): Promise<Unprobed | undefined> {
    const mark = await this.#mark?.();
    if (mark === undefined) {
      const why = `nobody has noted how far the log of ${this.#service} was when it got the new value`;
      return { why: `${why}: "${this.#text}" is not looked for`, acknowledged: false };
    }
    let lines = 0;
    try {
      for await (const line of linesSince(this.#path, mark)) {
        signal.throwIfAborted();
        if (line.includes(this.#text)) return undefined;
        lines++;
      }
    } catch (cause) {
      signal.throwIfAborted();
      throw new TargetUnavailableError(`${this.#path} cannot be read (${reasonOf(cause)})`, { cause });
    }
    throw new ProbeError(
      `is not there: ${lines} line${lines === 1 ? "" : "s"} since it got the new value, none with it`,
    );
  }
}

/**
 * A command that ends with 0; one that may go on no longer ends with every process that it started. It gets no value and no
 * credential of ours: an empty environment but for the path.
 */
class CommandProbe implements ConsumerProbe {
  readonly name: string;
  readonly #command: string[];
  readonly #service: string;
  readonly #timeout: number;

  constructor(command: string[], service: string, timeout: number) {
    this.name = `\`${command.join(" ")}\``;
    this.#command = command;
    this.#service = service;
    this.#timeout = timeout;
  }

  async check(signal: AbortSignal): Promise<undefined> {
    try {
      await this.#run(this.#command, signal);
    } catch (cause) {
      if (!(cause instanceof CommandError)) throw cause;
      if (cause.isStarted) throw new ProbeError(cause.message, { cause });
      // A script ends with the same status where it finds none of its own commands.
      if (await this.#isThere(signal)) throw new ProbeError("ended with exit status 126 or 127", { cause });
      throw new TargetUnavailableError(`${this.#command[0]} ${cause.message}`, { cause });
    }
  }

  async #run(command: string[], signal: AbortSignal): Promise<void> {
    const env = { PATH: process.env.PATH, LANG: "C", KEYPLANE_SERVICE: this.#service };
    await runCommand(command, { signal, limit: this.#timeout, env, isSilent: true });
  }

  async #isThere(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#run(["sh", "-c", 'command -v "$1"', "sh", this.#command[0] ?? ""], signal);
      return true;
    } catch (error) {
      if (error instanceof CommandError) return false;
      throw error;
    }
  }
}

function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  parsed.search = "";
  return parsed.href;
}

/** The code of a failure: its message may quote what was sent. */
function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
    if (cause.name === "TimeoutError") return "no answer in time";
  }
  return error instanceof Error ? error.name : "unknown";
}
