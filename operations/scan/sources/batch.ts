import { Baseline } from "../baseline.ts";
import type { Detection } from "../finding.ts";
import type { Hashes } from "../known.ts";
import { syntaxOf } from "../syntax.ts";
import { scanFile } from "./file.ts";

/** What came of one file, by its place in the list. */
export interface ScannedFile {
  index: number;
  detections: Detection[];
  allowed: number;
  bytes: number;
}

/** What the processors share: the files, and the first that nobody has begun. */
export interface Share {
  paths: readonly string[];
  names: readonly string[];
  hashes: Hashes;
  next: SharedArrayBuffer;
}

/** How many files are taken at a time. */
const size = 16;

/** One processor's part of many files. */
export class Batch {
  readonly results: ScannedFile[] = [];
  bytes = 0;
  readonly #share: Share;
  readonly #next: Int32Array;
  readonly #baseline: Baseline;

  constructor(share: Share) {
    this.#share = share;
    this.#next = new Int32Array(share.next);
    this.#baseline = new Baseline([], share.hashes);
  }

  get begun(): number {
    return Math.min(Atomics.load(this.#next, 0), this.#share.paths.length);
  }

  get left(): number {
    return this.#share.paths.length - this.begun;
  }

  /** Scans the next files. @returns whether there were any */
  scanSome(): boolean {
    const { paths, names } = this.#share;
    const first = Atomics.add(this.#next, 0, size);
    for (let index = first; index < Math.min(first + size, paths.length); index++) {
      const name = names[index] as string;
      const isKnown = this.#baseline.isKnown(name);
      const scanned = scanFile(paths[index] as string, {
        syntax: syntaxOf(name),
        ...(isKnown !== undefined && { isKnown }),
      });
      if (scanned === undefined) continue;
      this.bytes += scanned.bytes;
      this.results.push({ index, ...scanned });
    }
    return first < paths.length;
  }

  /** Leaves nothing for anybody. */
  stop(): void {
    Atomics.store(this.#next, 0, this.#share.paths.length);
  }
}
