import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { absent, codeOf, Folder, linked } from "./folder.ts";
import { assertMayOwn, type Owner } from "./owner.ts";
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
export async function placeFiles(folder: Folder, files: OwnedFile[]): Promise<string[]> {
  for (const { owner, name } of files) assertMayOwn(join(folder.path, name), owner);
  await removeLeftovers(folder);
  const staged: { file: OwnedFile; as: string }[] = [];
  try {
    for (const file of files) {
      if (await isRight(folder, file)) continue;
      const as = temporaryName();
      staged.push({ file, as });
      await stage(folder, as, file);
    }
    for (const { file, as } of staged) await folder.rename(as, file.name);
  } catch (error) {
    for (const { as } of staged) await folder.remove(as);
    throw error;
  }
  if (staged.length > 0) await folder.sync();
  return staged.map(({ file }) => file.name);
}

/**
 * Whether `placeFiles` could bring them to a folder: there is room and a right to it. Stages so much of nothing, and takes it
 * away again.
 * @throws DeliveryError; an error of the file system
 */
export async function tryFiles(folder: Folder, files: OwnedFile[]): Promise<void> {
  for (const { owner, name } of files) {
    assertMayOwn(join(folder.path, name), owner);
    await lookIn(folder, name);
  }
  const owners = new Map(files.map(({ owner }) => [owner.uid, owner]));
  for (const owner of owners.values()) {
    const theirs = files.filter((file) => file.owner.uid === owner.uid);
    const content = " ".repeat(theirs.reduce((sum, file) => sum + Buffer.byteLength(file.content), 0));
    const as = temporaryName();
    try {
      await stage(folder, as, { content, owner });
    } finally {
      await folder.remove(as);
    }
  }
}

/** Removes files of ours; one that is a link is removed itself, not what it points to. */
export async function removeFiles(folder: Folder, names: string[]): Promise<void> {
  for (const name of names) await folder.remove(name);
  if (names.length > 0) await folder.sync();
}

/**
 * A file's content and what the host says of it, without counting as a reader of it; undefined where there is none.
 * @throws DeliveryError where the name is a symbolic link or no file
 */
export function lookAt(path: string): Promise<Found | undefined> {
  return look(path, (flags) => open(path, flags));
}

/** The same of a file in an open folder, whatever the folder's path leads to by now. */
export function lookIn(folder: Folder, name: string): Promise<Found | undefined> {
  return look(join(folder.path, name), (flags) => folder.open(name, flags));
}

type Found = { content: string; stats: Stats };

async function look(
  path: string,
  opened: (flags: number) => Promise<FileHandle>,
): Promise<Found | undefined> {
  const file = await openQuietly(path, opened);
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new DeliveryError(`${path} is no file: move away what stands there`);
    return { content: await file.readFile("utf8"), stats };
  } finally {
    await file.close();
  }
}

async function isRight(folder: Folder, { name, content, owner }: OwnedFile): Promise<boolean> {
  const found = await lookIn(folder, name);
  return found !== undefined && found.content === content && isPrivate(found.stats, owner);
}

/** Mode 600 and the right owner (R45). */
export function isPrivate(stats: Stats, { uid }: Owner): boolean {
  return (stats.mode & 0o7777) === 0o600 && (uid === -1 || stats.uid === uid);
}

/** Unread since it was written; a reader moves it (`relatime` too), see `wasRead`. */
const neverRead = new Date(0);

async function stage(folder: Folder, as: string, { content, owner }: Omit<OwnedFile, "name">): Promise<void> {
  const file = await folder.open(as, "wx", 0o600);
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
  await using folder = await Folder.open(dirname(path));
  return (await keepsAccessTimes(folder)) ? false : undefined;
}

async function keepsAccessTimes(folder: Folder): Promise<boolean> {
  const name = temporaryName();
  const file = await folder.open(name, "wx+", 0o600);
  try {
    await file.writeFile("x");
    await file.utimes(neverRead, new Date());
    await file.read(Buffer.alloc(1), 0, 1, 0);
    return (await file.stat()).atimeMs > neverRead.getTime();
  } finally {
    await file.close();
    await folder.remove(name);
  }
}

/** Milliseconds after which nobody stages any more, whatever has the process id by now. */
const staging = 60_000;

/** What a killed run had staged: it was never in use, and holds values. Other runs may be staging at the same time. */
export async function removeLeftovers(folder: Folder): Promise<void> {
  for (const name of await folder.names()) {
    const found = temporary.exec(name);
    if (found === null) continue;
    const pid = Number(found[1] ?? 0);
    const age = Date.now() - ((await folder.look(name))?.mtimeMs ?? 0);
    if (!isAlive(pid) || age > staging) await folder.remove(name);
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
async function openQuietly(
  path: string,
  opened: (flags: number) => Promise<FileHandle>,
): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return await opened(flags | (constants.O_NOATIME ?? 0));
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw linked(path, "file");
    if (code !== "EPERM") throw error;
    return opened(flags);
  }
}
