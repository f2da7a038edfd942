import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { codeOf, type Folder, isSame } from "./folder.ts";
import { DeliveryError } from "./sink.ts";

/**
 * Holds a place of delivery for one write: services that share it are delivered to by several runners. The file lies in the
 * place's folder, so that runners meet there wherever they were started. The lock is the kernel's (flock): it ends with its holder,
 * also with one that is killed. The folder's owner may put there what he likes: no link is followed, and nothing is read.
 * @throws DeliveryError when it is still held after half a minute, or cannot be held
 */
export async function holdPlace(folder: Folder, name: string): Promise<AsyncDisposable> {
  const path = join(folder.path, name);
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    const file = await openLock(folder, name, deadline);
    try {
      await lock(file, path, deadline);
      // Where it was removed or replaced meanwhile, others meet at another one.
      if (isSame(await file.stat(), await folder.look(name))) return file;
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
  throw busy(path);
}

const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** O_EXLOCK of open(2) on macOS, which has no command flock: it opens no file that another holds. */
const exclusively = process.platform === "darwin" ? 0x20 : 0;

async function openLock(folder: Folder, name: string, deadline: number): Promise<FileHandle> {
  for (;;) {
    try {
      const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | exclusively;
      const file = await folder.open(name, flags, 0o600);
      if (await isFile(file)) return file;
      await file.close();
      throw new DeliveryError(`${join(folder.path, name)} is no file: move away what stands there`);
    } catch (cause) {
      if (codeOf(cause) === "") throw cause;
      if (codeOf(cause) !== "EAGAIN") throw await unopened(folder, name, cause);
      if (Date.now() > deadline) throw busy(join(folder.path, name));
      await wait(20);
    }
  }
}

async function isFile(file: FileHandle): Promise<boolean> {
  try {
    return (await file.stat()).isFile();
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The lock is that of what is open here, whoever has asked for it: so it is held when the command has ended. */
async function lock(file: FileHandle, path: string, deadline: number): Promise<void> {
  if (exclusively !== 0) return;
  const child = spawn("flock", ["-x", "3"], {
    stdio: ["ignore", "ignore", "ignore", file.fd],
    env: { PATH: process.env.PATH },
    // Ctrl-C tells this process, which decides what still comes to its end.
    detached: true,
    timeout: Math.max(1, deadline - Date.now()),
    killSignal: "SIGKILL",
  });
  const [status] = await once(child, "exit").catch((cause: unknown) => {
    throw unheld(path, `flock, of util-linux, could not be started: ${codeOf(cause)}`, "install it", cause);
  });
  if (status === 0) return;
  if (child.killed) throw busy(path);
  throw unheld(path, `flock ended with ${status ?? "a signal"}`, "see whether its file system has locks");
}

async function unopened(folder: Folder, name: string, cause: unknown): Promise<DeliveryError> {
  const path = join(folder.path, name);
  const found = await folder.look(name).catch((error: unknown) => {
    throw unheld(path, codeOf(error), "see whether its folder can be read", error);
  });
  if (found === undefined) {
    return new DeliveryError(
      `${path} cannot be made (${codeOf(cause)}), which keeps two runs from writing at once: run as somebody who may write to ` +
        "its folder",
      { cause },
    );
  }
  if (!found.isFile()) {
    const what = found.isSymbolicLink() ? "a symbolic link" : "no file";
    return new DeliveryError(`${path} is ${what}: move away what stands there`);
  }
  return unheld(path, codeOf(cause), "run as who owns it, or remove it while nothing writes there", cause);
}

function unheld(path: string, why: string, remedy: string, cause?: unknown): DeliveryError {
  return new DeliveryError(
    `${path} cannot be held (${why}), which keeps two runs from writing at once: ${remedy}`,
    { cause },
  );
}

function busy(path: string): DeliveryError {
  return new DeliveryError(`another run writes where ${path} lies: wait for it to end, then try again`);
}
