import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import type { Value } from "../fields.ts";
import { within } from "./kind.ts";

/** The earliest time that a zip can say: the same files give the same archive at any time. */
const always = new Date(1980, 0, 1);

/** A folder as a zip, file by file in the order of their names. @throws when it is not there or holds nothing. */
export async function zipped(archive: Value | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const { path } = within(archive);
  if (typeof path !== "string") throw new Error("code must be the archive of a folder");
  const found = await readdir(path, { recursive: true, withFileTypes: true });
  const names = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
  if (names.length === 0) throw new Error(`${path} holds no file to run`);
  const files: Record<string, Uint8Array> = {};
  for (const name of names) files[name.replaceAll("\\", "/")] = await readFile(join(path, name));
  return zipSync(files, { mtime: always }) as Uint8Array<ArrayBuffer>;
}
