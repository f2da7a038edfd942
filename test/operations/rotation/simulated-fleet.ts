import {
  type Bounds,
  type Candidate,
  type ProviderRate,
  runFleet,
} from "../../../operations/rotation/fleet.ts";
import { Throttle } from "../../../operations/rotation/providers/throttle.ts";
import { dueOf } from "../../../operations/rotation/schedule.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A provider that counts calls in a sliding window and refuses what is over its bound. */
export class SimulatedProvider {
  readonly times: number[] = [];
  throttled = 0;
  readonly #rate: Pick<ProviderRate, "calls" | "interval">;
  #oldest = 0;

  constructor(rate: Pick<ProviderRate, "calls" | "interval">) {
    this.#rate = rate;
  }

  call(time: number): void {
    const { calls, interval } = this.#rate;
    while ((this.times[this.#oldest] ?? time) <= time - interval * 1000) this.#oldest++;
    if (this.times.length - this.#oldest >= calls) this.throttled++;
    this.times.push(time);
  }
}

export interface Simulation {
  /** Milliseconds of the simulated clock at which each rotation began, and ended. */
  starts: number[];
  ends: number[];
  providers: SimulatedProvider[];
  /** Milliseconds from a due date to its rotation: the longest. */
  longestWait: number;
  /** Rotations under way at once: the most, and the most that touch one service. */
  most: { total: number; perService: number };
}

export interface SimulationOptions {
  secrets: number;
  services: number;
  /** All due dates within so many seconds, by the hash of their ids; 0: all at once. */
  spread: number;
  /** Seconds in which what is due at once has to begin. */
  within: number;
  providers: number;
  rate: ProviderRate;
  concurrent: Bounds["concurrent"];
}

const start = new Date("2026-11-02T00:00:00Z");

/**
 * Runs a whole fleet on a clock that jumps. Each rotation makes its calls at its provider, waits for its consumers and
 * watches; replies take a changing while.
 */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { secrets, services, spread, within, concurrent } = options;
  const clock = new VirtualClock(start);
  const random = generator(1);
  const names = Array.from({ length: options.providers }, (_, index) => `provider-${index}`);
  const providers = names.map(() => new SimulatedProvider(options.rate));
  const { calls, interval } = options.rate;
  const time = {
    now: () => clock.now().getTime(),
    sleep: (milliseconds: number, signal: AbortSignal) => clock.sleep(milliseconds, signal),
  };
  const bound = { requests: calls, per: interval, concurrent: 16 };
  const throttles = names.map(() => new Throttle(bound, time));
  const { signal } = new AbortController();
  const result: Simulation = {
    starts: [],
    ends: [],
    providers,
    longestWait: 0,
    most: { total: 0, perService: 0 },
  };
  const under = new Map<string, number>();
  let total = 0;

  const candidates = Array.from({ length: secrets }, (_, index): Candidate => {
    const secret = `shop/secret-${index}`;
    const since =
      spread === 0 ? start : dueOf({ id: secret, kind: "token" }, spread * 4, at(-spread * 4), spread);
    return {
      secret,
      services: [`shop/service-${index % services}`],
      ...(names.length > 0 && { provider: names[index % names.length] ?? "" }),
      since,
      latest: new Date(since.getTime() + within * 1000),
      urgent: false,
      underWay: false,
    };
  });
  const run = async ({ secret, services: [service = ""], since }: Candidate): Promise<void> => {
    const index = Number(secret.slice("shop/secret-".length)) % Math.max(names.length, 1);
    total++;
    under.set(service, (under.get(service) ?? 0) + 1);
    result.most.total = Math.max(result.most.total, total);
    result.most.perService = Math.max(result.most.perService, under.get(service) ?? 0);
    const began = clock.now().getTime();
    result.starts.push(began);
    result.longestWait = Math.max(result.longestWait, began - since.getTime());
    for (let call = 0; call < options.rate.perRotation; call++) {
      const ask = async () => {
        // The provider counts a call when it arrives, which is not when it was sent.
        await clock.sleep(20 + 200 * random());
        providers[index]?.call(clock.now().getTime());
        await clock.sleep(20 + 200 * random());
      };
      await (throttles[index]?.run(signal, ask) ?? ask());
      // Consumers take it up; their error rates are watched.
      if (call === 2) await clock.sleep(30_000 + 60_000 * random());
    }
    total--;
    under.set(service, (under.get(service) ?? 0) - 1);
    result.ends.push(clock.now().getTime());
  };
  const rates = Object.fromEntries(names.map((name) => [name, options.rate]));
  // The runner is called every quarter of an hour, as a CronJob does, with what is due by then.
  const left = new Set(candidates);
  await clock.run(
    (async () => {
      while (left.size > 0) {
        const now = clock.now();
        const due = [...left].filter(({ since }) => since <= now);
        const { ended } = await runFleet({
          candidates: due,
          bounds: { concurrent, blackouts: [], providers: rates },
          clock,
          signal: new AbortController().signal,
          run,
        });
        for (const { error } of ended) if (error !== undefined) throw error;
        for (const candidate of due) left.delete(candidate);
        if (left.size > 0) await clock.sleep(900_000);
      }
    })(),
  );
  return result;

  function at(seconds: number): Date {
    return new Date(start.getTime() + seconds * 1000);
  }
}

/** The first and the last of times in any order. More of them than a call may have arguments. */
function extent(times: readonly number[]): [number, number] {
  let [first, last] = [times[0] ?? 0, times[0] ?? 0];
  for (const time of times) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  return [first, last];
}

/** The busiest of equal pieces of the time between the first and the last, divided by their mean. */
export function peakToMean(times: readonly number[], piece: number): number {
  const [first, last] = extent(times);
  const pieces = Math.max(1, Math.round((last - first) / piece));
  const counts = new Array<number>(pieces).fill(0);
  for (const time of times) {
    const index = Math.min(pieces - 1, Math.floor(((time - first) / (last - first || 1)) * pieces));
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return Math.max(...counts) / (times.length / pieces);
}

/** The part of a provider's rate that was used between the first and the last call. */
export function used(
  provider: SimulatedProvider,
  { calls, interval }: Pick<ProviderRate, "calls" | "interval">,
): number {
  const { times } = provider;
  const [first, last] = extent(times);
  const duration = (last - first) / 1000;
  return times.length / duration / (calls / interval);
}

/** Mulberry32: numbers from 0 to 1, the same in each run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
