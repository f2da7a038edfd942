import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes what a command reports beside its output, into a folder that is made where it is not there. */
export async function writeReport(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
