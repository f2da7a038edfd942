import { readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";

/** Somebody asked for a file that is not there, or is none. */
export class PathError extends Error {
  override name = "PathError";
}

/**
 * The files below each of the paths, in order. Symbolic links below them are not followed; one that is named itself
 * is. `.git` is history, which is read otherwise.
 * @throws PathError for a path that is not there
 */
export async function filesIn(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw new PathError(`${path}: there is no such file or folder`);
    if (found.isDirectory()) walk(path, files);
    else if (found.isFile()) files.push(path);
    else throw new PathError(`${path}: is neither a file nor a folder; give a stream on standard input (-)`);
  }
  return files;
}

function walk(folder: string, files: string[]): void {
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== ".git") walk(path, files);
    } else if (entry.isFile()) files.push(path);
  }
}
