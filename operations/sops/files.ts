import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import type { Problem } from "../../model/catalogue.ts";
import type { Model } from "../../model/model.ts";
import { ProblemsError } from "../problem.ts";
import { decrypt, encrypt, SopsError, sopsCode } from "./binary.ts";
import { checkDecrypted, checkEncrypted, lacking } from "./check.ts";
import { bootstrapFile, folder, sopsConfig } from "./config.ts";
import { contentOf, render } from "./content.ts";
import { largest } from "./document.ts";

/** How far a file could be checked: its values too, or only what shows without a private key. */
export interface Checked {
  file: string;
  checked: "values" | "structure";
  /** Variables that the catalogue has by now; `keyplane sops encrypt` adds them. */
  lacks: string[];
}

/**
 * Whether `.sops.yaml` is what the catalogue makes of it, as the place of its first difference.
 * @param root the folder that holds the catalogue's folder
 */
export async function checkSopsConfig(root: string, models: Model[]): Promise<Problem[]> {
  const file = shown(join(root, ".sops.yaml"));
  const wanted = sopsConfig(models).split("\n");
  const found = (await readIfThere(join(root, ".sops.yaml")))?.split("\n");
  const fix = "run `keyplane sops config`";
  if (found === undefined) return [{ file, line: 1, column: 1, message: `is missing: ${fix}` }];
  const line = wanted.findIndex((text, index) => text !== found[index]);
  if (line === -1 && wanted.length === found.length) return [];
  const at = line === -1 ? wanted.length : line + 1;
  return [{ file, line: at, column: 1, message: `is not what the catalogue's people make of it: ${fix}` }];
}

/** Writes `.sops.yaml`. Returns whether anything changed. */
export async function writeSopsConfig(root: string, models: Model[]): Promise<boolean> {
  const text = sopsConfig(models);
  if ((await readIfThere(join(root, ".sops.yaml"))) === text) return false;
  await replace(join(root, ".sops.yaml"), text);
  return true;
}

/**
 * Checks `.sops.yaml` and every file of `bootstrap/` (R3–R5). A repository without that folder has no
 * bootstrap in Git, and nothing is said about it.
 * @param sops gives the executable, where an age key is at hand to look into the files with
 */
export async function checkBootstrapFiles(
  root: string,
  models: Model[],
  sops?: () => Promise<string>,
): Promise<{ files: Checked[]; problems: Problem[] }> {
  const names = await listIfThere(join(root, folder));
  if (names === undefined) return { files: [], problems: [] };
  const problems = await checkSopsConfig(root, models);
  const files: Checked[] = [];
  const wanted = new Map(models.map((model) => [basename(bootstrapFile(model.environment)), model]));
  for (const name of new Set([...wanted.keys(), ...names].toSorted())) {
    const path = join(root, folder, name);
    const file = shown(path);
    const refuse = (message: string) => problems.push({ file, line: 1, column: 1, message });
    const model = wanted.get(name);
    if (model === undefined)
      refuse(`belongs to no environment; ${folder}/ holds <environment>.enc.yaml only`);
    else if (!names.includes(name)) refuse("is missing: make it with `keyplane sops encrypt`");
    else if (!(await lstat(path)).isFile()) refuse("must be a plain file, not a link or a folder");
    else if ((await lstat(path)).size > largest) {
      refuse("is larger than 1 MiB: a bootstrap file holds defaults, toggles and references only");
    } else {
      const result = await checkFile(path, model, sops);
      problems.push(...result.problems);
      files.push({ file, ...result.checked });
    }
  }
  return { files, problems };
}

async function checkFile(
  path: string,
  model: Model,
  sops: (() => Promise<string>) | undefined,
): Promise<{ checked: Omit<Checked, "file">; problems: Problem[] }> {
  const file = shown(path);
  const text = await readFile(path, "utf8");
  const lacks = lacking(file, text, model);
  const problems = checkEncrypted(file, text, model);
  // What is not well-formed is not worth decrypting.
  if (sops === undefined || problems.length > 0)
    return { checked: { checked: "structure", lacks }, problems };
  try {
    const clear = await decrypt(await sops(), path, dirname(path));
    return { checked: { checked: "values", lacks }, problems: checkDecrypted(file, text, clear, model) };
  } catch (error) {
    if (!(error instanceof SopsError)) throw error;
    if (error.code !== sopsCode.noKey) problems.push({ file, line: 1, column: 1, message: error.message });
    return { checked: { checked: "structure", lacks }, problems };
  }
}

/**
 * Makes the bootstrap file of one environment from the catalogue, encrypted to its recipients.
 * @param sops path of the executable
 * @returns the path of the file, relative to `root`
 * @throws ProblemsError before anything is written
 */
export async function writeBootstrap(
  root: string,
  models: Model[],
  model: Model,
  sops: string,
): Promise<string> {
  const filename = bootstrapFile(model.environment);
  const problems = await checkSopsConfig(root, models);
  if (model.recipients.length === 0) problems.push(noRecipients(filename, model));
  if (problems.length > 0) throw new ProblemsError(problems);
  const clear = render(contentOf(model));
  const text = await encrypt(sops, { clear, directory: root, config: ".sops.yaml", filename });
  const wrong = checkEncrypted(filename, text, model);
  if (wrong.length > 0) throw new ProblemsError(wrong);
  await mkdir(join(root, folder), { recursive: true });
  await replace(join(root, filename), text);
  return filename;
}

function noRecipients(file: string, { environment }: Model): Problem {
  const message = `environment ${environment} has no age recipient: give people of the catalogue an age key`;
  return { file, line: 1, column: 1, message };
}

/** Relative where that is shorter, as an editor would show it. */
function shown(path: string): string {
  const here = relative(process.cwd(), path);
  return here.startsWith("..") ? path : here;
}

async function readIfThere(path: string): Promise<string | undefined> {
  return ifThere(readFile(path, "utf8"));
}

async function listIfThere(path: string): Promise<string[] | undefined> {
  return ifThere(readdir(path));
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all: a file in Git is never half-written. */
async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
