import { commonness } from "./randomness.ts";

interface Literal {
  /** Lower case where case is ignored. */
  bytes: Buffer;
  /** Where in it the window begins by which it is found. */
  offset: number;
  ignoreCase: boolean;
  /** What the caller gets. */
  index: number;
}

/** Width of the window that decides how far a step may go: the length of the shortest anchor. */
const width = 3;

/**
 * Finds many literals in one pass (Wu and Manber, 1994, with pairs of bytes): the table says for each pair how far
 * the search may step, which is two bytes nearly everywhere.
 */
export class Anchors {
  readonly #steps = new Uint8Array(1 << 16).fill(width - 1);
  /** Literals by a hash of their window; most of what the table stops at is nothing. */
  readonly #buckets: (Literal[] | undefined)[] = new Array(1 << 16).fill(undefined);

  /** @throws RangeError for an anchor of less than three bytes */
  constructor(anchors: readonly { text: string; ignoreCase: boolean; index: number }[]) {
    for (const { text, ignoreCase, index } of anchors) {
      if (text.length < width) throw new RangeError(`the anchor "${text}" is shorter than ${width} bytes`);
      const offset = rarestWindow(text.toLowerCase());
      const window = text.slice(offset, offset + width);
      const bytes = Buffer.from(ignoreCase ? text.toLowerCase() : text);
      const literal = { bytes, offset, ignoreCase, index };
      for (let at = 0; at < width - 1; at++) {
        for (const pair of pairs(window.slice(at, at + 2), ignoreCase)) {
          this.#steps[pair] = Math.min(this.#steps[pair] ?? 0, width - 2 - at);
        }
      }
      for (const beginning of forms(window, ignoreCase)) {
        const [first = 0, second = 0, third = 0] = Buffer.from(beginning);
        const hash = hashOf(first, second, third);
        const bucket = this.#buckets[hash] ?? [];
        if (!bucket.includes(literal)) this.#buckets[hash] = [...bucket, literal];
      }
    }
  }

  /** Calls `found` with the beginning of every literal whose window begins in [from, to). */
  each(bytes: Buffer, from: number, to: number, found: (at: number, index: number) => void): void {
    const [steps, buckets] = [this.#steps, this.#buckets];
    const last = Math.min(to + width - 2, bytes.length - 1);
    let at = from + width - 2;
    while (at < last) {
      const pair = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const step = steps[pair] as number;
      if (step > 0) {
        at += step;
        continue;
      }
      const bucket = buckets[hashOf(bytes[at - 1] as number, bytes[at] as number, bytes[at + 1] as number)];
      if (bucket !== undefined) {
        for (const literal of bucket) {
          const start = at - 1 - literal.offset;
          if (start >= 0 && matches(bytes, start, literal)) found(start, literal.index);
        }
      }
      at++;
    }
  }
}

/** Where the search has to stop least: by the pair at a window's end, which it looks at first. */
function rarestWindow(text: string): number {
  let best = 0;
  for (let at = 1; at + width <= text.length; at++) {
    if (commonness(text, at + 1) < commonness(text, best + 1)) best = at;
  }
  return best;
}

function matches(bytes: Buffer, start: number, { bytes: wanted, ignoreCase }: Literal): boolean {
  if (start + wanted.length > bytes.length) return false;
  for (let at = 0; at < wanted.length; at++) {
    let byte = bytes[start + at] as number;
    if (ignoreCase && byte >= 65 && byte <= 90) byte |= 32;
    if (byte !== wanted[at]) return false;
  }
  return true;
}

function hashOf(first: number, second: number, third: number): number {
  return (first ^ (second << 5) ^ (third << 10)) & 0xffff;
}

/** The text in every mixture of cases, where that makes no difference. */
function forms(text: string, ignoreCase: boolean): string[] {
  if (!ignoreCase) return [text];
  return [...text].reduce(
    (before, letter) =>
      [...new Set([letter.toLowerCase(), letter.toUpperCase()])].flatMap((form) =>
        before.map((each) => each + form),
      ),
    [""],
  );
}

function pairs(text: string, ignoreCase: boolean): number[] {
  return forms(text, ignoreCase).map((form) => form.charCodeAt(0) | (form.charCodeAt(1) << 8));
}
