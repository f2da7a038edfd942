import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { unzipSync } from "fflate";
import { extract } from "tar";
import type { Download } from "./package.ts";

/** A downloaded archive is damaged, lacks an executable, or holds what an archive of tools has no need for. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
}

/**
 * Takes the executables out of a downloaded file into the folder `into`, mode 755, and nothing else.
 * Throws ArchiveError when one is missing or is not a plain file, or any path in the archive leads out of it.
 */
export async function unpack(file: string, download: Download, into: string): Promise<void> {
  if (download.format === "executable") {
    for (const name of Object.keys(download.members)) await copyFile(file, join(into, name));
  } else if (download.format === "zip") {
    await unpackZip(file, download.members, into);
  } else {
    await unpackTar(file, download.members, into);
  }
  for (const name of Object.keys(download.members)) await chmod(join(into, name), 0o755);
}

async function unpackTar(file: string, members: Record<string, string>, into: string): Promise<void> {
  const wanted = new Set(Object.values(members));
  const unpacked = join(into, ".unpacked");
  const escaping: string[] = [];
  await mkdir(unpacked);
  try {
    await extract({
      file,
      cwd: unpacked,
      strict: true,
      filter: (path, entry) => {
        if (escapes(path)) escaping.push(path);
        return wanted.has(path) && "type" in entry && entry.type === "File";
      },
    });
    refuse(escaping);
    for (const [name, path] of Object.entries(members))
      await rename(join(unpacked, path), join(into, name)).catch(() => {
        throw new ArchiveError(`it has no plain file ${path}`);
      });
  } catch (error) {
    throw archiveError(error);
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** Reads the whole file: the list of a zip is at its end, and the largest (Vault) has 180 MB. */
async function unpackZip(file: string, members: Record<string, string>, into: string): Promise<void> {
  const wanted = new Set(Object.values(members));
  const escaping: string[] = [];
  try {
    const unpacked = unzipSync(await readFile(file), {
      filter: ({ name }) => {
        if (escapes(name)) escaping.push(name);
        return wanted.has(name);
      },
    });
    refuse(escaping);
    for (const [name, path] of Object.entries(members)) {
      const bytes = unpacked[path];
      if (bytes === undefined) throw new ArchiveError(`it has no plain file ${path}`);
      await writeFile(join(into, name), bytes);
    }
  } catch (error) {
    throw archiveError(error);
  }
}

function escapes(path: string): boolean {
  return posix.isAbsolute(path) || path.split(/[/\\]/).includes("..");
}

function refuse(escaping: string[]): void {
  const [first] = escaping;
  if (first !== undefined)
    throw new ArchiveError(`it holds a path that leads out of it: ${JSON.stringify(first)}`);
}

function archiveError(error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ArchiveError(`it cannot be unpacked: ${message}`, { cause: error });
}
