import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { type AuditEntry, normalise } from "./normalise.ts";

/** Bytes read at a time. */
const chunk = 1024 * 1024;

/**
 * Reads a growing audit file from an offset: each `read` returns the entries since the one before. A line
 * that is still being written is left for the next time; a file that was rotated is read from its start.
 */
export class AuditFile {
  readonly path: string;
  #offset: number;
  /** What `find` has read: another request's line may have come first. */
  readonly #seen: AuditEntry[] = [];

  constructor(path: string, offset = 0) {
    this.path = path;
    this.#offset = offset;
  }

  /** From where the file ends now. */
  static async fromEnd(path: string): Promise<AuditFile> {
    return new AuditFile(path, await size(path));
  }

  /** The entries that were written since the last read; none where there is no file yet. */
  async read(): Promise<AuditEntry[]> {
    const end = await size(this.path);
    if (end < this.#offset) this.#offset = 0;
    if (end === this.#offset) return [];
    await using file = await open(this.path, "r");
    const entries: AuditEntry[] = [];
    for await (const line of this.#lines(file)) {
      const entry = normalise(line);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /**
   * Reads on until an entry has all that is wanted of it; for the line of a request that was answered a moment ago,
   * best by the `request_id` of its answer. Entries that an earlier `find` passed over still count.
   * @param timeout milliseconds
   * @returns undefined when the time is over
   */
  async find(
    wanted: Partial<AuditEntry>,
    { timeout = 2000 }: { timeout?: number } = {},
  ): Promise<AuditEntry | undefined> {
    const end = Date.now() + timeout;
    for (;;) {
      this.#seen.push(...(await this.read()));
      const found = this.#seen.find((entry) => has(entry, wanted));
      if (found !== undefined || Date.now() >= end) return found;
      await wait(25);
    }
  }

  async *#lines(file: FileHandle): AsyncGenerator<string> {
    let rest = Buffer.alloc(0);
    for (;;) {
      const { bytesRead, buffer } = await file.read(
        Buffer.alloc(chunk),
        0,
        chunk,
        this.#offset + rest.length,
      );
      if (bytesRead === 0) return;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        const line = rest.subarray(0, end).toString("utf8");
        rest = rest.subarray(end + 1);
        this.#offset += end + 1;
        yield line;
      }
    }
  }
}

/** Whether an entry has all that is wanted of it. */
export function has(entry: AuditEntry, wanted: Partial<AuditEntry>): boolean {
  return Object.entries(wanted).every(([field, value]) => entry[field as keyof AuditEntry] === value);
}

async function size(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
