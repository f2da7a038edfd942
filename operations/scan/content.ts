import { TextDecoder } from "node:util";
import type { Detection } from "./finding.ts";
import { Scanner, type ScannerOptions } from "./scanner.ts";

/** What came of a whole text. */
export interface Scanned {
  detections: Detection[];
  allowed: number;
}

/** Bytes that decide whether a text is one: as many as Git looks at. */
const looked = 8000;

/** Scans what is there at once: UTF-8 or anything near it, UTF-16, or no text. */
export function scanContent(bytes: Buffer, options: ScannerOptions = {}): Scanned {
  const reading = new Reading(options);
  const detections = [...reading.push(bytes), ...reading.end()];
  return { detections, allowed: reading.allowed };
}

/** Scans a text that comes in pieces. */
export class Reading {
  readonly #options: ScannerOptions;
  #scanner: Scanner | undefined;
  #decoder: TextDecoder | undefined;

  constructor(options: ScannerOptions = {}) {
    this.#options = options;
  }

  get allowed(): number {
    return this.#scanner?.allowed ?? 0;
  }

  /** The next piece; the first one decides how all are read. */
  push(piece: Buffer): Detection[] {
    if (this.#scanner === undefined) {
      const encoding = encodingOf(piece);
      if (encoding !== undefined) this.#decoder = new TextDecoder(encoding);
    }
    const text =
      this.#decoder === undefined ? piece : Buffer.from(this.#decoder.decode(piece, { stream: true }));
    this.#scanner ??= new Scanner({ ...this.#options, binary: isBinary(text) });
    return this.#scanner.push(text);
  }

  end(): Detection[] {
    return this.#scanner?.end() ?? [];
  }
}

/** Git's own rule: a zero byte near the beginning. */
function isBinary(bytes: Buffer): boolean {
  const zero = bytes.indexOf(0);
  return zero >= 0 && zero < looked;
}

/** UTF-16, which PowerShell writes with its mark and other programs of Windows without; undefined for anything else. */
function encodingOf(bytes: Buffer): "utf-16le" | "utf-16be" | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  if (!isBinary(bytes)) return undefined;
  // Of plain letters every other byte is zero, and always the same one of the two.
  const zeros = [0, 0];
  const pairs = Math.min(bytes.length, looked) >> 1;
  for (let at = 0; at < pairs * 2; at++) if (bytes[at] === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  const [high = 0, low = 0] = zeros;
  if (low > pairs * 0.7 && high < pairs * 0.05) return "utf-16le";
  if (high > pairs * 0.7 && low < pairs * 0.05) return "utf-16be";
  return undefined;
}
