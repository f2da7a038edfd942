import { setTimeout as sleep } from "node:timers/promises";
import type { Seconds } from "../../../model/duration.ts";

/** How much a provider lets one client ask. */
export interface RateBound {
  requests: number;
  per: Seconds;
  /** Requests under way at once. */
  concurrent: number;
}

/** Time, so that a test's clock can stand in for it. */
export interface ThrottleTime {
  /** Milliseconds. */
  now(): number;
  /** @throws the signal's reason when it is aborted before that */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const realTime: ThrottleTime = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
};

/** Part of a bound that is used: the provider counts in windows of its own, and requests arrive late by turns. */
const share = 0.9;

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

  readonly #time: ThrottleTime;

  constructor({ requests, per, concurrent }: RateBound, time: ThrottleTime = realTime) {
    this.#spacing = (per * 1000) / (requests * share);
    this.#concurrent = concurrent;
    this.#time = time;
  }

  /** Runs when it is its turn. @throws the signal's reason when it is aborted before that */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      const now = this.#time.now();
      const start = Math.max(now, this.#nextStart);
      this.#nextStart = start + this.#spacing;
      if (start > now) await this.#time.sleep(start - now, signal);
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Seconds that the provider still wants to be left alone; 0 when it may be asked. */
  get paused(): number {
    return Math.max(0, (this.#pausedUntil - this.#time.now()) / 1000);
  }

  pause(seconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#time.now() + seconds * 1000);
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
