import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { placeFiles } from "./owned-file.ts";
import { ownUid } from "./owner.ts";

/** A place in a log: what was written there before is older than the values that a service has now. */
export interface LogMark {
  /** Of the file: another one stands there after the log was rotated. */
  inode: number;
  /** Bytes from its start. */
  position: number;
}

const Mark = z.object({ inode: z.number(), position: z.number() });

/** Remembers where a log ends, for whoever looks later for what was written after. */
export async function markLog(runs: string, service: string, path: string): Promise<void> {
  await mkdir(runs, { recursive: true, mode: 0o700 });
  const content = JSON.stringify(await endOf(path));
  await placeFiles(runs, [{ name: nameOf(service), content, owner: { uid: ownUid() } }]);
}

/** The place that was remembered last; undefined where none was. */
export async function logMark(runs: string, service: string): Promise<LogMark | undefined> {
  try {
    return Mark.parse(JSON.parse(await readFile(join(runs, nameOf(service)), "utf8")));
  } catch {
    return undefined;
  }
}

/** Where a log ends now; nowhere where there is no file yet. */
export async function endOf(path: string): Promise<LogMark> {
  const found = await stat(path).catch(() => undefined);
  return { inode: found?.ino ?? 0, position: found?.size ?? 0 };
}

function nameOf(service: string): string {
  return `${service.replace("/", ".")}.log-mark`;
}
