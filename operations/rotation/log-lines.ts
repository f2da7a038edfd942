import { type FileHandle, open } from "node:fs/promises";
import { endOf, type LogMark } from "../delivery/log-mark.ts";

/** Bytes read at a time. */
const chunk = 256 * 1024;
/** A longer line is looked at in pieces of this many bytes. */
const longest = 1024 * 1024;

/**
 * The lines that were appended to a log after a mark. A log that was rotated meanwhile is read on to its end under its
 * new name (`.1`), then from the start of the new file; one that was cut is read from its start.
 */
export async function* linesSince(path: string, mark: LogMark): AsyncGenerator<string> {
  const now = await endOf(path);
  const isSame = now.inode === mark.inode;
  if (!isSame && (await endOf(`${path}.1`)).inode === mark.inode) {
    yield* linesFrom(`${path}.1`, mark.position);
  }
  if (now.inode === 0) return;
  yield* linesFrom(path, isSame && now.position >= mark.position ? mark.position : 0);
}

async function* linesFrom(path: string, position: number): AsyncGenerator<string> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch {
    // Rotated away in this moment: the next look finds it.
    return;
  }
  try {
    let rest = Buffer.alloc(0);
    for (let at = position; ; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(chunk), 0, chunk, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        yield rest.toString("utf8", 0, end);
        rest = rest.subarray(end + 1);
      }
      if (rest.length > longest) {
        yield rest.toString("utf8");
        rest = Buffer.alloc(0);
      }
    }
    if (rest.length > 0) yield rest.toString("utf8");
  } finally {
    await file.close();
  }
}
