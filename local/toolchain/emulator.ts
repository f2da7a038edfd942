import { execFile } from "node:child_process";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheHome } from "../cache-home.ts";
import type { Report } from "../progress.ts";
import { CacheEntry } from "./cache.ts";
import { executablesOnPath, printedVersion } from "./executable.ts";
import { platformOf } from "./package.ts";
import { ToolchainError } from "./toolchain.ts";

/** What a virtual environment is made from, and where it is kept. */
export interface EmulatorSettings {
  /** Absolute path of the folder of tools that were downloaded or built. */
  cache: string;
  platform: string;
  /** PATH and pip's own settings (PIP_INDEX_URL and others) are read from it. */
  environment: NodeJS.ProcessEnv;
  /** pip's requirements, each with the SHA-256 of its files. */
  requirements: string;
}

/** The least that the emulator runs on. */
const oldest = [3, 10] as const;

let ofProcess: Promise<string> | undefined;

/**
 * Absolute path of the Python of the virtual environment that holds the pinned AWS emulator. It is installed once per
 * machine, from PyPI or where pip is told to look, by the SHA-256 of every file; a copy in the cache is checked once per
 * process. KEYPLANE_TOOLCHAIN does not concern it.
 * @throws ToolchainError with what is missing
 */
export function findEmulator(report: Report): Promise<string> {
  ofProcess ??= installEmulator(
    {
      cache: join(cacheHome(process.env), "toolchain"),
      platform: platformOf(process.platform, process.arch),
      environment: process.env,
      requirements: join(import.meta.dirname, "ministack", "requirements.txt"),
    },
    report,
  );
  ofProcess.catch(() => {
    ofProcess = undefined;
  });
  return ofProcess;
}

/** Finds the emulator in the cache, or installs it there; see findEmulator. */
export async function installEmulator(settings: EmulatorSettings, report: Report): Promise<string> {
  const { cache, platform, environment, requirements } = settings;
  const wanted = await readFile(requirements, "utf8");
  const version = /^ministack==([\w.]+)/m.exec(wanted)?.[1];
  if (version === undefined) throw new ToolchainError(`${requirements} does not pin ministack`);
  const entry = new CacheEntry(join(cache, `ministack-${version}-${platform}`));
  const python = entry.executable(pythonName);
  const said = { subject: "ministack", state: "unchanged", text: `${version}, from the cache` } as const;
  if ((await entry.check(kept)) === "sound" && (await isMadeFrom(entry, wanted))) {
    report(said);
    return python;
  }
  await entry.locked(
    async () => {
      if ((await entry.check(kept)) === "sound" && (await isMadeFrom(entry, wanted))) return report(said);
      const { file, problems } = await findPython(environment);
      if (file === undefined) throw new ToolchainError(explain(version, problems));
      report({ subject: "ministack", state: "started", text: `installing ${version} with pip` });
      try {
        await entry.replace((folder) => install(folder, file, settings, version), kept);
      } catch (error) {
        report({ subject: "ministack", state: "failed", text: `${version} could not be installed` });
        throw new ToolchainError(explain(version, [reasonOf(error)]), { cause: error });
      }
      report({ subject: "ministack", state: "done", text: `${version}, installed with pip` });
    },
    { subject: "ministack", report },
  );
  return python;
}

const pythonName = join("bin", "python3");
const listName = "requirements.txt";
/** What is compared with the record: the Python, which an upgrade of the machine's replaces, and the list. */
const kept = [pythonName, listName];

async function isMadeFrom(entry: CacheEntry, wanted: string): Promise<boolean> {
  return (await readFile(entry.executable(listName), "utf8").catch(() => "")) === wanted;
}

/** The first Python of PATH that is new enough. */
async function findPython(environment: NodeJS.ProcessEnv): Promise<{ file?: string; problems: string[] }> {
  const problems: string[] = [];
  for (const file of await executablesOnPath("python3", environment)) {
    const version = await printedVersion(file, { arguments: ["--version"], environment });
    const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
    if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return { file, problems };
    problems.push(`${file} is ${version === undefined ? "of no readable version" : version}`);
  }
  if (problems.length === 0) problems.push("there is no python3 on PATH");
  return { problems };
}

/** Makes the virtual environment in a folder. It may be renamed afterwards: its Python finds itself by its own place. */
async function install(
  folder: string,
  python: string,
  { environment, requirements }: EmulatorSettings,
  version: string,
): Promise<string> {
  const run = async (file: string, args: string[]) => {
    try {
      return await promisify(execFile)(file, args, { env: environment, maxBuffer: 16 * 1024 ** 2 });
    } catch (error) {
      const output = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
      const end = output.split("\n").slice(-4).join("; ");
      throw new Error(`${args.slice(0, 4).join(" ")}: ${end || reasonOf(error)}`, { cause: error });
    }
  };
  // A pip of the machine saves the three seconds that it takes to install another one in the new environment.
  const pip = await run(python, ["-m", "pip", "--version"]).then(
    ({ stdout }) => Number(/^pip (\d+)/.exec(stdout)?.[1]) >= 23,
    () => false,
  );
  await run(python, ["-m", "venv", ...(pip ? ["--without-pip"] : []), folder]);
  const own = join(folder, pythonName);
  await run(pip ? python : own, [
    ...["-m", "pip", ...(pip ? ["--python", own] : []), "install", "--quiet", "--no-input"],
    ...["--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:"],
    ...["-r", requirements],
  ]);
  const { stdout } = await run(own, [
    ...["-I", "-c", "import ministack.app, importlib.metadata as m; print(m.version('ministack'))"],
  ]);
  if (stdout.trim() !== version) throw new Error(`it says that it is ${stdout.trim()}`);
  await copyFile(requirements, join(folder, listName));
  return `pip install ministack==${version}`;
}

function explain(version: string, problems: string[]): string {
  return [
    `The AWS emulator, ministack ${version}, could not be installed.`,
    ...problems.map((problem) => `  - ${problem}`),
    "What it needs:",
    `  - Python ${oldest.join(".")} or later as python3 on PATH, with venv and pip (Debian and Ubuntu: apt install python3-venv)`,
    "  - PyPI, or a mirror of it that pip is told of (PIP_INDEX_URL)",
  ].join("\n");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
