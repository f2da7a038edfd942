import { isAbsolute, join, resolve } from "node:path";
import { type KnownAs, keptServiceId } from "../../model/kept-names.ts";
import type { Service } from "../../model/model.ts";
import { startTimeOf } from "../process-identity.ts";
import { CommandError, type CommandLimits, runCommand } from "./host-command.ts";
import { instancesOf, pokeInstance, type SeenInstance } from "./instances.ts";
import { endOf, type LogMark } from "./log-mark.ts";
import { foldersFor, type Runs } from "./runs.ts";
import { DeliveryError } from "./sink.ts";

/** The machine that a service runs on, as its sinks use it. */
export interface HostOptions extends Runs {
  /** Runs a command of this machine and returns its output; ours where absent. */
  command?: (argv: string[], limits: CommandLimits) => Promise<string>;
  /** What stands for the root of the service's host: "/" on the host itself. */
  root: string;
  /** Folder of the Compose project, in which relative paths lie; the root where absent. */
  project?: string;
  /** Takes names that older versions wrote on this host to those that a rename keeps. */
  knownAs: KnownAs;
}

/** Milliseconds for a question to the platform: an answer takes two at most, so it is within the lease's bound on a call. */
const asking = 15_000;

/** Milliseconds for a restart: a container may take minutes to end. The lease is renewed meanwhile. */
const reloading = 600_000;

/** Milliseconds after which Docker itself believes in a container that it has started again. */
const stable = 10_000;

/** Since when a service runs, or what is the matter with it. */
export type Process = { started: Date } | { down: string };

/** Restarts, signals and looks at the processes of one machine. */
export class Host {
  readonly #options: HostOptions;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get knownAs(): KnownAs {
    return this.#options.knownAs;
  }

  /** How far a service's log is; undefined where the catalogue names none. */
  async endOfLog({ observe }: Service): Promise<LogMark | undefined> {
    return observe?.log === undefined ? undefined : endOf(this.path(observe.log));
  }

  /** A path of the catalogue on this machine: below what stands for the host's root; relative ones in the project. */
  path(path: string): string {
    const { root, project } = this.#options;
    if (isAbsolute(path)) return join(root, path);
    return project === undefined ? join(root, path) : resolve(project, path);
  }

  async instances(service: Service): Promise<SeenInstance[]> {
    return instancesOf(await foldersFor(this.#options, service), keptServiceId(service), this.knownAs);
  }

  /** Makes what `keyplane run` supervises look for new values at once. */
  async poke(instances: SeenInstance[]): Promise<void> {
    for (const instance of instances) await pokeInstance(instance);
  }

  /**
   * Makes a service read its values again, the way it says: nothing for one that watches, a signal, or a restart of
   * exactly this service (R34, R35).
   * @param signal ends the command, which may take minutes: somebody else may act
   * @throws DeliveryError when the command of the platform fails; the signal's reason
   */
  async reload(service: Service, signal?: AbortSignal): Promise<void> {
    const argv = reloadCommand(service);
    const limits = { limit: reloading, ...(signal !== undefined && { signal }) };
    if (argv !== undefined) await this.#command(argv, `${service.id} could not be reloaded`, limits);
  }

  /**
   * When a service's process started, by what supervises it; of several containers the first. One that ends again and again
   * does not run.
   * @throws DeliveryError when that cannot be asked
   */
  async processOf(service: Service): Promise<Process> {
    const why = `it cannot be seen whether ${service.id} runs`;
    if (service.runsOn === "supervisor") {
      // 3: it does not run.
      const argv = ["supervisorctl", "status", service.name];
      const found = await supervised(await this.#command(argv, why, { limit: asking, answers: [0, 3] }));
      if (found === undefined) throw new DeliveryError(`${why}: \`${argv.join(" ")}\` names no state`);
      return found;
    }
    if (service.runsOn !== "compose") throw new DeliveryError(`${why}: nothing here asks ${service.runsOn}`);
    const ids = wordsOf(await this.#command(["docker", "compose", "ps", "-q", service.name], why));
    if (ids.length === 0) return { down: "it does not run" };
    const said = await this.#command(["docker", "inspect", "-f", containerState, ...ids], why);
    return contained(
      said
        .split("\n")
        .map(wordsOf)
        .filter(({ length }) => length > 0),
    );
  }

  async #command(argv: string[], why: string, limits: CommandLimits = { limit: asking }): Promise<string> {
    const { command, project } = this.#options;
    const within = { ...limits, ...(project !== undefined && { cwd: project }) };
    try {
      return await (command === undefined ? runCommand(argv, within) : command(argv, limits));
    } catch (error) {
      limits.signal?.throwIfAborted();
      // No cause either: Node's own error holds all that the command said.
      throw new DeliveryError(
        `${why}: \`${argv.join(" ")}\` ${howEnded(error)}: run it yourself to see why; what it says may quote a service's values, ` +
          "so it is not kept",
      );
    }
  }
}

/** The platform's own command; none for what watches its files. Holds names only. */
export function reloadCommand({ runsOn, name, reload }: Service): string[] | undefined {
  if (reload === "watch") return undefined;
  if (runsOn === "supervisor") {
    return reload === "restart"
      ? ["supervisorctl", "restart", name]
      : ["supervisorctl", "signal", reload.signal.replace(/^SIG/, ""), name];
  }
  return reload === "restart"
    ? ["docker", "compose", "up", "--detach", "--force-recreate", "--no-deps", name]
    : ["docker", "compose", "kill", "--signal", reload.signal, name];
}

/** Of `supervisorctl status`: the program's name, its state and, where it runs, "pid 4711, uptime 0:00:05". */
async function supervised(said: string): Promise<Process | undefined> {
  const [, state, pid = ""] = /^\S+\s+([A-Z]+)\b(?:\s+pid (\d+))?/.exec(said.trim()) ?? [];
  if (state === undefined) return undefined;
  const started = state === "RUNNING" && pid !== "" ? await startTimeOf(Number(pid)) : undefined;
  return started === undefined ? { down: `it does not run (${state})` } : { started };
}

/** What is asked of a container, a line of words for each. */
export const containerState =
  "{{.State.StartedAt}} {{.State.Running}} {{.State.Restarting}} {{.RestartCount}}";

function contained(containers: string[][]): Process {
  const starts: number[] = [];
  for (const [startedAt = "", isRunning, isRestarting, restarts] of containers) {
    const started = Date.parse(startedAt);
    if (isRunning !== "true") return { down: "it does not run" };
    const isNew = Number(restarts) > 0 && Date.now() - started < stable;
    if (isRestarting === "true" || isNew) return { down: "it has ended by itself, and is started again" };
    starts.push(started);
  }
  return { started: new Date(Math.min(...starts)) };
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** How a command ended, without a word of its own: `docker compose` quotes lines of env-files that it cannot read. */
function howEnded(error: unknown): string {
  return error instanceof CommandError ? error.message : "failed";
}
