import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import path from "node:path";
import type { Problem } from "./problem.ts";
import { quote, suggestion } from "./quote.ts";
import { bounds } from "./yaml.ts";

/** Most files that a catalogue may have. */
const mostFiles = 2000;

/**
 * Reads organization.yaml and systems/*.yaml of a folder as text, by their path in the folder. Reads nothing
 * else: no link out of the folder, no device, no file over the bound, and executes nothing.
 */
export async function readCatalogueFiles(
  folder: string,
  shown: (file: string) => string,
  problems: Problem[],
): Promise<Record<string, string>> {
  const report = (file: string, message: string) => {
    problems.push({ file: shown(file), line: 1, column: 1, message });
  };
  let root: string;
  try {
    root = await realpath(folder);
  } catch {
    problems.push({
      file: folder,
      line: 1,
      column: 1,
      message: "is not there: name the catalogue's folder with --catalogue",
    });
    return {};
  }
  const names = ["organization.yaml", ...(await systemFiles(root, report))];
  if (names.length > mostFiles) {
    report("systems", `holds over ${mostFiles} files: keep one file per system`);
    return {};
  }
  const files: Record<string, string> = {};
  for (const name of names) {
    const text = await readText(root, name, report);
    if (text !== undefined) files[name] = text;
  }
  return files;
}

async function systemFiles(root: string, report: (file: string, message: string) => void): Promise<string[]> {
  const found: string[] = [];
  const folder = path.join(root, "systems");
  try {
    if (!isInside(root, await realpath(folder))) {
      report("systems", "leads out of the catalogue's folder: put the files themselves here");
      return [];
    }
    for (const name of (await readdir(folder)).sort()) {
      if (name.startsWith(".")) continue;
      if (name.endsWith(".yaml")) found.push(`systems/${name}`);
      else if (/\.ya?ml$/i.test(name))
        report(`systems/${printable(name)}`, "is not read: end its name with .yaml");
    }
    for (const name of (await readdir(root)).sort()) {
      if (name === "organization.yaml" || !/\.ya?ml$/i.test(name) || name.startsWith(".")) continue;
      const near = suggestion(name, ["organization.yaml"]);
      report(
        printable(name),
        `is not read: ${near === undefined ? "move it into systems/" : `did you mean ${near}?`}`,
      );
    }
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code !== "ENOENT" &&
      (error as NodeJS.ErrnoException).code !== "ENOTDIR"
    )
      throw error;
  }
  return found;
}

async function readText(
  root: string,
  name: string,
  report: (file: string, message: string) => void,
): Promise<string | undefined> {
  const file = path.join(root, name);
  let real: string;
  try {
    real = await realpath(file);
  } catch {
    if (name === "organization.yaml")
      report(name, "is not there: write the organization's people and environments in it");
    else report(name, "is a link to nothing: put the file itself here");
    return undefined;
  }
  if (!isInside(root, real)) {
    report(name, "is a link out of the catalogue's folder: put the file itself here");
    return undefined;
  }
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      report(name, "is not a regular file: put a file here");
      return undefined;
    }
    if (stat.size > bounds.bytes) {
      report(name, `is over ${bounds.bytes / 1024} KiB: split it into one file per system`);
      return undefined;
    }
    const buffer = Buffer.alloc(bounds.bytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(buffer.subarray(0, length));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    report(name, "is not plain UTF-8 text: save it as YAML text without control characters");
    return undefined;
  } finally {
    await handle.close();
  }
}

function isInside(root: string, file: string): boolean {
  const relative = path.relative(root, file);
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}

function printable(name: string): string {
  return /^[\w.-]{1,80}$/.test(name) ? name : quote(name);
}
