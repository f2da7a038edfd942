import type { Readable } from "node:stream";
import { Reading, type Scanned, scanContent } from "../content.ts";
import { ended, gitStream } from "../git.ts";
import type { ScannerOptions } from "../scanner.ts";

/** What is held at once; larger blobs go through a window. Bytes. */
const piece = 4 * 1024 * 1024;

export interface ScannedBlob<Asked> extends Scanned {
  asked: Asked;
  bytes: number;
}

/**
 * Scans blobs through one `git cat-file --batch`, in order, each as it comes.
 * @param optionsOf what of the question a scan depends on
 * @throws GitError when Git ends early
 */
export async function* scanBlobs<Asked extends { blob: string }>(
  root: string,
  asked: readonly Asked[],
  optionsOf: (asked: Asked) => ScannerOptions,
): AsyncGenerator<ScannedBlob<Asked>> {
  if (asked.length === 0) return;
  const args = ["cat-file", "--batch", "--buffer"];
  const child = gitStream(root, args);
  const end = ended(child, args);
  end.catch(() => {});
  child.stdin.on("error", () => {});
  child.stdin.end(`${asked.map(({ blob }) => blob).join("\n")}\n`);
  try {
    const reader = new Reader(child.stdout);
    for (const one of asked) {
      const header = await reader.line();
      const [, type, length] = header.split(" ");
      if (type === undefined || length === undefined) {
        // Missing: the history is shallow or partial. An ended stream says more below.
        if (header === "") break;
        continue;
      }
      const size = Number(length);
      yield { asked: one, bytes: size, ...(await scanned(reader, size, optionsOf(one))) };
      await reader.take(1);
    }
    await end;
  } finally {
    child.kill();
  }
}

async function scanned(reader: Reader, size: number, options: ScannerOptions): Promise<Scanned> {
  const first = await reader.take(Math.min(size, piece));
  if (size <= piece) return scanContent(first, options);
  const reading = new Reading(options);
  const detections = reading.push(first);
  for (let left = size - first.length; left > 0; ) {
    const next = await reader.take(Math.min(left, piece));
    if (next.length === 0) break;
    left -= next.length;
    detections.push(...reading.push(next));
  }
  detections.push(...reading.end());
  return { detections, allowed: reading.allowed };
}

/** Reads so many bytes, or a line, of a stream. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Less than asked for only at the stream's end. */
  async take(length: number): Promise<Buffer> {
    const taken: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#held.length === 0 && !(await this.#more())) break;
      const some = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(some.length);
      missing -= some.length;
      taken.push(some);
    }
    return taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken);
  }

  /** Without its end; "" at the stream's. */
  async line(): Promise<string> {
    let text = "";
    while (true) {
      if (this.#held.length === 0 && !(await this.#more())) return text;
      const end = this.#held.indexOf(10);
      const some = end < 0 ? this.#held : this.#held.subarray(0, end);
      text += some.toString("latin1");
      this.#held = this.#held.subarray(end < 0 ? this.#held.length : end + 1);
      if (end >= 0) return text;
    }
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    this.#held = value as Buffer;
    return true;
  }
}
