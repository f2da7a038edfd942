import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of one process' values, mode 700. */
export interface PrivateFolder {
  path: string;
  /** It lies in memory: nothing of it reaches a disk (R53). */
  inMemory: boolean;
}

/** https://man7.org/linux/man-pages/man2/statfs.2.html: tmpfs and ramfs. */
const memory = [0x01021994, 0x858458f6];

/** Makes a folder in memory where the machine has such a place, else among the temporary files. */
export async function makePrivateFolder(env: NodeJS.ProcessEnv): Promise<PrivateFolder> {
  for (const place of [env.XDG_RUNTIME_DIR, "/dev/shm"]) {
    if (!place || !(await isInMemory(place))) continue;
    try {
      return { path: await mkdtemp(join(place, "keyplane-run-")), inMemory: true };
    } catch {
      // Not ours to write.
    }
  }
  return { path: await mkdtemp(join(tmpdir(), "keyplane-run-")), inMemory: false };
}

/** Whether a path lies in memory; false where the system does not say. */
export async function isInMemory(path: string): Promise<boolean> {
  try {
    return memory.includes((await statfs(path)).type);
  } catch {
    return false;
  }
}

export async function removePrivateFolder(path: string): Promise<void> {
  if (/[/\\]keyplane-run-[A-Za-z0-9]{6}$/.test(path)) await rm(path, { recursive: true, force: true });
}
