import type { Detection } from "./finding.ts";
import { Scanner, type ScannerOptions } from "./scanner.ts";

/** What came of a whole text. */
export interface Scanned {
  detections: Detection[];
  allowed: number;
}

/** Bytes that decide whether a text is one: as many as Git looks at. */
const looked = 8000;

/** Scans what is there at once: UTF-8 or anything near it, UTF-16 with its mark, or no text. */
export function scanContent(bytes: Buffer, options: ScannerOptions = {}): Scanned {
  const text = decoded(bytes);
  const scanner = new Scanner({ ...options, binary: isBinary(text) });
  const detections = [...scanner.push(text), ...scanner.end()];
  return { detections, allowed: scanner.allowed };
}

/** Git's own rule: a zero byte near the beginning. */
export function isBinary(bytes: Buffer): boolean {
  const zero = bytes.indexOf(0);
  return zero >= 0 && zero < looked;
}

/** UTF-16, which PowerShell writes, as UTF-8; anything else as it is. */
export function decoded(bytes: Buffer): Buffer {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return Buffer.from(bytes.subarray(2).toString("utf16le"));
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    // Half a letter at the end, of a file that was cut, is none.
    const whole = bytes.length - (bytes.length % 2);
    return Buffer.from(Buffer.from(bytes.subarray(2, whole)).swap16().toString("utf16le"));
  }
  return bytes;
}
