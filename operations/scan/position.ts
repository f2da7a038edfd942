const newline = 10;

/** Where in a text one is, for a text that is seen only in part. Moves forward only. */
export class Position {
  #at = 0;
  #line = 1;
  /** UTF-16 code units of the line before `at`. */
  #units = 0;

  /** Goes on to a place in the bytes, and says its line and column, both from 1. */
  advance(bytes: Buffer, to: number): { line: number; column: number } {
    let lineStart = -1;
    for (let at = bytes.indexOf(newline, this.#at); at >= 0 && at < to; at = bytes.indexOf(newline, at + 1)) {
      this.#line++;
      lineStart = at + 1;
    }
    if (lineStart >= 0) {
      this.#units = 0;
      this.#at = lineStart;
    }
    if (to > this.#at) {
      this.#units += unitsIn(bytes, this.#at, to);
      this.#at = to;
    }
    return { line: this.#line, column: this.#units + 1 };
  }

  /** So many bytes are gone from the beginning of what is seen. */
  drop(count: number): void {
    this.#at -= count;
  }
}

/** UTF-16 code units that UTF-8 becomes; a byte that is no UTF-8 counts as one. */
function unitsIn(bytes: Buffer, from: number, to: number): number {
  let units = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}
