import type { Clock } from "../../../operations/rotation/clock.ts";

/** A clock that jumps to the next sleeper when everybody sleeps: days pass in moments, in the right order. */
export class VirtualClock implements Clock {
  #time: number;
  /** A binary heap by time, then by order. */
  readonly #sleepers: { time: number; order: number; wake: () => void }[] = [];
  #order = 0;

  constructor(start: Date) {
    this.#time = start.getTime();
  }

  now(): Date {
    return new Date(this.#time);
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const stop = () => reject(signal?.reason);
      const wake = () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#push({ time: this.#time + Math.max(milliseconds, 0), order: this.#order++, wake });
    });
  }

  /** Lets time pass until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const ended = work.finally(() => {
      done = true;
    });
    ended.catch(() => {});
    for (;;) {
      // Everything that runs without sleeping goes first.
      await new Promise((resolve) => setImmediate(resolve));
      if (done) return ended;
      const next = this.#pop();
      if (next === undefined) throw new Error("everybody waits and nobody sleeps");
      this.#time = Math.max(this.#time, next.time);
      next.wake();
    }
  }

  #push(sleeper: { time: number; order: number; wake: () => void }): void {
    const heap = this.#sleepers;
    let at = heap.push(sleeper) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(heap[at], heap[parent])) break;
      swap(heap, at, parent);
      at = parent;
    }
  }

  #pop(): { time: number; wake: () => void } | undefined {
    const heap = this.#sleepers;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const least = before(heap[right], heap[left]) ? right : left;
      if (!before(heap[least], heap[at])) return top;
      swap(heap, at, least);
      at = least;
    }
  }
}

interface Timed {
  time: number;
  order: number;
}

function before(a: Timed | undefined, b: Timed | undefined): boolean {
  if (a === undefined) return false;
  if (b === undefined) return true;
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

function swap<T>(list: T[], a: number, b: number): void {
  [list[a], list[b]] = [list[b] as T, list[a] as T];
}
