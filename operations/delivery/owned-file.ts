import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { access, type FileHandle, lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Owner, ownUid } from "./owner.ts";
import { DeliveryError } from "./sink.ts";

/** A file as it shall be: mode 600, its owner's (R45). */
export interface OwnedFile {
  name: string;
  content: string;
  owner: Owner;
}

const temporary = /^\.keyplane-(?:([0-9]+)-)?[0-9a-f]{12}\.tmp$/;

function temporaryName(): string {
  return `.keyplane-${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
}

/**
 * Brings files into a folder so that a reader, a crash or a power cut sees each as it was or as it shall be. All are
 * staged beside their places before the first is put there, so that a full disk or a missing right changes nothing. A file
 * that is right already keeps its times; one with another mode or owner is made anew.
 * @returns the names of those that changed
 * @throws DeliveryError where a name leads through a symbolic link or to no file, or an owner cannot be set
 */
export async function placeFiles(folder: string, files: OwnedFile[]): Promise<string[]> {
  for (const { owner, name } of files) assertMayOwn(join(folder, name), owner);
  await removeLeftovers(folder);
  const staged: { file: OwnedFile; path: string }[] = [];
  try {
    for (const file of files) {
      if (await isRight(folder, file)) continue;
      const path = join(folder, temporaryName());
      staged.push({ file, path });
      await stage(path, file);
    }
    for (const { file, path } of staged) await rename(path, join(folder, file.name));
  } catch (error) {
    for (const { path } of staged) await rm(path, { force: true });
    throw error;
  }
  if (staged.length > 0) await syncFolder(folder);
  return staged.map(({ file }) => file.name);
}

/**
 * Whether `placeFiles` could bring them to a folder: there is room and a right to it. Stages so much of nothing, and takes it
 * away again.
 * @throws DeliveryError; an error of the file system
 */
export async function tryFiles(folder: string, files: OwnedFile[]): Promise<void> {
  for (const { owner, name } of files) {
    assertMayOwn(join(folder, name), owner);
    await lookAt(join(folder, name));
  }
  const owners = new Map(files.map(({ owner }) => [owner.uid, owner]));
  for (const owner of owners.values()) {
    const theirs = files.filter((file) => file.owner.uid === owner.uid);
    const content = " ".repeat(theirs.reduce((sum, file) => sum + Buffer.byteLength(file.content), 0));
    const path = join(folder, temporaryName());
    try {
      await stage(path, { content, owner });
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Removes files of ours; one that is a link is removed itself, not what it points to. */
export async function removeFiles(folder: string, names: string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { force: true });
  if (names.length > 0) await syncFolder(folder);
}

/**
 * A file's content and what the host says of it, without counting as a reader of it; undefined where there is none.
 * @throws DeliveryError where the name is a symbolic link or no file
 */
export async function lookAt(path: string): Promise<{ content: string; stats: Stats } | undefined> {
  const file = await openQuietly(path);
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new DeliveryError(`${path} is no file: move away what stands there`);
    return { content: await file.readFile("utf8"), stats };
  } finally {
    await file.close();
  }
}

/**
 * Makes a folder that holds nothing but secrets, mode 700 (or 711, where several users' files lie in it).
 * @throws DeliveryError where it is a symbolic link, or belongs to someone else and cannot be given away
 */
export async function prepareFolder(path: string, owner: Owner, mode: 0o700 | 0o711 = 0o700): Promise<void> {
  assertMayOwn(path, owner);
  await mkdir(path, { recursive: true, mode: 0o700 });
  const folder = await openFolder(path);
  try {
    const stats = await folder.stat();
    if (stats.uid !== owner.uid) await folder.chown(owner.uid, owner.gid ?? stats.gid);
    if ((stats.mode & 0o7777) !== mode) await folder.chmod(mode);
  } finally {
    await folder.close();
  }
}

/**
 * Whether a folder is there already, and otherwise could be made.
 * @throws DeliveryError where `prepareFolder` would; an error of the file system where nothing can be made there
 */
export async function checkFolder(path: string, owner: Owner): Promise<boolean> {
  assertMayOwn(path, owner);
  const found = await lstat(path).catch(absent);
  if (found === undefined) {
    await assertRoomFor(path);
    return false;
  }
  if (!found.isDirectory()) throw linked(path, "folder");
  if (owner.uid !== -1 && found.uid !== owner.uid && ownUid() !== 0) {
    throw new DeliveryError(
      `${path} belongs to uid ${found.uid} and must belong to uid ${owner.uid}, which only root can change: run as root, or ` +
        `chown ${owner.uid} ${path}`,
    );
  }
  return true;
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
 * A folder that others use as well (a project's, with its env-file) keeps its mode; it is made, mode 700, where there is
 * none.
 * @throws DeliveryError where others may replace files in it
 */
export async function prepareSharedFolder(path: string, owner: Owner): Promise<void> {
  if (!(await checkSharedFolder(path, owner))) await prepareFolder(path, owner);
}

/** Whether it is there already. @throws as `prepareSharedFolder` */
export async function checkSharedFolder(path: string, owner: Owner): Promise<boolean> {
  const found = await lstat(path).catch(absent);
  if (found === undefined) return checkFolder(path, owner);
  if (!found.isDirectory()) throw linked(path, "folder");
  const sticky = (found.mode & 0o1000) !== 0;
  if ((found.mode & 0o022) !== 0 && !sticky) {
    throw new DeliveryError(
      `others may write to ${path}, so they could replace the file: chmod go-w ${path}`,
    );
  }
  return true;
}

/** Whether this process may make files that belong to `owner`. */
function assertMayOwn(path: string, { uid }: Owner): void {
  if (uid === ownUid() || ownUid() === 0 || ownUid() === -1) return;
  throw new DeliveryError(
    `${path} must belong to uid ${uid}, and uid ${ownUid()} may not give it away: run as that user or as root`,
  );
}

async function isRight(folder: string, { name, content, owner }: OwnedFile): Promise<boolean> {
  const found = await lookAt(join(folder, name));
  return found !== undefined && found.content === content && isPrivate(found.stats, owner);
}

/** Mode 600 and the right owner (R45). */
export function isPrivate(stats: Stats, { uid }: Owner): boolean {
  return (stats.mode & 0o7777) === 0o600 && (uid === -1 || stats.uid === uid);
}

/** Unread since it was written; a reader moves it (`relatime` too), see `wasRead`. */
const neverRead = new Date(0);

async function stage(path: string, { content, owner }: Omit<OwnedFile, "name">): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    const { uid, gid } = await file.stat();
    if (owner.uid !== -1 && (uid !== owner.uid || (owner.gid !== undefined && gid !== owner.gid))) {
      await file.chown(owner.uid, owner.gid ?? gid);
    }
    // The umask may have taken more away.
    await file.chmod(0o600);
    await file.writeFile(content);
    await file.utimes(neverRead, new Date());
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Whether someone has read the file since it was placed, by its access time; undefined where the file system keeps none
 * (noatime). Backups count as readers.
 */
export async function wasRead(path: string): Promise<boolean | undefined> {
  const found = await lstat(path).catch(absent);
  if (found === undefined) return false;
  if (found.atimeMs > neverRead.getTime()) return true;
  return (await keepsAccessTimes(join(path, ".."))) ? false : undefined;
}

async function keepsAccessTimes(folder: string): Promise<boolean> {
  const path = join(folder, temporaryName());
  const file = await open(path, "wx+", 0o600);
  try {
    await file.writeFile("x");
    await file.utimes(neverRead, new Date());
    await file.read(Buffer.alloc(1), 0, 1, 0);
    return (await file.stat()).atimeMs > neverRead.getTime();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** Milliseconds after which nobody stages any more, whatever has the process id by now. */
const staging = 60_000;

/** What a killed run had staged: it was never in use, and holds values. Other runs may be staging at the same time. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = temporary.exec(name);
    if (found === null) continue;
    const path = join(folder, name);
    const pid = Number(found[1] ?? 0);
    const age = Date.now() - ((await lstat(path).catch(absent))?.mtimeMs ?? 0);
    if (!isAlive(pid) || age > staging) await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process.
    return codeOf(error) === "EPERM";
  }
}

/** Without following a link, waiting for a pipe or (where we may) counting as a reader. */
async function openQuietly(path: string): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return await open(path, flags | (constants.O_NOATIME ?? 0));
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw linked(path, "file");
    if (code !== "EPERM") throw error;
    return open(path, flags);
  }
}

async function openFolder(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY);
  } catch (error) {
    if (["ELOOP", "ENOTDIR"].includes(codeOf(error))) throw linked(path, "folder");
    throw error;
  }
}

function linked(path: string, meant: "file" | "folder"): DeliveryError {
  return new DeliveryError(
    `${path} is a symbolic link or no ${meant}: values are written through no link; put a ${meant} of its own there`,
  );
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function absent(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}
