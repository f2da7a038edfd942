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
export interface PythonSettings {
  /** Absolute path of the folder of tools that were downloaded or built. */
  cache: string;
  platform: string;
  /** PATH and pip's own settings (PIP_INDEX_URL and others) are read from it. */
  environment: NodeJS.ProcessEnv;
  /** pip's requirements, each with the SHA-256 of its files. */
  requirements: string;
}

/** Those of this process, for what a folder's `requirements.txt` pins. */
export function pinnedIn(folder: string): PythonSettings {
  return {
    cache: join(cacheHome(process.env), "toolchain"),
    platform: platformOf(process.platform, process.arch),
    environment: process.env,
    requirements: join(folder, "requirements.txt"),
  };
}

/** A package of PyPI that is run in a virtual environment of its own. */
export interface PythonPackage {
  /** As PyPI has it; the requirements pin it. */
  name: string;
  /** Begins a sentence: "The AWS emulator". */
  what: string;
  /** What must be importable. */
  module: string;
}

/** The least that the packages run on. */
const oldest = [3, 10] as const;

/**
 * Absolute path of the Python of the virtual environment that holds a pinned package. It is installed once per machine,
 * from PyPI or where pip is told to look, by the SHA-256 of every file.
 * @throws ToolchainError with what is missing
 */
export async function installPython(
  wantedPackage: PythonPackage,
  settings: PythonSettings,
  report: Report,
): Promise<string> {
  const { name } = wantedPackage;
  const { cache, platform, environment, requirements } = settings;
  const wanted = await readFile(requirements, "utf8");
  const version = wanted
    .split("\n")
    .find((line) => line.startsWith(`${name}==`))
    ?.match(/==([\w.]+)/)?.[1];
  if (version === undefined) throw new ToolchainError(`${requirements} does not pin ${name}`);
  const entry = new CacheEntry(join(cache, `${name}-${version}-${platform}`));
  const python = entry.executable(pythonName);
  const said = { subject: name, state: "unchanged", text: `${version}, from the cache` } as const;
  if ((await entry.check(kept)) === "sound" && (await isMadeFrom(entry, wanted))) {
    report(said);
    return python;
  }
  await entry.locked(
    async () => {
      if ((await entry.check(kept)) === "sound" && (await isMadeFrom(entry, wanted))) return report(said);
      const { file, problems } = await findPython(environment);
      if (file === undefined) throw new ToolchainError(explain(wantedPackage, version, problems));
      report({ subject: name, state: "started", text: `installing ${version} with pip` });
      try {
        await entry.replace((folder) => install(folder, file, wantedPackage, settings, version), kept);
      } catch (error) {
        report({ subject: name, state: "failed", text: `${version} could not be installed` });
        throw new ToolchainError(explain(wantedPackage, version, [reasonOf(error)]), { cause: error });
      }
      report({ subject: name, state: "done", text: `${version}, installed with pip` });
    },
    { subject: name, report },
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
  { name, module }: PythonPackage,
  { environment, requirements }: PythonSettings,
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
    ...["-I", "-c", `import ${module}, importlib.metadata as m; print(m.version('${name}'))`],
  ]);
  if (stdout.trim() !== version) throw new Error(`it says that it is ${stdout.trim()}`);
  await copyFile(requirements, join(folder, listName));
  return `pip install ${name}==${version}`;
}

function explain({ name, what }: PythonPackage, version: string, problems: string[]): string {
  return [
    `${what}, ${name} ${version}, could not be installed.`,
    ...problems.map((problem) => `  - ${problem}`),
    "What it needs:",
    `  - Python ${oldest.join(".")} or later as python3 on PATH, with venv and pip (Debian and Ubuntu: apt install python3-venv)`,
    "  - PyPI, or a mirror of it that pip is told of (PIP_INDEX_URL)",
  ].join("\n");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
