import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Report } from "../progress.ts";
import { unpack } from "./archive.ts";
import { build } from "./build.ts";
import { CacheEntry } from "./cache.ts";
import { type DownloadLimits, download, downloadLimits, UnreachableError } from "./download.ts";
import { executablesOnPath, printedVersion } from "./executable.ts";
import type { ToolPackage } from "./package.ts";

/** The ways to get a tool, in the order in which they are tried. */
export const allWays = ["path", "download", "build"] as const;
export type Way = (typeof allWays)[number];

export interface ToolchainSettings<Name extends string> {
  packages: ToolPackage<Name>[];
  /** Absolute path of the folder that holds the tools that were downloaded or built. */
  cache: string;
  /** e.g. "linux-amd64"; see platformOf. */
  platform: string;
  /** PATH, proxies and Go's own settings are read from it, and it is handed on to what is run. */
  environment: NodeJS.ProcessEnv;
  /** All of them when absent. */
  ways?: readonly Way[];
  limits?: DownloadLimits;
}

/** A tool could not be had in any way. Says what was tried, why it failed, and the three ways to get it. */
export class ToolchainError extends Error {
  override name = "ToolchainError";
}

/** Finds, downloads or builds pinned tools. What it found is remembered for its lifetime. */
export class Toolchain<Name extends string> {
  readonly #settings: ToolchainSettings<Name>;
  readonly #found = new Map<Name, Promise<string>>();
  /** Hosts that did not answer: they are not asked a second time. */
  readonly #unreachable = new Map<string, UnreachableError>();
  /** The end of the queue: one download or build at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: ToolchainSettings<Name>) {
    this.#settings = settings;
  }

  /** Absolute path of the executable, in exactly the pinned version. Throws ToolchainError. */
  find(name: Name, report: Report): Promise<string> {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found = this.#find(name, report);
    this.#found.set(name, found);
    found.catch(() => this.#found.delete(name));
    return found;
  }

  /** Finds several, one after another. */
  async ensure<Wanted extends Name>(
    names: readonly Wanted[],
    report: Report,
  ): Promise<Record<Wanted, string>> {
    const paths: Partial<Record<Wanted, string>> = {};
    for (const name of names) paths[name] = await this.find(name, report);
    return paths as Record<Wanted, string>;
  }

  async #find(name: Name, report: Report): Promise<string> {
    const wanted = this.#settings.packages.find((tool) => tool.executables[name] !== undefined);
    if (wanted === undefined) throw new ToolchainError(`${name} is not a tool that Keyplane knows`);
    const ways = this.#settings.ways ?? allWays;
    const tried: string[] = [];
    if (ways.includes("path")) {
      const file = await this.#onPath(name, wanted, tried);
      if (file !== undefined) {
        report({ subject: name, state: "unchanged", text: `${wanted.version}, on PATH: ${file}` });
        return file;
      }
    }
    if (ways.includes("download") || ways.includes("build")) {
      const file = await this.#fromCache(name, wanted, tried, report);
      if (file !== undefined) return file;
    }
    report({ subject: name, state: "failed", text: `${wanted.version} could not be had` });
    throw new ToolchainError(this.#explain(name, wanted, tried));
  }

  async #onPath(name: Name, wanted: ToolPackage<Name>, tried: string[]): Promise<string | undefined> {
    const { environment } = this.#settings;
    for (const file of await executablesOnPath(name, environment)) {
      const version = await printedVersion(file, {
        arguments: wanted.executables[name] ?? [],
        environment,
      });
      if (version === wanted.version) return file;
      tried.push(`on PATH: ${file} is ${version === undefined ? "of no readable version" : version}`);
    }
    return undefined;
  }

  /** The executable from the cache, where it is put first when it is not there. */
  async #fromCache(
    name: Name,
    wanted: ToolPackage<Name>,
    tried: string[],
    report: Report,
  ): Promise<string | undefined> {
    const { cache, platform } = this.#settings;
    const entry = new CacheEntry(join(cache, `${wanted.name}-${wanted.version}-${platform}`));
    if ((await entry.check([name])) === "sound") {
      report({ subject: name, state: "unchanged", text: `${wanted.version}, from the cache` });
      return entry.executable(name);
    }
    const put = () => this.#put(entry, name, wanted, tried, report);
    const turn = this.#last.then(() => entry.locked(put, { subject: name, report }));
    this.#last = turn.catch(() => {});
    try {
      return (await turn) ? entry.executable(name) : undefined;
    } catch (error) {
      tried.push(`the cache: ${reasonOf(error)}`);
      return undefined;
    }
  }

  /** Downloads or builds into the entry, unless another run has meanwhile; false when neither went well. */
  async #put(
    entry: CacheEntry,
    name: Name,
    wanted: ToolPackage<Name>,
    tried: string[],
    report: Report,
  ): Promise<boolean> {
    const names = Object.keys(wanted.executables);
    const state = await entry.check(names);
    if (state === "sound") {
      report({ subject: name, state: "done", text: `${wanted.version}, made by another run` });
      return true;
    }
    if (state !== "absent")
      report({ subject: name, state: "progress", text: `not using the cached one: ${state.damaged}` });
    const makers = [
      { way: "download", make: (to: string) => this.#download(name, wanted, to, report), past: "downloaded" },
      { way: "build", make: (to: string) => this.#build(name, wanted, to, tried, report), past: "built" },
    ] as const;
    for (const { way, make, past } of makers) {
      if (!(this.#settings.ways ?? allWays).includes(way)) continue;
      try {
        await entry.replace(make, names);
        report({ subject: name, state: "done", text: `${wanted.version}, ${past}` });
        return true;
      } catch (error) {
        tried.push(`${way}: ${reasonOf(error)}`);
      }
    }
    return false;
  }

  async #download(name: Name, wanted: ToolPackage<Name>, folder: string, report: Report): Promise<string> {
    const official = wanted.downloads[this.#settings.platform];
    if (official === undefined)
      throw new Error(`no checksum is pinned for ${this.#settings.platform}, so nothing is downloaded`);
    const { host } = new URL(official.url);
    const unreachable = this.#unreachable.get(host);
    if (unreachable !== undefined) throw unreachable;
    report({ subject: name, state: "started", text: `downloading ${wanted.version} from ${host}` });
    const file = join(folder, ".download");
    let told = 0;
    try {
      await download(official.url, {
        into: file,
        sha256: official.sha256,
        limits: this.#settings.limits ?? downloadLimits,
        progress: (bytes, total) => {
          if (Date.now() - told < 500 && bytes !== total) return;
          told = Date.now();
          const of = total === undefined ? "" : ` of ${megabytes(total)}`;
          report({ subject: name, state: "progress", text: `downloaded ${megabytes(bytes)}${of} MB` });
        },
      });
    } catch (error) {
      if (error instanceof UnreachableError) this.#unreachable.set(host, error);
      throw error;
    }
    await unpack(file, official, folder);
    await rm(file);
    await this.#prove(wanted, folder);
    return official.url;
  }

  async #build(
    name: Name,
    wanted: ToolPackage<Name>,
    folder: string,
    tried: string[],
    report: Report,
  ): Promise<string> {
    const { environment, platform } = this.#settings;
    const before = tried.at(-1);
    const because = before === undefined ? "" : ` (${before})`;
    report({
      subject: name,
      state: "started",
      text: `building ${wanted.version} from Go modules, about ${wanted.build.minutes} min the first time${because}`,
    });
    await build(wanted.build, {
      into: folder,
      platform,
      environment,
      progress: ({ seconds, modules, packages }) =>
        report({
          subject: name,
          state: "progress",
          text: `building for ${seconds} s; modules downloaded: ${modules}, packages compiled: ${packages}`,
        }),
    });
    await this.#prove(wanted, folder);
    return wanted.build.packages.map((source) => `go build ${source}@v${wanted.version}`).join(", ");
  }

  /** Runs every executable before it is kept: what does not run here, or is another version, is not. */
  async #prove(wanted: ToolPackage<Name>, folder: string): Promise<void> {
    const { environment } = this.#settings;
    for (const [name, args] of Object.entries<string[] | undefined>(wanted.executables)) {
      const version = await printedVersion(join(folder, name), { arguments: args ?? [], environment });
      if (version !== wanted.version)
        throw new Error(
          `the new ${name} does not say that it is ${wanted.version}, but ${version ?? "nothing"}`,
        );
    }
  }

  #explain(name: Name, wanted: ToolPackage<Name>, tried: string[]): string {
    const { version } = wanted;
    const official = wanted.downloads[this.#settings.platform];
    const lines = [
      `${name} ${version} could not be had.`,
      ...(tried.length > 0 ? ["What was tried:"] : ["There is none on PATH, and no other way is allowed."]),
      ...tried.map((line) => `  - ${line}`),
      "Any one of these is enough:",
      `  1. put ${name} ${version} on PATH (${wanted.page})`,
      official === undefined
        ? `  2. run on a platform that has an official download; ${this.#settings.platform} has none`
        : `  2. let this machine reach ${official.url}`,
      "  3. install Go 1.26 or later and let it reach its module proxy: Keyplane then builds it",
    ];
    return lines.join("\n");
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
