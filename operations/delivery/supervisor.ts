import { type FSWatcher, watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { keptServiceId } from "../../model/kept-names.ts";
import type { Service } from "../../model/model.ts";
import { startOf } from "../process-identity.ts";
import type { Report } from "../progress.ts";
import { Child, type ExitStatus } from "./child.ts";
import { envText } from "./env-text.ts";
import { plainVariables, variablesSeen } from "./files.ts";
import { Folder } from "./folder.ts";
import {
  describedInstances,
  describeInstance,
  forgetInstance,
  type Instance,
  pokeFile,
} from "./instances.ts";
import { endOf, type LogMark } from "./log-mark.ts";
import { makePrivateFolder, type PrivateFolder, removePrivateFolder } from "./memory-folder.ts";
import { placeFiles } from "./owned-file.ts";
import { ownUid } from "./owner.ts";
import { credentials } from "./service-login.ts";
import type { Bundle } from "./sink.ts";

/** A service may not start: what it declares has no value. Names variables and secrets. */
export class MissingValuesError extends Error {
  override name = "MissingValuesError";
}

export interface SupervisorOptions {
  service: Service;
  command: string[];
  /** Ours; the service gets it without the credentials in it, and with its own variables. */
  env: NodeJS.ProcessEnv;
  /** Reads what the service is delivered now. */
  read: () => Promise<Bundle>;
  /** Folder with the descriptions of instances. */
  runs: string;
  /** Milliseconds between two looks at Vault, give or take a fifth. */
  poll: number;
  /** Milliseconds between asking a process to end and killing it. */
  grace: number;
  report: Report;
}

/** Passed on to the service. The first three also end the supervision: nothing is started after them. */
const ending = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
const others = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;

/**
 * Runs a service with what it is delivered, and brings it every later version the way its `reload` says.
 * @returns how the service ended
 * @throws MissingValuesError before anything is started; what `read` throws the first time
 */
export async function supervise(options: SupervisorOptions): Promise<ExitStatus> {
  const bundle = await options.read();
  assertComplete(bundle);
  await removeRemains(options.runs, options.report);
  const folder = await makePrivateFolder(options.env);
  const supervisor = new Supervisor(options, folder);
  try {
    return await supervisor.run(bundle);
  } finally {
    await removePrivateFolder(folder.path);
    await forgetInstance(options.runs, { service: keptServiceId(options.service), pid: process.pid });
  }
}

/** @throws MissingValuesError naming every variable without a value */
export function assertComplete({ service, missing }: Pick<Bundle, "service" | "missing">): void {
  if (missing.length === 0) return;
  const list = missing
    .map(({ variable, secret, renamed }) => `${variable} (${renamed ?? secret})`)
    .join(", ");
  throw new MissingValuesError(
    `${service.id} lacks ${list}: values that machines make come with \`keyplane up\` and \`keyplane rotate\`, ` +
      "the others with `keyplane set NAME`",
  );
}

class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #folder: PrivateFolder;
  #child: Child | undefined;
  #bundle: Bundle | undefined;
  /** Secret id → how far the service's log was before it got its version. */
  readonly #logs: Record<string, LogMark> = {};
  /** Secrets whose plain variables have changed since the process started: it has them from its env-file or not at all. */
  readonly #changed = new Set<string>();
  #ending: NodeJS.Signals | undefined;
  #problem: string | undefined;
  #wake: () => void = () => {};

  constructor(options: SupervisorOptions, folder: PrivateFolder) {
    this.#options = options;
    this.#folder = folder;
  }

  async run(bundle: Bundle): Promise<ExitStatus> {
    const { service, report, runs } = this.#options;
    if (!this.#folder.inMemory && Object.keys(bundle.files).length > 0) {
      report({
        subject: service.id,
        state: "done",
        text: "this machine has no folder in memory that we may write (XDG_RUNTIME_DIR, /dev/shm): its files lie on disk until it ends",
      });
    }
    const forward = (signal: NodeJS.Signals) => this.#forward(signal);
    for (const signal of [...ending, ...others]) process.on(signal, forward);
    const poked = await this.#watchPokes(runs);
    try {
      // First: killed before its service runs, it leaves no folder that nobody knows of.
      await this.#describe();
      await this.#place(bundle);
      let status = await this.#start(bundle, Object.keys(bundle.versions));
      while (status === undefined) status = await this.#turn();
      return status;
    } finally {
      poked?.close();
      for (const signal of [...ending, ...others]) process.off(signal, forward);
    }
  }

  /** One look at Vault, when its time has come or someone asks for it; the status once the service has ended. */
  async #turn(): Promise<ExitStatus | undefined> {
    const child = this.#child;
    if (child === undefined) return 0;
    const woken = new Promise<undefined>((resolve) => {
      this.#wake = () => resolve(undefined);
    });
    const pause = this.#options.poll * (0.8 + Math.random() * 0.4);
    const timer = setTimeout(() => this.#wake(), pause);
    const status = await Promise.race([child.ended, woken]);
    clearTimeout(timer);
    if (status !== undefined) return status;
    return this.#ending === undefined ? this.#look(child) : child.ended;
  }

  async #look(child: Child): Promise<ExitStatus | undefined> {
    const reading = this.#options.read().then(
      (bundle) => ({ bundle }),
      (error: unknown) => ({ error }),
    );
    // A service that ends is not kept waiting by a Vault that does not answer.
    const read = await Promise.race([reading, child.ended]);
    if (typeof read === "number") return read;
    if ("error" in read) return this.#hasProblem(read.error);
    const { bundle } = read;
    try {
      assertComplete(bundle);
    } catch (error) {
      return this.#hasProblem(error);
    }
    if (!child.running || this.#ending !== undefined) return child.ended;
    if (this.#problem !== undefined) {
      this.#problem = undefined;
      this.#say("done", "goes on as usual");
    }
    if (sameValues(bundle, this.#bundle)) {
      this.#bundle = bundle;
      await this.#describe();
      return undefined;
    }
    return this.#bring(bundle, child);
  }

  async #bring(bundle: Bundle, child: Child): Promise<ExitStatus | undefined> {
    const { service, grace } = this.#options;
    const { reload } = service;
    const changed = changedSecrets(bundle, this.#bundle);
    const what = changed.map((id) => `${id} version ${bundle.versions[id]}`).join(", ") || "settings";
    try {
      if (reload !== "restart") await this.#markLog(changed);
      await this.#place(bundle);
    } catch (error) {
      // A full disk, a value that no file can carry: it goes on with what it has.
      return this.#hasProblem(error);
    }
    if (reload !== "restart") {
      if (reload !== "watch") child.signal(reload.signal as NodeJS.Signals);
      await this.#describe();
      this.#say("done", `${what}: files written${reload === "watch" ? "" : `, ${reload.signal} sent`}`);
      return undefined;
    }
    this.#say("done", `${what}: restarting`);
    this.#child = undefined;
    await this.#describe();
    const how = await child.stop(grace);
    if (how === "killed") this.#say("done", `did not end within ${grace / 1000} s and was killed`);
    // Someone ended it meanwhile: it is not started again.
    if (this.#ending !== undefined) return child.ended;
    return this.#start(bundle, changed);
  }

  async #start(bundle: Bundle, changed: string[]): Promise<ExitStatus | undefined> {
    await this.#markLog(changed);
    this.#changed.clear();
    const child = await Child.start(this.#options.command, this.#environment(bundle));
    if (typeof child === "number") {
      this.#say("failed", child === 127 ? "there is no such command" : "the command cannot be run");
      return child;
    }
    this.#child = child;
    // A signal may have come while it was being started.
    if (this.#ending !== undefined) child.signal(this.#ending);
    await this.#describe();
    return undefined;
  }

  #environment(bundle: Bundle): NodeJS.ProcessEnv {
    const own: NodeJS.ProcessEnv = { ...this.#options.env };
    for (const name of credentials) delete own[name];
    const envFile = this.#envFileOf(bundle);
    return {
      ...own,
      ...variablesSeen(bundle, this.#folder.path),
      ...(envFile !== undefined && { KEYPLANE_ENV_FILE: envFile }),
    };
  }

  /** What its log says from here on, it says with the new values of these secrets. */
  async #markLog(secrets: string[]): Promise<void> {
    const { log } = this.#options.service.observe ?? {};
    if (log === undefined) return;
    const mark = await endOf(resolve(log));
    for (const secret of secrets) this.#logs[secret] = mark;
  }

  /** What is written for others to see is no reason to stop a service. */
  async #note(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#say("failed", `rotations cannot see what it runs: ${why}`);
    }
  }

  async #place(bundle: Bundle): Promise<void> {
    const owner = { uid: ownUid() };
    const files = Object.entries(bundle.files).map(([name, content]) => ({ name, content, owner }));
    const envFile = this.#envFileOf(bundle);
    if (envFile !== undefined) {
      const content = envText(variablesSeen(bundle, this.#folder.path));
      // First: who sees one of the others change finds the variables changed.
      files.unshift({ name: basename(envFile), content, owner });
    }
    await using folder = await Folder.open(this.#folder.path);
    await placeFiles(folder, files);
    for (const secret of otherVariables(bundle, this.#bundle)) this.#changed.add(secret);
    this.#bundle = bundle;
  }

  /** What runs cannot be given other variables: a service that reads again finds them in this file. */
  #envFileOf(bundle: Bundle): string | undefined {
    const { service } = this.#options;
    if (service.reload === "restart" || Object.keys(plainVariables(bundle)).length === 0) return undefined;
    return join(this.#folder.path, `${service.name}.env`);
  }

  async #describe(): Promise<void> {
    const { service, runs } = this.#options;
    const started = await startOf(process.pid);
    const child = this.#child;
    const childStarted = child?.running === true ? await startOf(child.pid) : undefined;
    const bundle = this.#bundle;
    const envFile = bundle && this.#envFileOf(bundle);
    const instance: Instance = {
      service: keptServiceId(service),
      pid: process.pid,
      started: started ?? "",
      ...(child !== undefined &&
        childStarted !== undefined && { child: { pid: child.pid, started: childStarted } }),
      versions: bundle?.versions ?? {},
      files: service.reload === "restart" || bundle === undefined ? {} : this.#filesOf(bundle, envFile),
      ...(envFile !== undefined && { envFile }),
      logs: this.#logs,
      folder: this.#folder.path,
      ...(this.#problem !== undefined && { problem: this.#problem }),
    };
    await this.#note(() => describeInstance(runs, instance));
  }

  /** What it has to have read: of a secret that has files those, of another one its variables, once they have changed. */
  #filesOf({ origins }: Bundle, envFile: string | undefined): Record<string, string[]> {
    const files: Record<string, string[]> = {};
    for (const [name, secret] of Object.entries(origins.files)) {
      files[secret] = [...(files[secret] ?? []), join(this.#folder.path, name)];
    }
    if (envFile === undefined) return files;
    for (const secret of this.#changed) files[secret] ??= [envFile];
    return files;
  }

  async #hasProblem(error: unknown): Promise<undefined> {
    const problem = error instanceof Error ? error.message : String(error);
    if (this.#problem === problem) return;
    this.#problem = problem;
    this.#say("failed", `goes on with what it has: ${problem}`);
    await this.#describe();
  }

  #forward(signal: NodeJS.Signals): void {
    const ends = (ending as readonly string[]).includes(signal);
    if (ends) this.#ending = signal;
    // A terminal sends Ctrl-C to the service as well.
    if (signal !== "SIGINT" || process.stdin.isTTY !== true) this.#child?.signal(signal);
    if (ends) this.#wake();
  }

  async #watchPokes(runs: string): Promise<FSWatcher | undefined> {
    const wanted = pokeFile({ service: keptServiceId(this.#options.service), pid: process.pid });
    try {
      await mkdir(runs, { recursive: true, mode: 0o700 });
      return watch(runs, { persistent: false }, (_, name) => {
        if (name === wanted) this.#wake();
      });
    } catch {
      // Without inotify, or a folder that it may make, it looks when its time comes.
      return undefined;
    }
  }

  #say(state: "done" | "failed", text: string): void {
    this.#options.report({ subject: this.#options.service.id, state, text });
  }
}

/** Removes what killed supervisors left: folders of services that have ended too. */
async function removeRemains(runs: string, report: Report): Promise<void> {
  for (const instance of await describedInstances(runs)) {
    if ((await startOf(instance.pid)) === instance.started) continue;
    const { child, service, folder } = instance;
    if (child !== undefined && (await startOf(child.pid)) === child.started) {
      const text = `its supervisor (process ${instance.pid}) was killed, and process ${child.pid} goes on without new values: restart it`;
      report({ subject: service, state: "done", text });
      continue;
    }
    if (folder !== undefined) await removePrivateFolder(folder);
    await forgetInstance(runs, instance);
  }
}

function sameValues(a: Bundle, b: Bundle | undefined): boolean {
  return b !== undefined && sameRecord(a.variables, b.variables) && sameRecord(a.files, b.files);
}

function sameRecord(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function changedSecrets(now: Bundle, before: Bundle | undefined): string[] {
  return Object.keys(now.versions).filter((id) => now.versions[id] !== before?.versions[id]);
}

/** Secrets whose plain variables are not what they were. */
function otherVariables(now: Bundle, before: Bundle | undefined): string[] {
  if (before === undefined) return [];
  const [variables, were] = [plainVariables(now), plainVariables(before)];
  const names = Object.keys({ ...variables, ...were }).filter((name) => variables[name] !== were[name]);
  return names.flatMap((name) => now.origins.variables[name] ?? before.origins.variables[name] ?? []);
}
