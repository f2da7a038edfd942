import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";

/** A value that must not be found, and the only places where it may be. */
export interface Canary {
  /** e.g. "titan/binance key"; a finding says this and never the value. */
  name: string;
  value: string;
  /** Places that are meant to hold it. */
  allowed?: RegExp;
}

/** Text that is a credential wherever it stands, whoever made it. */
export interface Pattern {
  name: string;
  matches: RegExp;
  allowed?: RegExp;
}

/** Somewhere a value could leak to. */
export interface Place {
  /** What `allowed` is matched against, e.g. "home/pulumi/backend/…". */
  name: string;
  content: Buffer;
}

export interface Finding {
  canary: string;
  form: string;
  place: string;
}

interface Needle {
  canary: Canary;
  form: string;
  bytes: Buffer;
}

/** Looks for canaries in all their forms, and for patterns. */
export class CanarySearch {
  readonly #patterns: Pattern[];
  /** Needles by their first four bytes. */
  readonly #needles = new Map<number, Needle[]>();
  /** One bit for each pair of first bytes: almost every position is passed over by it. */
  readonly #starts = new Uint8Array(1 << 16);

  constructor(canaries: Canary[], patterns: Pattern[] = []) {
    this.#patterns = patterns;
    for (const canary of canaries) {
      if (canary.value.length < 8) throw new Error(`${canary.name} is too short to be told from other text`);
      for (const [form, text] of formsOf(canary.value)) {
        const bytes = Buffer.from(text, "utf8");
        if (bytes.length < 8) continue;
        const key = bytes.readUInt32LE(0);
        this.#starts[key & 0xffff] = 1;
        this.#needles.set(key, [...(this.#needles.get(key) ?? []), { canary, form, bytes }]);
      }
    }
  }

  /** Every canary and pattern in a place that is not meant to hold it; each form once a place. */
  in(place: Place): Finding[] {
    const content = isGzip(place.content) ? gunzipSync(place.content) : place.content;
    const found = new Map<string, Finding>();
    const add = (canary: string, form: string, allowed: RegExp | undefined) => {
      if (allowed?.test(place.name)) return;
      found.set(`${canary}\0${form}`, { canary, form, place: place.name });
    };
    for (let at = 0; at + 8 <= content.length; at++) {
      if (this.#starts[(content[at] ?? 0) | ((content[at + 1] ?? 0) << 8)] === 0) continue;
      for (const { canary, form, bytes } of this.#needles.get(content.readUInt32LE(at)) ?? []) {
        if (content.compare(bytes, 0, bytes.length, at, Math.min(at + bytes.length, content.length)) === 0) {
          add(canary.name, form, canary.allowed);
        }
      }
    }
    if (this.#patterns.length > 0) {
      const text = content.toString("latin1");
      for (const { name, matches, allowed } of this.#patterns) {
        if (matches.test(text)) add(name, "pattern", allowed);
      }
    }
    return [...found.values()];
  }
}

/** How a value may be written elsewhere: encoded, escaped, or inside a longer text that is encoded as a whole. */
export function formsOf(value: string): Map<string, string> {
  const bytes = Buffer.from(value, "utf8");
  const json = JSON.stringify(value).slice(1, -1);
  const forms: [string, string][] = [
    ["as it is", value],
    ["hex", bytes.toString("hex")],
    ["HEX", bytes.toString("hex").toUpperCase()],
    ["URL-encoded", encodeURIComponent(value)],
    ["form-encoded", new URLSearchParams({ "": value }).toString().slice(1)],
    ["JSON", json],
    ["JSON in JSON", JSON.stringify(json).slice(1, -1)],
    // Go writes <, > and & so.
    ["Go JSON", json.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)],
    ["SQL", value.replaceAll("'", "''")],
    ["shell", value.replaceAll("'", `'\\''`)],
    ["reversed", [...value].reverse().join("")],
  ];
  // Inside a longer text, base64 depends on what stands before: three alignments, without the edges that neighbours share.
  for (const skip of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(skip), bytes]);
    const end = padded.length - (padded.length % 3);
    const start = skip === 0 ? 0 : 4;
    for (const encoding of ["base64", "base64url"] as const) {
      forms.push([`${encoding} at ${skip}`, padded.subarray(0, end).toString(encoding).slice(start)]);
    }
  }
  const seen = new Set<string>();
  return new Map(
    forms.filter(([, text]) => {
      const fresh = !seen.has(text);
      seen.add(text);
      return fresh;
    }),
  );
}

function isGzip(content: Buffer): boolean {
  return content.length > 2 && content[0] === 0x1f && content[1] === 0x8b;
}

/** Every file below a folder, named from `label`. What vanishes while it is read is passed over. */
export async function* filesBelow(folder: string, label: string): AsyncGenerator<Place> {
  let entries: import("node:fs").Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const name = `${label}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path, name);
    else if (entry.isSymbolicLink()) {
      yield { name, content: Buffer.from(await readlink(path).catch(() => "")) };
    } else if (entry.isFile()) yield* file(path, name);
  }
}

export async function* file(path: string, name: string): AsyncGenerator<Place> {
  try {
    yield { name, content: await readFile(path) };
  } catch {
    // Gone, or not ours to read.
  }
}

/** How long a process is looked at every time: what starts it, and what it puts on itself, comes at once. */
const youth = 2_000;

/**
 * What processes show to others while they run, and files that are there for a moment only. Looks every 20 ms, without
 * waiting for each file: what takes long to look misses more, and keeps those busy that are looked at. A process that
 * has been there for two seconds is looked at five times a second, and its environment where its arguments have changed.
 */
export class Sampler {
  readonly #seen = new Map<string, Place>();
  readonly #folders: { folder: string; label: string }[];
  /** By pid. */
  readonly #processes = new Map<string, { since: number; line?: Buffer; environment?: Buffer }>();
  /** How a file was when it was read, by path. */
  readonly #files = new Map<string, string>();
  #scratch = Buffer.alloc(64 * 1024);
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(folders: { folder: string; label: string }[] = []) {
    this.#folders = folders;
  }

  start(): void {
    this.#running = (async () => {
      for (let turn = 0; !this.#stopped; turn++) {
        for (const { folder, label } of this.#folders) this.#sampleFolder(folder, label);
        this.#sampleProcesses(turn % 10 === 0);
        await sleep(20);
      }
    })();
  }

  /** Everything that was ever seen. */
  async stop(): Promise<Place[]> {
    this.#stopped = true;
    await this.#running;
    return [...this.#seen.values()];
  }

  #sampleFolder(folder: string, label: string): void {
    for (const entry of ifThere(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
      const path = join(folder, entry.name);
      const name = `${label}/${entry.name}`;
      if (entry.isDirectory()) this.#sampleFolder(path, name);
      else if (entry.isSymbolicLink()) this.#keep(name, Buffer.from(ifThere(() => readlinkSync(path)) ?? ""));
      else if (entry.isFile()) {
        const stats = ifThere(() => statSync(path, { bigint: true }));
        const state = stats && `${stats.ino} ${stats.size} ${stats.ctimeNs}`;
        if (state === undefined || this.#files.get(path) === state) continue;
        const content = ifThere(() => readFileSync(path));
        // What is written to while it is read is read again.
        if (content !== undefined && BigInt(content.length) === stats?.size) this.#files.set(path, state);
        this.#keep(name, content);
      }
    }
  }

  #sampleProcesses(all: boolean): void {
    const now = performance.now();
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
    for (const pid of pids) {
      const seen = this.#processes.get(pid) ?? { since: now };
      this.#processes.set(pid, seen);
      const isYoung = now - seen.since <= youth;
      if (!all && !isYoung) continue;
      const line = this.#read(`/proc/${pid}/cmdline`);
      const isSame = line !== undefined && seen.line?.equals(line) === true;
      if (!isSame && line !== undefined) {
        seen.line = Buffer.from(line);
        this.#keep(`process arguments of ${commandOf(line)}`, seen.line);
      }
      if (isSame && !isYoung) continue;
      const environment = this.#read(`/proc/${pid}/environ`);
      if (environment === undefined || seen.environment?.equals(environment) === true) continue;
      seen.environment = Buffer.from(environment);
      this.#keep(`process environment of ${commandOf(environment)}`, seen.environment);
    }
    // A pid is given out again.
    const there = new Set(pids);
    for (const pid of this.#processes.keys()) if (!there.has(pid)) this.#processes.delete(pid);
  }

  /** What the kernel says of a process, until the next is read: thousands of buffers a second would have to be collected. */
  #read(path: string): Buffer | undefined {
    return ifThere(() => {
      const file = openSync(path, "r");
      try {
        let length = 0;
        for (let more = 1; more > 0; length += more) {
          if (length === this.#scratch.length) this.#scratch = Buffer.concat([this.#scratch], 2 * length);
          more = readSync(file, this.#scratch, length, this.#scratch.length - length, null);
        }
        return this.#scratch.subarray(0, length);
      } finally {
        closeSync(file);
      }
    });
  }

  #keep(name: string, content: Buffer | undefined): void {
    if (content === undefined || content.length === 0) return;
    const key = `${name}\0${content.toString("latin1")}`;
    if (!this.#seen.has(key)) this.#seen.set(key, { name, content });
  }
}

/** Undefined where it is gone, or not ours to read. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The first word of a command line; an environment has none. */
function commandOf(content: Buffer): string {
  const [first = ""] = content.toString("latin1").split("\0");
  return first.includes("=") ? "a process" : (first.split("/").at(-1) ?? "");
}
