import { createHash } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
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
export async function markLog(runs: string, service: string, log: string): Promise<void> {
  await mkdir(runs, { recursive: true, mode: 0o700 });
  const content = JSON.stringify(await endOf(log));
  await placeFiles(runs, [{ name: nameOf(service, log), content, owner: { uid: ownUid() } }]);
}

/** The place that was remembered last; undefined where none was. */
export async function logMark(runs: string, service: string, log: string): Promise<LogMark | undefined> {
  try {
    return Mark.parse(JSON.parse(await readFile(join(runs, nameOf(service, log)), "utf8")));
  } catch {
    return undefined;
  }
}

/** Where a log ends now; at nothing where there is no file yet. */
export async function endOf(log: string): Promise<LogMark> {
  const found = await stat(log).catch(() => undefined);
  return { inode: found?.ino ?? 0, position: found?.size ?? 0 };
}

function nameOf(service: string, log: string): string {
  const digest = createHash("sha256").update(log).digest("hex").slice(0, 16);
  return `${service.replace("/", ".")}.${digest}.log-mark`;
}
