import { constants, type Stats } from "node:fs";
import { access, type FileHandle, lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { assertMayOwn, type Owner, ownUid } from "./owner.ts";
import { DeliveryError } from "./sink.ts";

/**
 * A folder that is open. Who may write to the one above it may put another folder or a link in its place at any moment: what is
 * done here is done in the folder that was opened, since Linux reaches it by its descriptor. Elsewhere its path is asked again.
 */
export class Folder implements AsyncDisposable {
  /** As it is called: for messages. */
  readonly path: string;
  readonly #handle: FileHandle;
  /** As the file system is asked. */
  readonly #reached: string;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
    this.#reached = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : path;
  }

  /**
   * @param within the folder above it, where that is open
   * @throws DeliveryError where it is a symbolic link or no folder; an error of the file system
   */
  static async open(path: string, within?: Folder): Promise<Folder> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY;
    try {
      return new Folder(path, await (within?.open(basename(path), flags) ?? open(path, flags)));
    } catch (error) {
      if (["ELOOP", "ENOTDIR"].includes(codeOf(error))) throw linked(path, "folder");
      throw error;
    }
  }

  /** Opens a file in it. */
  open(name: string, flags: string | number, mode?: number): Promise<FileHandle> {
    return this.#at(name, (path) => open(path, flags, mode));
  }

  /** What stands under a name, be it a link; undefined where nothing does. */
  look(name: string): Promise<Stats | undefined> {
    return this.#at(name, (path) => lstat(path).catch(absent));
  }

  names(): Promise<string[]> {
    return this.#at("", (path) => readdir(path));
  }

  /** Makes a folder in it, mode 700, unless something stands there. */
  async make(name: string): Promise<void> {
    await this.#at(name, (path) => mkdir(path, 0o700)).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#at(from, (path) => rename(path, join(this.#reached, to)));
  }

  /** Removes a file, or a link itself, where there is one. */
  async remove(name: string): Promise<void> {
    await this.#at(name, (path) => rm(path, { force: true }));
  }

  stat(): Promise<Stats> {
    return this.#handle.stat();
  }

  async give({ uid, gid }: Owner, mode: number): Promise<void> {
    const stats = await this.stat();
    if (stats.uid !== uid) await this.#handle.chown(uid, gid ?? stats.gid);
    if ((stats.mode & 0o7777) !== mode) await this.#handle.chmod(mode);
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  /**
   * Who waited for it may have waited too long: what is written here then, its readers would not find.
   * @throws DeliveryError where its path leads to it no more
   */
  async assertInPlace(): Promise<void> {
    if (isSame(await this.stat(), await lstat(this.path).catch(absent))) return;
    throw new DeliveryError(
      `${this.path} was moved away or replaced while another run was waited for, and nothing is written: see who did that, ` +
        "then try again",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  /** An error names the place by the path that whoever reads it knows. */
  async #at<T>(name: string, act: (path: string) => Promise<T>): Promise<T> {
    try {
      return await act(join(this.#reached, name));
    } catch (error) {
      if (error instanceof Error && "path" in error) {
        error.path = join(this.path, name);
        error.message = error.message.replaceAll(this.#reached, this.path);
      }
      throw error;
    }
  }
}

/**
 * Makes a folder that holds nothing but secrets, mode 700 (or 711, where several users' files lie in it), and opens it.
 * @throws DeliveryError where it is a symbolic link, or belongs to someone else and cannot be given away
 */
export async function prepareFolder(
  path: string,
  owner: Owner,
  { mode = 0o700, within }: { mode?: 0o700 | 0o711; within?: Folder | undefined } = {},
): Promise<Folder> {
  assertMayOwn(path, owner);
  await (within?.make(basename(path)) ?? mkdir(path, { recursive: true, mode: 0o700 }));
  return opened(path, within, (folder) => folder.give(owner, mode));
}

/**
 * Opens a folder where there is one already; undefined where it could be made.
 * @throws DeliveryError where `prepareFolder` would; an error of the file system where nothing can be made there
 */
export async function checkFolder(path: string, owner: Owner, within?: Folder): Promise<Folder | undefined> {
  assertMayOwn(path, owner);
  // Before it is opened: its owner may let nobody else do that.
  const found = await (within?.look(basename(path)) ?? lstat(path).catch(absent));
  if (found === undefined) {
    await assertRoomFor(path);
    return undefined;
  }
  if (!found.isDirectory()) throw linked(path, "folder");
  if (owner.uid !== -1 && found.uid !== owner.uid && ownUid() !== 0) {
    throw new DeliveryError(
      `${path} belongs to uid ${found.uid} and must belong to uid ${owner.uid}, which only root can change: run as root, or ` +
        `chown ${owner.uid} ${path}`,
    );
  }
  return Folder.open(path, within);
}

/** Whether something can be made at a path, in the nearest folder above it that there is. */
async function assertRoomFor(path: string): Promise<void> {
  const above = dirname(path);
  try {
    await access(above, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || above === path) throw error;
    await assertRoomFor(above);
  }
}

/**
 * Opens a folder that others use as well (a project's, with its env-file), which keeps its mode; it is made, mode 700, where there
 * is none.
 * @throws DeliveryError where others may replace files in it
 */
export async function prepareSharedFolder(path: string, owner: Owner): Promise<Folder> {
  return (await checkSharedFolder(path, owner)) ?? prepareFolder(path, owner);
}

/** Opens it where it is there already. @throws as `prepareSharedFolder` */
export async function checkSharedFolder(path: string, owner: Owner): Promise<Folder | undefined> {
  if ((await lstat(path).catch(absent)) === undefined) return checkFolder(path, owner);
  return opened(path, undefined, async (folder) => {
    const { mode } = await folder.stat();
    const sticky = (mode & 0o1000) !== 0;
    if ((mode & 0o022) !== 0 && !sticky) {
      throw new DeliveryError(
        `others may write to ${path}, so they could replace the file: chmod go-w ${path}`,
      );
    }
  });
}

/** Opens a folder and leaves it open where `act` throws nothing. */
async function opened(
  path: string,
  within: Folder | undefined,
  act: (folder: Folder) => Promise<void>,
): Promise<Folder> {
  const folder = await Folder.open(path, within);
  try {
    await act(folder);
    return folder;
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether both say the same of one file, rather than of two that had one name. */
export function isSame(one: Stats, other: Stats | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev;
}

export function linked(path: string, meant: "file" | "folder"): DeliveryError {
  return new DeliveryError(
    `${path} is a symbolic link or no ${meant}: values are written through no link; put a ${meant} of its own there`,
  );
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

export function absent(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}
