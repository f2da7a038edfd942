import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { hold } from "../lock.ts";
import type { Report } from "../progress.ts";
import { writePrivate } from "../services/private-file.ts";

/** What an entry of the cache says of itself, in its `entry.json`. */
const EntryRecord = z.object({
  /** Where it came from, for people. */
  source: z.string(),
  /** SHA-256 of each executable, by its name. */
  executables: z.record(z.string(), z.string()),
});
type EntryRecord = z.infer<typeof EntryRecord>;

const recordName = "entry.json";

/** Which of them were compared with that record, by name: the checksum, and the file that had it. */
const Verified = z.record(z.string(), z.string());
const verifiedName = "verified.json";

/**
 * One folder of the cache, `<tool>-<version>-<platform>`. It appears whole, by one rename, with a record of
 * its checksums written before; a folder without that record, or that differs from it, is as good as absent.
 */
export class CacheEntry {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }

  executable(name: string): string {
    return join(this.folder, name);
  }

  /**
   * "sound", "absent", or what is wrong with it. Reads every byte of a file that it has not read since its last change:
   * Vault and Pulumi are half a gigabyte, a second of every command.
   */
  async check(names: string[]): Promise<"sound" | "absent" | { damaged: string }> {
    let text: string;
    try {
      text = await readFile(join(this.folder, recordName), "utf8");
    } catch {
      return (await exists(this.folder)) ? { damaged: "it has no record of its checksums" } : "absent";
    }
    const record = parsed(EntryRecord, text);
    const verified = join(this.folder, verifiedName);
    const before = parsed(Verified, await readFile(verified, "utf8").catch(() => "")) ?? {};
    const now = { ...before };
    for (const name of names) {
      const recorded = record?.executables[name];
      if (recorded === undefined) return { damaged: `its record does not name ${name}` };
      const file = this.executable(name);
      const identity = `${recorded} ${await identityOf(file).catch(() => "absent")}`;
      if (identity === before[name]) continue;
      const actual = await sha256Of(file).catch(() => "absent");
      if (actual !== recorded) return { damaged: `${name} is not the file that was put there` };
      now[name] = identity;
    }
    // A cache that cannot be written is read whole every time.
    if (!isDeepStrictEqual(now, before)) await writePrivate(verified, JSON.stringify(now)).catch(() => {});
    return "sound";
  }

  /**
   * Runs `make` with an empty folder beside the entry, then puts that folder in the entry's place; `make`
   * fills it with the executables of these names and answers where they came from. When `make`
   * throws, or this process dies at any moment, the entry is as it was. Only the holder of the lock may call it.
   */
  async replace(make: (folder: string) => Promise<string>, names: string[]): Promise<void> {
    await this.#clear();
    const made = await mkdtemp(`${this.folder}.new-${process.pid}-`);
    try {
      const source = await make(made);
      const executables: Record<string, string> = {};
      for (const name of names) executables[name] = await sha256Of(join(made, name));
      const record: EntryRecord = { source, executables };
      await writeFile(join(made, recordName), `${JSON.stringify(record, null, 2)}\n`);
      for (const name of [...names, recordName, "."]) await flush(join(made, name));
      const old = `${this.folder}.old-${process.pid}-${Date.now()}`;
      if (await exists(this.folder)) await rename(this.folder, old);
      await rename(made, this.folder);
      await flush(dirname(this.folder));
      await rm(old, { recursive: true, force: true });
    } finally {
      await rm(made, { recursive: true, force: true });
    }
  }

  /** Removes what runs that died left beside the entry. */
  async #clear(): Promise<void> {
    const parent = dirname(this.folder);
    const left = /^\.(new|old)-(\d+)-/;
    for (const name of await readdir(parent)) {
      if (!name.startsWith(basename(this.folder))) continue;
      const pid = left.exec(name.slice(basename(this.folder).length))?.[2];
      if (pid !== undefined && !isAlive(Number(pid)))
        await rm(join(parent, name), { recursive: true, force: true });
    }
  }

  /**
   * Runs `work` while no other process works on this entry, after one that does, however long it takes. A holder
   * that dies gives the lock back by dying. `subject` is what is being got, for messages.
   */
  async locked<T>(work: () => Promise<T>, options: { subject: string; report: Report }): Promise<T> {
    await mkdir(dirname(this.folder), { recursive: true, mode: 0o700 });
    using _held = await hold(`${this.folder}.lock`, options.subject, {
      report: options.report,
      patience: Number.POSITIVE_INFINITY,
    });
    return await work();
  }
}

/** Differs once a file was written or replaced: its time of change cannot be set, unlike that of modification. */
async function identityOf(file: string): Promise<string> {
  const { dev, ino, size, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, ctimeNs].join(" ");
}

/** SHA-256 of a file, in hexadecimal. */
async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}

function parsed<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

async function flush(file: string): Promise<void> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
