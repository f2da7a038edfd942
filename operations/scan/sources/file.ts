import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { Reading, type Scanned, scanContent } from "../content.ts";
import type { ScannerOptions } from "../scanner.ts";

/** What is read at once; larger files go through a window. Bytes. */
const piece = 4 * 1024 * 1024;
const shared = Buffer.allocUnsafeSlow(piece);

/**
 * Scans a file, however large it is.
 * @returns nothing where it is gone, no regular file, or not ours to read
 */
export function scanFile(path: string, options: ScannerOptions): (Scanned & { bytes: number }) | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOFOLLOW ?? 0));
  } catch {
    return undefined;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) return undefined;
    // One piece for all files that fit: what is found in it is told before the next one is read.
    if (found.size < piece) {
      const bytes = shared.subarray(0, readFully(file, shared, found.size));
      return { ...scanContent(bytes, options), bytes: bytes.length };
    }
    const first = read(file, piece);
    const reading = new Reading(options);
    const detections = reading.push(first);
    let bytes = first.length;
    for (let next = read(file, piece); next.length > 0; next = read(file, piece)) {
      bytes += next.length;
      detections.push(...reading.push(next));
    }
    detections.push(...reading.end());
    return { detections, allowed: reading.allowed, bytes };
  } finally {
    closeSync(file);
  }
}

function read(file: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readFully(file, bytes, length));
}

/** @returns how many bytes, fewer only at the file's end */
function readFully(file: number, into: Buffer, length: number): number {
  let filled = 0;
  while (filled < length) {
    const got = readSync(file, into, filled, length - filled, null);
    if (got === 0) break;
    filled += got;
  }
  return filled;
}

/** Says of tracked paths whether they lie in the folder still: a folder may have become a link that leads elsewhere. */
export class Inside {
  readonly #root: string;
  readonly #folders = new Map<string, boolean>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Those of the paths that do, in order. */
  async those(paths: readonly string[]): Promise<string[]> {
    const inside: string[] = [];
    for (const path of paths) if (await this.has(path)) inside.push(path);
    return inside;
  }

  async has(path: string): Promise<boolean> {
    const folder = dirname(path);
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const real = await realpath(join(this.#root, folder)).catch(() => undefined);
    const root = await realpath(this.#root);
    const inside =
      real === (folder === "." ? root : join(root, folder)) || real?.startsWith(root + sep) === true;
    this.#folders.set(folder, inside);
    return inside;
  }
}
