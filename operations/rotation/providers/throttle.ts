import { setTimeout as sleep } from "node:timers/promises";
import type { Seconds } from "../../../model/model.ts";

/** How much a provider lets one client ask. */
export interface RateBound {
  requests: number;
  per: Seconds;
  /** Requests under way at once. */
  concurrent: number;
}

/**
 * Keeps this process below one provider's rate bound: requests begin evenly spaced, and only so many are under way at
 * once. When the provider says wait all the same, nobody asks before that.
 */
export class Throttle {
  readonly #spacing: number;
  readonly #concurrent: number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #nextStart = 0;
  #pausedUntil = 0;

  constructor({ requests, per, concurrent }: RateBound) {
    this.#spacing = (per * 1000) / requests;
    this.#concurrent = concurrent;
  }

  /** Runs when it is its turn. @throws the signal's reason when it is aborted before that */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      const now = performance.now();
      const start = Math.max(now, this.#nextStart);
      this.#nextStart = start + this.#spacing;
      if (start > now) await sleep(start - now, undefined, { signal });
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Seconds that the provider still wants to be left alone; 0 when it may be asked. */
  get paused(): number {
    return Math.max(0, (this.#pausedUntil - performance.now()) / 1000);
  }

  pause(seconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + seconds * 1000);
  }

  async #enter(): Promise<void> {
    if (this.#underWay < this.#concurrent) this.#underWay++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Who waits longest takes the place. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#underWay--;
    else next();
  }
}

const throttles = new Map<string, Throttle>();

/** The throttle that everybody in this process shares who asks one origin. */
export function throttleOf(origin: string, bound: RateBound): Throttle {
  const known = throttles.get(origin);
  if (known !== undefined) return known;
  const made = new Throttle(bound);
  throttles.set(origin, made);
  return made;
}
