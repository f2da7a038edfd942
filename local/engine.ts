import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import {
  LocalWorkspace,
  PulumiCommand,
  type PulumiFn,
  Stack,
  type Workspace,
} from "@pulumi/pulumi/automation/index.js";
import log from "@pulumi/pulumi/log/index.js";
import type { Gate } from "../operations/gates/gate.ts";
import { pulumiIn } from "../operations/gates/pulumi.ts";
import { judgeState, resourcesOf } from "../operations/gates/state.ts";
import { type Changes, changed, type Ran, watchEvents } from "./engine-events.ts";
import { inOwnSession } from "./engine-process.ts";
import type { Report } from "./progress.ts";
import { readIfThere, writePrivate } from "./services/private-file.ts";
import { versionOf } from "./toolchain/pins.ts";

export { type Changes, changed, type Ran, UpdateError } from "./engine-events.ts";

export interface EngineOptions {
  /** The local state folder. */
  home: string;
  /** The pulumi executable. */
  pulumi: string;
  /** How the engine reaches its providers: PULUMI_DEBUG_PROVIDERS, or what the official plugins read. */
  environment: Record<string, string>;
  /** The policy pack (absolute) that every preview and update runs with, and the catalogue whose exceptions it takes. */
  policies?: { pack: string; catalogue: string };
  /** Cancels what the engine is at: it ends what is under way, writes its state and lets its lock go. */
  signal?: AbortSignal | undefined;
}

export interface OpenedStack {
  stack: Stack;
  /** It has no resources yet. */
  fresh: boolean;
  /** The policy pack that it is judged by. */
  pack?: string;
  /** Cancels what the engine is asked for, which then ends with the signal's reason. */
  signal?: AbortSignal | undefined;
}

// The SDK sends three debug messages per resource, one after the other for all stacks of the process, and the engine
// drops them unless it runs with --debug, which ours never does. They were half of the time of a run without changes.
Object.assign(log, { debug: () => Promise.resolve() });

// A registration that the engine's end cuts off is rejected after the SDK has stopped to look; the engine's own reason
// is what is reported then.
process.on("unhandledRejection", (error: unknown) => {
  if (!(error instanceof Error && error.message.includes("Resource monitor is terminating"))) throw error;
});

/** The real Pulumi engine with a file backend below the local state folder. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #folder: string;

  private constructor(options: EngineOptions) {
    this.#options = options;
    this.#folder = join(options.home, "pulumi");
  }

  /** Prepares the backend's folder, its passphrase (random, mode 600) and the command. */
  static async open(options: EngineOptions): Promise<Engine> {
    const engine = new Engine(options);
    for (const folder of ["bin", "home", "backend"]) {
      await mkdir(join(engine.#folder, folder), { recursive: true, mode: 0o700 });
    }
    const passphrase = join(engine.#folder, "passphrase");
    if (!existsSync(passphrase)) await writePrivate(passphrase, randomBytes(32).toString("hex"));
    // The caller's own would win over our file, and belong to other stacks.
    delete process.env.PULUMI_CONFIG_PASSPHRASE;
    const command = join(engine.#folder, "bin", "pulumi");
    await rm(command, { force: true });
    await symlink(options.pulumi, command);
    return engine;
  }

  /** Opens a stack and mends what an interrupted update left: its lock and its pending operations. */
  async stack(name: string, program: PulumiFn): Promise<OpenedStack> {
    const { policies, signal } = this.#options;
    signal?.throwIfAborted();
    await this.#endInterruptedUpdate(name);
    // Without the files beside each state file that hold its checksum: they are not replaced whole, and one that a
    // kill has cut short makes the state unreadable.
    const backend = `file://${join(this.#folder, "backend")}?metadata=skip`;
    const workDir = join(this.#folder, "work", name);
    await mkdir(workDir, { recursive: true, mode: 0o700 });
    const workspace = await LocalWorkspace.create({
      program,
      workDir,
      pulumiHome: join(this.#folder, "home"),
      pulumiCommand: commandIn(this.#folder),
      secretsProvider: "passphrase",
      projectSettings: {
        name: "keyplane",
        runtime: "nodejs",
        backend: { url: backend },
      },
      envVars: {
        // Said here as well: a backend in the caller's environment would win over the project's.
        PULUMI_BACKEND_URL: backend,
        PULUMI_CONFIG_PASSPHRASE_FILE: join(this.#folder, "passphrase"),
        // The engine lives for seconds: collecting its garbage as a server does costs it a quarter of its time.
        GOGC: process.env.GOGC ?? "400",
        ...this.#options.environment,
        ...(policies !== undefined && { KEYPLANE_CATALOGUE: policies.catalogue }),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Attached by port, a provider needs no plugin; the engine would try to download it at every run.
        ...(this.#options.environment.PULUMI_DEBUG_PROVIDERS !== undefined && {
          PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        }),
        PULUMI_SELF_MANAGED_STATE_NO_LEGACY_WARNING: "true",
        // We read the state's file ourselves.
        PULUMI_SELF_MANAGED_STATE_GZIP: "false",
        PULUMI_SELF_MANAGED_STATE_ZSTD: "false",
      },
    });
    const state = await this.#state(name);
    const stack = await open(name, workspace, state);
    if ((state?.pending_operations ?? []).length > 0) await clearPendingOperations(stack);
    const pack = policies?.pack;
    return {
      stack,
      fresh: (state?.resources ?? []).length === 0,
      signal,
      ...(pack !== undefined && { pack }),
    };
  }

  /**
   * The second gate on the state of a stack that was opened.
   * @throws GateError when it was not judged
   */
  async judge({ stack: { name, workspace }, pack }: OpenedStack): Promise<Gate> {
    if (pack === undefined) throw new Error("An engine without a policy pack judges nothing.");
    const resources = resourcesOf((await this.#state(name)) ?? {});
    return judgeState({
      stack: name,
      pack,
      resources,
      run: pulumiIn(workspace.workDir, workspace.pulumiCommand.command, {
        ...workspace.envVars,
        PULUMI_HOME: workspace.pulumiHome ?? "",
      }),
    });
  }

  /** What the backend's file says of a stack, undefined where there is none: a fifth of a second less than asking. */
  async #state(name: string): Promise<Deployment | undefined> {
    const file = join(this.#folder, "backend", ".pulumi", "stacks", "keyplane", `${name}.json`);
    const text = await readIfThere(file);
    if (text === undefined) return undefined;
    const { version, checkpoint } = JSON.parse(text) as {
      version: number;
      checkpoint: { latest?: Deployment };
    };
    if (version !== 3)
      throw new Error(`${file} is a state of version ${version}; the engine that we pin writes 3`);
    return checkpoint.latest ?? {};
  }

  /** The update that held the lock was killed; the caller holds the folder's own lock, so it cannot be another's. */
  async #endInterruptedUpdate(name: string): Promise<void> {
    const locks = join(this.#folder, "backend", ".pulumi", "locks", "organization", "keyplane", name);
    if (!existsSync(locks)) return;
    for (const file of await readdir(locks)) {
      const pid = lockedBy(await readFile(join(locks, file), "utf8"));
      if (pid !== undefined) await endProcess(pid, join(this.#folder, "bin", "pulumi"));
      await rm(join(locks, file), { force: true });
    }
  }
}

/**
 * Applies the program, unless a preview finds nothing to change: what the engine would refuse is refused before
 * anything is touched. Reports resources as they settle.
 * @throws UpdateError with the engine's diagnostics, GateError for what the pack does not let pass
 */
export async function update(opened: OpenedStack, report: Report): Promise<Changes> {
  // Without policies a fresh stack has nothing to lose and is not previewed.
  if (!opened.fresh || opened.pack !== undefined) {
    const { changes } = await preview(opened, report);
    if (changed(changes) === 0) return changes;
  }
  return (await apply(opened, report)).changes;
}

/** Applies the program without a preview. */
export async function apply({ stack, pack, signal }: OpenedStack, report: Report): Promise<Ran> {
  const watch = watchEvents(stack, pack === undefined ? undefined : "state", report);
  await unlessAborted(signal, watch, () => stack.up({ onEvent: watch.onEvent, ...settings(pack, signal) }));
  return watch.ran();
}

/** Takes what is not there any more off the stack, and what somebody changed into it. */
export async function refresh(
  { stack, signal }: Pick<OpenedStack, "stack" | "signal">,
  report: Report,
): Promise<void> {
  const watch = watchEvents(stack, undefined, report);
  await unlessAborted(signal, watch, () =>
    stack.refresh({ onEvent: watch.onEvent, ...settings(undefined, signal) }),
  );
}

/**
 * What an update would change, and the first gate: what the pack says of it while some values are unknown.
 * @param looks at what is there before, and keeps nothing of it
 * @throws UpdateError with the engine's diagnostics, GateError for what the pack does not let pass
 */
export async function preview(
  { stack, pack, signal }: Pick<OpenedStack, "stack" | "pack" | "signal">,
  report: Report,
  { looks = false }: { looks?: boolean } = {},
): Promise<Ran> {
  const watch = watchEvents(stack, pack === undefined ? undefined : "preview", report);
  const options = { onEvent: watch.onEvent, ...(looks && { refresh: true }), ...settings(pack, signal) };
  await unlessAborted(signal, watch, () => stack.preview(options));
  return watch.ran();
}

/** What the engine says when it is cancelled is no news: the signal's reason is thrown then, its own otherwise. */
async function unlessAborted(
  signal: AbortSignal | undefined,
  watch: ReturnType<typeof watchEvents>,
  run: () => Promise<unknown>,
): Promise<void> {
  signal?.throwIfAborted();
  try {
    await run();
  } catch (cause) {
    signal?.throwIfAborted();
    throw watch.explain(cause);
  }
}

function settings(pack: string | undefined, signal: AbortSignal | undefined) {
  return {
    color: "never",
    suppressProgress: true,
    ...(pack !== undefined && { policyPacks: [pack] }),
    ...(signal !== undefined && { signal }),
  } as const;
}

/**
 * A folder's command in the pinned version, which the toolchain has seen to: to have the SDK ask for it again would start
 * the engine once more, a tenth of what an update without changes costs.
 */
function commandIn(root: string): PulumiCommand {
  const { SemVer } = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"))("semver");
  // The SDK lets nobody but itself make one.
  const made: PulumiCommand = Reflect.construct(PulumiCommand, [
    join(root, "bin", "pulumi"),
    new SemVer(versionOf("pulumi")),
  ]);
  return inOwnSession(made);
}

/** The part of a state that tells how an update ended. */
interface Deployment {
  pending_operations?: unknown[] | null;
  resources?: { delete?: boolean }[] | null;
}

/**
 * A stack of the Automation API that starts the engine for what is asked of it and for nothing else: every command
 * names its stack, so none is selected first; nobody reads the outputs (there are none) and the history afterwards.
 */
async function open(name: string, workspace: Workspace, state: Deployment | undefined): Promise<Stack> {
  workspace.selectStack = async () => {};
  const stack = await (state === undefined ? Stack.create(name, workspace) : Stack.select(name, workspace));
  stack.outputs = async () => ({});
  stack.info = async () => undefined;
  return stack;
}

/** Takes what was under way when the last update died off the state: the providers take over what is there. */
async function clearPendingOperations(stack: Stack): Promise<void> {
  const state = await stack.exportStack();
  await stack.importStack({ ...state, deployment: { ...state.deployment, pending_operations: [] } });
}

function lockedBy(text: string): number | undefined {
  try {
    const { pid } = JSON.parse(text) as { pid?: number };
    return pid;
  } catch {
    return undefined;
  }
}

/** Ends a process, if it is the one that was started as `command`: pids are given out again. */
async function endProcess(pid: number, command: string): Promise<void> {
  if (!(await commandOf(pid)).startsWith(command)) return;
  try {
    process.kill(pid, "SIGKILL");
    for (let waited = 0; waited < 5_000; waited += 20) {
      process.kill(pid, 0);
      await wait(20);
    }
  } catch {
    // No such process: it has ended.
  }
}

async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const ps = await promisify(execFile)("ps", ["-o", "command=", "-p", String(pid)]).catch(() => ({
    stdout: "",
  }));
  return ps.stdout;
}
