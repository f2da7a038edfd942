import type { Seconds } from "../../model/duration.ts";
import type { Clock } from "./clock.ts";
import type { Verdict, Watch } from "./observer.ts";
import { type Before, type Count, isOfRequests, isRaised, rateOf } from "./raised-rate.ts";
import { TargetUnavailableError } from "./rotator.ts";

/** Something that counts errors. Marks are numbers, because they are kept in the journal. */
export interface ErrorSource {
  /** For people, e.g. "auth failures of titan/titan-brain at http://10.0.0.1:8080". */
  readonly name: string;
  /** By the catalogue's id of its service, as versions before 2026-11-29 named it in their baselines. */
  readonly earlier?: string;
  /** One machine alone can ask it: elsewhere its silence says nothing of what it counts. */
  readonly isLocal?: boolean;
  /** Where it stands now. */
  mark(signal: AbortSignal): Promise<Record<string, number>>;
  /** Errors since a mark, and the requests that they were among where it knows; else they are measured by time. */
  since(mark: Record<string, number>, signal: AbortSignal): Promise<{ events: number; requests?: number }>;
  /** All errors up to a mark, and the requests that they were among; only of what counts requests. */
  until?(mark: Record<string, number>): { events: number; requests: number };
}

export interface WatchOptions {
  /** Seconds for which errors are counted before a rotation begins. */
  window: number;
}

/** Errors are counted for half a minute before anything is delivered, at most. */
export function windowOf({ watch }: { watch: Seconds }): Seconds {
  return Math.min(watch, 30);
}

/** When the baseline ended, milliseconds since 1970 by the clock that all runners share. */
const ended = "ended at";

/**
 * Watches sources while a rotation goes on (R48). The baseline is their own: errors in a window before it. Afterwards two
 * spans are compared with it, as `isRaised` says: all since the baseline, and the last that is as long as it (as far as
 * this process has looked since the switch), in which a long quiet time hides nothing. What does not answer before is not judged
 * by; what answered then and is silent now is no sign of health: the service may not start any more.
 */
export class ErrorWatch implements Watch {
  readonly #sources: ErrorSource[];
  readonly #window: number;
  /** Source → its marks at each look after the switch, oldest first. */
  readonly #marks = new Map<string, { mark: Record<string, number>; at: number }[]>();

  constructor(sources: ErrorSource[], { window }: WatchOptions) {
    this.#sources = sources;
    this.#window = window;
  }

  /**
   * Rate per second (or per request) of each source, with what a later comparison needs beside it.
   * @throws TargetUnavailableError where there are sources and none of them answers
   */
  async baseline(clock: Clock, signal: AbortSignal): Promise<Record<string, number>> {
    if (this.#sources.length === 0) return {};
    const begun = clock.now().getTime();
    const marks = await this.#each((source) => source.mark(signal), signal);
    if (marks.size === 0) {
      // Files of another machine do not come here by waiting.
      if (this.#sources.every(({ isLocal }) => isLocal === true)) return {};
      throw silent("nothing that counts errors answers", this.#sources);
    }
    await clock.sleep(this.#window * 1000, signal);
    const found: Record<string, number> = {};
    const results = await this.#each(async (source) => {
      const mark = marks.get(source);
      if (mark === undefined) return undefined;
      return { seen: await source.since(mark, signal), mark: await source.mark(signal) };
    }, signal);
    found[ended] = clock.now().getTime();
    for (const [{ name }, result] of results) {
      if (result === undefined) continue;
      const count = countOf(result.seen, (found[ended] - begun) / 1000);
      found[name] = rateOf(count);
      found[`${name}: events`] = count.events;
      found[`${name}: seconds`] = count.seconds;
      if (count.requests !== undefined) found[`${name}: requests`] = count.requests;
      for (const [key, value] of Object.entries(result.mark)) found[`${name}: mark ${key}`] = value;
    }
    if (this.unanswered(found).length === this.#sources.length)
      throw silent("nothing that counts errors answers", this.#sources);
    return found;
  }

  unanswered(kept: Record<string, number>): string[] {
    const baseline = this.#known(kept);
    return this.#sources
      .map(({ name }) => name)
      .filter((name) => baseline[`${name}: events`] === undefined)
      .sort();
  }

  /** @throws TargetUnavailableError where none of them answers any more, or what only another machine can ask */
  async judge(
    kept: Record<string, number>,
    since: Date,
    clock: Pick<Clock, "now">,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const baseline = this.#known(kept);
    const known = this.#sources.filter(({ name }) => baseline[`${name}: events`] !== undefined);
    const raised: string[] = [];
    const answers = await this.#each(async (source) => {
      if (!known.includes(source)) return false;
      const found = await this.#raised(source, baseline, { since, clock, signal });
      if (found !== undefined) raised.push(found);
      return true;
    }, signal);
    if (raised.length > 0) return { state: "raised", names: raised.sort() };
    const mute = known.filter((source) => answers.get(source) !== true);
    if (mute.length === 0) return { state: "ok" };
    const gone = mute.filter(({ isLocal }) => isLocal !== true);
    if (mute.length === known.length) throw silent("nothing that counts errors answers any more", mute);
    if (gone.length === 0) throw silent("what counts errors cannot be read here any more", mute);
    return { state: "silent", names: gone.map(({ name }) => name).sort() };
  }

  async #raised(
    source: ErrorSource,
    baseline: Record<string, number>,
    { since, clock, signal }: { since: Date; clock: Pick<Clock, "now">; signal: AbortSignal },
  ): Promise<string | undefined> {
    const { name } = source;
    const before = beforeOf(baseline, source, this.#window);
    const all = await source.since(markIn(baseline, name), signal);
    const now = clock.now().getTime();
    const spans = [countOf(all, (now - (baseline[ended] ?? now)) / 1000)];
    const marks = this.#marks.get(name) ?? [];
    const from = marks.findLast(({ at }) => now - at >= this.#window * 1000) ?? marks[0];
    if (from !== undefined) {
      spans.push(countOf(await source.since(from.mark, signal), (now - from.at) / 1000));
    }
    if (now >= since.getTime()) {
      // It has answered: a file that was rotated away and is not made anew yet has no mark to go on from.
      const mark = await source.mark(signal).catch(() => undefined);
      if (mark !== undefined) this.#marks.set(name, [...marks, { mark, at: now }]);
    }
    const raised = spans.find((span) => isRaised(before, span));
    if (raised === undefined) return undefined;
    const shown = isOfRequests(before, raised) ? inRequests : inSeconds;
    return `${name}: ${shown(raised)}, before it was ${shown(before)}`;
  }

  /** A baseline by the names that its sources have now. */
  #known(kept: Record<string, number>): Record<string, number> {
    const known = { ...kept };
    for (const { name, earlier } of this.#sources) {
      if (earlier === undefined || `${name}: events` in kept) continue;
      for (const [key, value] of Object.entries(kept)) {
        if (key.startsWith(`${earlier}: `)) known[`${name}${key.slice(earlier.length)}`] = value;
      }
    }
    return known;
  }

  /** Asks all at once; one that fails is left out. */
  async #each<T>(
    ask: (source: ErrorSource) => Promise<T>,
    signal: AbortSignal,
  ): Promise<Map<ErrorSource, T>> {
    const answers = await Promise.allSettled(this.#sources.map(ask));
    signal.throwIfAborted();
    const found = new Map<ErrorSource, T>();
    for (const [index, source] of this.#sources.entries()) {
      const answer = answers[index];
      if (answer?.status === "fulfilled") found.set(source, answer.value);
    }
    return found;
  }
}

function silent(what: string, sources: ErrorSource[]): TargetUnavailableError {
  return new TargetUnavailableError(`${what}: ${sources.map(({ name }) => name).join(", ")}`);
}

function countOf(seen: { events: number; requests?: number }, seconds: number): Count {
  return { ...seen, seconds: Math.max(seconds, 0) };
}

function beforeOf(baseline: Record<string, number>, source: ErrorSource, window: number): Before {
  const of = (what: string) => baseline[`${source.name}: ${what}`];
  const mark = markIn(baseline, source.name);
  // Versions before 2026-11-29 noted one `exposure`: of requests where these were counted, else of seconds.
  const exposure = of("exposure");
  const ofRequests = mark.requests !== undefined;
  const requests = of("requests") ?? (ofRequests ? exposure : undefined);
  const seconds = of("seconds") ?? (ofRequests ? undefined : exposure) ?? window;
  const ever = source.until?.(mark);
  return {
    ...{ events: of("events") ?? 0, seconds },
    ...(requests !== undefined && { requests }),
    ...(ever !== undefined && { ever }),
  };
}

function markIn(baseline: Record<string, number>, name: string): Record<string, number> {
  const prefix = `${name}: mark `;
  return Object.fromEntries(
    Object.entries(baseline).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

function inSeconds({ events, seconds }: Count): string {
  return `${events} in ${Number(seconds.toPrecision(3))} s`;
}

function inRequests({ events, requests = 0 }: Count): string {
  return `${events} in ${requests} requests`;
}
