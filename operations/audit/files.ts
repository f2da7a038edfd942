import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";

/** What logrotate puts behind a name: ".1", "-20261128", ".2026-11-28T10-00-00.000", each also with ".gz". */
const ending = /^[.-][0-9][0-9TZ._:-]*(\.gz)?$/;

/** Lines of an audit file and of those that were rotated away, oldest first. */
export interface AuditLines {
  /** When the first of them was written; undefined where there is none. */
  from: Date | undefined;
  lines(): AsyncGenerator<string>;
  /** Whether the file was rotated away since it was listed: lines may be missing then. */
  hasMoved(): Promise<boolean>;
}

/**
 * The lines of an audit file from a time on, as far back as its rotated files go.
 * @param others files of other devices, which may lie beside it under a like name
 * @throws what the file system says of a file that is needed and cannot be read
 */
export async function auditLinesSince(
  path: string,
  since: Date,
  { others = [], signal }: { others?: string[]; signal: AbortSignal },
): Promise<AuditLines> {
  const { ino } = await stat(path);
  const wanted: string[] = [];
  let from: Date | undefined;
  for (const file of await newestFirst(path, others)) {
    signal.throwIfAborted();
    wanted.unshift(file);
    from = (await firstTimeIn(file, signal)) ?? from;
    if (from !== undefined && from < since) break;
  }
  return {
    from,
    async *lines() {
      for (const file of wanted) yield* linesOf(file, signal);
    },
    hasMoved: async () => (await stat(path)).ino !== ino,
  };
}

async function newestFirst(path: string, others: string[]): Promise<string[]> {
  const name = basename(path);
  const folder = dirname(path);
  const rotated = (await readdir(folder))
    .filter((one) => one.startsWith(name) && ending.test(one.slice(name.length)))
    .map((one) => join(folder, one))
    .filter((one) => !others.includes(one));
  const times = await Promise.all(rotated.map(async (file) => ({ file, time: (await stat(file)).mtimeMs })));
  return [path, ...times.sort((a, b) => b.time - a.time).map(({ file }) => file)];
}

async function firstTimeIn(file: string, signal: AbortSignal): Promise<Date | undefined> {
  for await (const line of linesOf(file, signal)) {
    // The time stands in each line once, beside what is hashed.
    const time = /"time":"([^"]+)"/.exec(line)?.[1];
    if (time !== undefined && !Number.isNaN(Date.parse(time))) return new Date(time);
  }
  return undefined;
}

async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string> {
  const bytes = createReadStream(file, { signal });
  const plain = file.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes;
  // A pipe does not pass errors on.
  bytes.on("error", (error) => plain.destroy(error));
  try {
    yield* createInterface({ input: plain, crlfDelay: Number.POSITIVE_INFINITY });
  } finally {
    bytes.destroy();
  }
}
