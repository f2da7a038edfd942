import { stat } from "node:fs/promises";
import * as z from "zod/mini";

/** A place in a log: what was written there before is older than the values that a service has now. */
export interface LogMark {
  /** Of the file: another one stands there after the log was rotated. */
  inode: number;
  /** Bytes from its start. */
  position: number;
}

export const LogMark = z.object({ inode: z.number(), position: z.number() });

/** Where a log ends now; nowhere where there is no file yet. */
export async function endOf(path: string): Promise<LogMark> {
  const found = await stat(path).catch(() => undefined);
  return { inode: found?.ino ?? 0, position: found?.size ?? 0 };
}
