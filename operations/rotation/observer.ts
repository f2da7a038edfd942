import type { Clock } from "./clock.ts";

/** Looks at one consumer from outside: its health endpoint, a line of its log, a command (R46). */
export interface ConsumerProbe {
  /** For messages, e.g. "http://127.0.0.1:8080/health/hmac". */
  readonly name: string;
  /**
   * The consumer works with what it runs now. Asked again for a while before it is believed to have failed, because
   * services take their time to start.
   * @returns why it is not asked, where only that look shows it
   * @throws ProbeError when it does not; TargetUnavailableError where it cannot be looked at
   */
  check(signal: AbortSignal): Promise<Unprobed | undefined>;
}

/** A declared probe that is not asked of a consumer. */
export interface Unprobed {
  /** In words, with what is not asked. */
  why: string;
  /** The catalogue says so (`observe: none`); otherwise it is asked from another machine, or nowhere. */
  acknowledged: boolean;
}

/** Error and authentication-failure counters (R48), measured by the run's clock: what one runner begins another compares. */
export interface Watch {
  /**
   * Rates by source, per second, before anything is delivered; kept in the journal, so only numbers.
   * @throws TargetUnavailableError where there are sources and none of them answers
   */
  baseline(clock: Clock, signal: AbortSignal): Promise<Record<string, number>>;
  /** Names of the sources that did not answer then: by these nothing is judged. */
  unanswered(baseline: Record<string, number>): string[];
  /**
   * Compares the rates since `since` with those; `names` says in words what rose, by how much, where.
   * @throws TargetUnavailableError where what answered then cannot be asked from here any more
   */
  judge(
    baseline: Record<string, number>,
    since: Date,
    clock: Pick<Clock, "now">,
    signal: AbortSignal,
  ): Promise<Verdict>;
}

/** `silent`: these answered before and do not any more, while others do. */
export type Verdict = { state: "ok" } | { state: "raised" | "silent"; names: string[] };
