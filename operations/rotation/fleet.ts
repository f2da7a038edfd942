import type { Seconds } from "../../model/duration.ts";
import type { RotationSettings } from "../../model/model.ts";
import type { Clock } from "./clock.ts";
import { blackoutAt } from "./schedule.ts";

/** One rotation that could begin, or go on, now. */
export interface Candidate {
  /** Id of the secret. */
  secret: string;
  /** Ids of the services that it touches. */
  services: string[];
  /** Name of the provider whose API it calls. */
  provider?: string;
  /** Since when it could: its due date, or when what is under way can go on. */
  since: Date;
  /** When it has to have begun; what is due at once is spread over the time until then. */
  latest?: Date;
  /** After a compromise or a leaver: before everything else, also in a blackout, without pace, beside what others are at. */
  urgent: boolean;
  /** Goes on with what has begun: no blackout and no pace holds it back. */
  underWay: boolean;
}

/** What a provider lets its callers do, and what one rotation asks of it. */
export interface ProviderRate {
  calls: number;
  interval: Seconds;
  /** Calls of one rotation, by experience. */
  perRotation: number;
}

/**
 * Of a key that says itself what it is: three to make the next one, one to stage it, two to probe it, one to see the old
 * one idle, three to revoke it, and the question whether it is refused. Lists of several pages and providers that say
 * less take more, which the throttle of `providers/` spaces out.
 */
export const callsPerRotation = 11;

export interface Bounds {
  concurrent: RotationSettings["concurrent"];
  blackouts: RotationSettings["blackouts"];
  providers: Record<string, ProviderRate>;
}

/** Why a candidate does not begin now. */
export interface Held {
  secret: string;
  why: string;
  /** When time alone lets it begin. */
  until?: Date;
}

/** What is under way, as far as bounds ask. */
export type Place = Pick<Candidate, "secret" | "services" | "provider"> & {
  /** Another runner's that is not urgent: what has leaked does not wait for it. */
  yields?: boolean;
};

/** Milliseconds between two looks at what another runner holds, where it is waited for. */
export const looks = 1000;
/** Part of a provider's rate that starts take, so that a call more than expected fits as well. */
const startShare = 0.8;
/** A candidate that waited so long keeps the services that it needs: younger ones no longer pass it. */
const patience: Seconds = 15 * 60;

/** Candidates in turn: urgent ones, then what is under way, then the oldest. Whoever waits moves up. */
export class Queue {
  readonly #list: Candidate[];
  readonly #providers = new Map<string, number>();

  constructor(candidates: readonly Candidate[]) {
    const rank = (candidate: Candidate) => (candidate.urgent ? 0 : candidate.underWay ? 1 : 2);
    this.#list = candidates.toSorted(
      (a, b) =>
        rank(a) - rank(b) ||
        a.since.getTime() - b.since.getTime() ||
        (a.secret < b.secret ? -1 : a.secret > b.secret ? 1 : 0),
    );
    for (const { provider = "" } of candidates) count(this.#providers, provider, 1);
  }

  get list(): readonly Candidate[] {
    return this.#list;
  }

  /** Takes out what has begun. */
  remove(begun: readonly Candidate[]): void {
    if (begun.length === 0) return;
    const gone = new Set(begun);
    // They stand near the front: to look through all of them each time would be the square of their number.
    for (let index = 0; gone.size > 0 && index < this.#list.length; ) {
      const candidate = this.#list[index];
      if (candidate !== undefined && gone.delete(candidate)) this.#list.splice(index, 1);
      else index++;
    }
    for (const { provider = "" } of begun) count(this.#providers, provider, -1);
  }

  /** Whether somebody waits who calls none of these providers. */
  hasOthersThan(throttled: ReadonlyMap<string, unknown>): boolean {
    for (const [provider, waiting] of this.#providers) {
      if (waiting > 0 && !throttled.has(provider)) return true;
    }
    return false;
  }
}

/** When starts may next happen, kept between two choices. */
export interface Turns {
  /** By the pace that spreads what is due at once. */
  next: Date;
  /** By provider. */
  providers: Record<string, Date>;
}

/**
 * Which of the candidates begin now, and why the others do not. Pure.
 * @param pace starts per second of what is neither urgent nor under way; Infinity where nothing is to be spread
 * @returns with the turns as they are after these have begun; of those held, the first hundred
 */
export function choose(
  queue: Queue,
  running: readonly Place[],
  bounds: Bounds,
  turns: Turns,
  pace: number,
  now: Date,
): { start: Candidate[]; held: Held[]; turns: Turns } {
  const { perService, total } = bounds.concurrent;
  const blackout = blackoutAt(bounds.blackouts, now);
  // What has leaked goes before everything of this run, and waits for nobody else's but what has leaked as well.
  const all = { touched: new Map<string, number>(), taken: 0 };
  const leaked = { touched: new Map<string, number>(), taken: 0 };
  for (const place of running) occupy(place);
  // Asked for haste, or waited for, what another runner is at takes the place that it has.
  const places = new Map(running.map((place) => [place.secret, place]));
  const promised = new Set<string>();
  const next: Turns = { next: turns.next, providers: { ...turns.providers } };
  const throttled = new Map<string, Omit<Held, "secret">>();
  for (const [provider, until] of Object.entries(turns.providers)) {
    if (until > now) throttled.set(provider, { why: `the rate that ${provider} allows`, until });
  }
  const start: Candidate[] = [];
  const held: Held[] = [];

  for (const candidate of queue.list) {
    const full = (candidate.urgent ? leaked : all).taken >= total && !places.has(candidate.secret);
    const why = full ? { why: `${total} rotations are under way` } : heldBecause(candidate);
    if (why === undefined) {
      begin(candidate);
      continue;
    }
    if (held.length < 100) held.push({ secret: candidate.secret, ...why });
    // Those that begin anew stand last, and what holds one of them by its time holds them all.
    if (full || (beginsAnew(candidate) && (blackout !== undefined || next.next > now))) break;
    if (!candidate.urgent && !queue.hasOthersThan(throttled)) break;
    // Who has waited long for a service keeps it: no younger one takes it first.
    const waited = now.getTime() - candidate.since.getTime();
    if (why.until === undefined && waited >= patience * 1000) {
      for (const service of candidate.services) promised.add(service);
    }
  }
  return { start, held, turns: next };

  function heldBecause(candidate: Candidate): Omit<Held, "secret"> | undefined {
    const { secret, services, provider = "", urgent } = candidate;
    if (beginsAnew(candidate)) {
      if (blackout !== undefined) return { why: blackout.reason, until: blackout.until };
      if (next.next > now) return { why: "spread over the time that there is", until: next.next };
    }
    const turn = urgent ? undefined : throttled.get(provider);
    if (turn !== undefined) return turn;
    const own = places.get(secret);
    for (const service of services) {
      const isOwn = own?.services.includes(service) === true && !(urgent && own.yields === true);
      const others = ((urgent ? leaked : all).touched.get(service) ?? 0) - (isOwn ? 1 : 0);
      if (others >= perService) return { why: `another rotation touches ${service}` };
      if (promised.has(service)) return { why: `an older rotation waits for ${service}` };
    }
    return undefined;
  }

  function occupy({ services, yields }: Place): void {
    for (const bound of yields === true ? [all] : [all, leaked]) {
      bound.taken++;
      for (const service of services) count(bound.touched, service, 1);
    }
  }

  function begin(candidate: Candidate): void {
    start.push(candidate);
    if (!places.has(candidate.secret)) occupy(candidate);
    if (beginsAnew(candidate)) next.next = plus(latest(next.next, now), 1 / pace);
    const { provider = "" } = candidate;
    const rate = bounds.providers[provider];
    if (rate !== undefined) {
      const until = plus(latest(next.providers[provider] ?? now, now), spacing(rate));
      next.providers[provider] = until;
      throttled.set(provider, { why: `the rate that ${provider} allows`, until });
    }
  }
}

function beginsAnew({ urgent, underWay }: Candidate): boolean {
  return !urgent && !underWay;
}

/** Seconds between two starts at a provider. */
function spacing({ calls, interval, perRotation }: ProviderRate): Seconds {
  return (interval * perRotation) / (calls * startShare);
}

/**
 * The slowest pace, in starts per second, at which each begins by its `latest`: many that fall due at once are spread
 * evenly. Infinity where one is late.
 */
export function paceOf(candidates: readonly Candidate[], now: Date): number {
  const times = candidates
    .filter(beginsAnew)
    .map(({ latest }) => (latest === undefined ? 0 : latest.getTime() - now.getTime()))
    .sort((a, b) => a - b);
  let pace = times.length === 0 ? Number.POSITIVE_INFINITY : 0;
  for (const [index, time] of times.entries()) {
    if (time <= 0) return Number.POSITIVE_INFINITY;
    pace = Math.max(pace, (index + 1) / (time / 1000));
  }
  return pace;
}

export type Ended<T> = { secret: string } & (
  | { outcome: T; error?: undefined }
  | { outcome?: undefined; error: unknown }
);

export interface FleetOptions<T> {
  candidates: Candidate[];
  /**
   * What other runners have under way, asked for before each choice.
   * @param own ids of secrets that run here
   */
  elsewhere?(own: ReadonlySet<string>): Promise<Place[]>;
  bounds: Bounds;
  clock: Clock;
  /** Aborted: nothing more begins; what runs is given the same signal. */
  signal: AbortSignal;
  run(candidate: Candidate): Promise<T>;
  /**
   * What has leaked and would begin, were it not for what has leaked as well, which other runners are at; told anew where
   * the reason changes.
   */
  waits?(held: Held): void;
}

/**
 * Runs every candidate within the bounds. One that fails ends no other. Ends when nothing is left that could begin;
 * what a blackout holds back is left for the next run, and so is what waits for other runners where nothing has leaked.
 */
export async function runFleet<T>(options: FleetOptions<T>): Promise<{ ended: Ended<T>[]; held: Held[] }> {
  const { bounds, clock, signal } = options;
  const queue = new Queue(options.candidates);
  let turns: Turns = { next: clock.now(), providers: {} };
  // A handful begins at once; only what is more than may run at once is spread.
  const spreads = queue.list.filter(beginsAnew).length > bounds.concurrent.total;
  let pace = spreads ? paceOf(queue.list, clock.now()) : Number.POSITIVE_INFINITY;
  let paced = clock.now();
  const ended: Ended<T>[] = [];
  const running = new Set<Candidate>();
  const told = new Map<string, string>();
  let wake = () => {};

  for (;;) {
    const own = new Set([...running].map(({ secret }) => secret));
    const asks = !signal.aborted && queue.list.length > 0;
    const elsewhere = asks ? ((await options.elsewhere?.(own)) ?? []) : [];
    const now = clock.now();
    // What is left may be spread anew, but not at each start: that would be the square of their number.
    if (spreads && now.getTime() - paced.getTime() >= 60_000) {
      pace = paceOf(queue.list, now);
      paced = now;
    }
    const chosen = signal.aborted
      ? { start: [], held: [], turns }
      : choose(queue, [...elsewhere, ...running], bounds, turns, pace, now);
    turns = chosen.turns;
    queue.remove(chosen.start);
    for (const candidate of chosen.start) {
      running.add(candidate);
      work(candidate);
    }
    const turn = Math.min(turnOf(chosen.held, now), lookOf(chosen.held, elsewhere, now));
    const wakes = Number.isFinite(turn);
    if (running.size === 0 && !wakes) return { ended, held: left(chosen.held) };
    // Whoever ends wakes us: to race all that run, each time, would be the square of their number.
    const woken = new AbortController();
    await new Promise<void>((resolve) => {
      wake = resolve;
      // Stopped while it sleeps, it looks at the signal itself.
      if (wakes)
        clock
          .sleep(turn - now.getTime(), AbortSignal.any([signal, woken.signal]))
          .then(resolve, () => resolve());
    });
    woken.abort("woken");
  }

  /** When time alone lets one of them begin, unless that falls into a blackout. */
  function turnOf(held: readonly Held[], now: Date): number {
    const turn = Math.min(...held.map(({ until }) => until?.getTime() ?? Number.POSITIVE_INFINITY));
    const blackout = blackoutAt(bounds.blackouts, now);
    return blackout === undefined || turn < blackout.until.getTime() ? turn : Number.POSITIVE_INFINITY;
  }

  /** When to look at other runners again: no later run knows of a leak whose rotation has not begun. */
  function lookOf(held: readonly Held[], elsewhere: readonly Place[], now: Date): number {
    const yielding = elsewhere.filter(({ yields }) => yields === true);
    // Urgent ones stand first, and those that have begun are out of the queue.
    const isLeakHeld = queue.list[0]?.urgent === true;
    if (yielding.length === elsewhere.length || !isLeakHeld) return Number.POSITIVE_INFINITY;
    // Who would not begin without what others are at, either, waits for what runs here, whose end wakes us.
    const { start } = choose(queue, [...yielding, ...running], bounds, turns, pace, now);
    const waiting = new Set(start.filter(({ urgent }) => urgent).map(({ secret }) => secret));
    if (waiting.size === 0) return Number.POSITIVE_INFINITY;
    for (const one of held) {
      if (!waiting.has(one.secret) || told.get(one.secret) === one.why) continue;
      told.set(one.secret, one.why);
      options.waits?.(one);
    }
    return now.getTime() + looks;
  }

  function work(candidate: Candidate): void {
    const { secret } = candidate;
    void options
      .run(candidate)
      .then(
        (outcome) => void ended.push({ secret, outcome }),
        (error: unknown) => void ended.push({ secret, error }),
      )
      .finally(() => {
        running.delete(candidate);
        wake();
      });
  }

  /** Everybody who did not begin, with what held them, or what held whoever stood before them. */
  function left(held: Held[]): Held[] {
    const reasons = new Map(held.map((one) => [one.secret, one]));
    const last = held.at(-1);
    return queue.list.map(
      ({ secret }) =>
        reasons.get(secret) ?? {
          secret,
          why: signal.aborted ? "stopped" : (last?.why ?? "stopped"),
          ...(last?.until && { until: last.until }),
        },
    );
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function plus(time: Date, seconds: Seconds): Date {
  return new Date(time.getTime() + seconds * 1000);
}

function latest(a: Date, b: Date): Date {
  return a > b ? a : b;
}
