/** Events of a span, and the requests that they were among where these are counted. */
export interface Count {
  events: number;
  seconds: number;
  requests?: number;
}

/** A span before anything changed, with all that was counted until its end where requests are. */
export interface Before extends Count {
  ever?: { events: number; requests: number };
}

/** The probability with which one look takes unchanged traffic for a raise. */
export const falseAlarm = 1e-5;
/** Fewer events say nothing. */
const least = 5;
/** A smaller raise is no reason to stop, however sure it is. */
const factor = 2;
/** Fewer requests in order do not show that so many others, half of which fail, are not: ½ to this power is the false alarm. */
const enough = Math.ceil(Math.log2(1 / falseAlarm));

/**
 * Whether errors are more frequent now than before, by their own baseline: of requests where these are counted, else by time.
 * Raised means: so many have a probability below 1 in 100,000, there are five events at least, and the rate (of requests:
 * the odds) is twice the one before at least.
 */
export function isRaised(before: Before, now: Count): boolean {
  if (now.events < least) return false;
  return isOfRequests(before, now) ? isShareRaised(before, now) : isRateRaised(before, now);
}

/** Whether errors are measured against requests: both are counted, and the errors before were among them. */
export function isOfRequests({ events, requests = 0, ever }: Before, now: Count): boolean {
  return now.requests !== undefined && events <= requests && (ever?.events ?? 0) <= (ever?.requests ?? 0);
}

export function rateOf({ events, seconds, requests = 0 }: Count): number {
  if (requests > 0) return events / requests;
  return seconds > 0 ? events / seconds : 0;
}

/**
 * Both counts are taken as Poisson. Were the rate unchanged, each of the events of both would be one of `now` with
 * probability `now.seconds ÷ (before.seconds + now.seconds)`; so many or more of them is then a binomial tail, exact
 * for small counts and for a baseline of none (Przyborowski and Wilenski, 1940). A baseline of 20 events sees a fivefold
 * raise within as long a time; a baseline of none takes 17 events in as long a time, or 6 in a sixth of it.
 */
function isRateRaised(before: Count, now: Count): boolean {
  if (now.seconds <= 0 || before.seconds <= 0) return false;
  if (now.events * before.seconds < factor * before.events * now.seconds) return false;
  const share = now.seconds / (before.seconds + now.seconds);
  const [odds, n, k] = [share / (1 - share), before.events + now.events, now.events];
  const first = Math.exp(logChoose(n, k) + k * Math.log(share) + (n - k) * Math.log1p(-share));
  return tail(k, n, first, (i) => ((n - i) / (i + 1)) * odds) < falseAlarm;
}

/**
 * Each request fails or does not, so a Poisson rate would not do: after a handful that went well it takes even a million
 * failures in a row for chance. Were the share unchanged, the failures of both spans would lie among the requests of both as
 * they may: a hypergeometric tail (Fisher's exact test).
 */
function isShareRaised(before: Before, now: Count): boolean {
  const earlier = filled(before);
  // One request may be counted as a failure twice: by its answer, and by a counter of its own.
  const requests = Math.max(now.requests ?? 0, now.events);
  if (now.events * (earlier.requests - earlier.events) < factor * earlier.events * (requests - now.events)) {
    return false;
  }
  const [k, failed, all] = [now.events, earlier.events + now.events, earlier.requests + requests];
  const first = Math.exp(
    logChoose(failed, k) + logChoose(all - failed, requests - k) - logChoose(all, requests),
  );
  const ratio = (i: number) =>
    ((failed - i) * (requests - i)) / ((i + 1) * (all - failed - requests + i + 1));
  return tail(k, Math.min(failed, requests), first, ratio) < falseAlarm;
}

/**
 * Too few requests are filled up by the share of failures that the source has ever seen; where it has seen none, as if they
 * had gone well: what is in order answers most of them. That takes no ordinary share for a raise, and no outage for order.
 */
function filled({ events, requests = 0, ever }: Before): { events: number; requests: number } {
  const lacking = Math.max(enough - requests, 0);
  const share = ever !== undefined && ever.requests > 0 ? ever.events / ever.requests : 0;
  return { events: events + Math.floor(lacking * share), requests: requests + lacking };
}

/** P(X ≥ k) where X is `last` at most, of P(X = k) and the ratio of each probability's follower to it. */
function tail(k: number, last: number, first: number, ratio: (i: number) => number): number {
  let term = first;
  let sum = 0;
  for (let i = k; i <= last; i++) {
    sum += term;
    term *= ratio(i);
    if (term <= sum * 1e-12) break;
  }
  return sum;
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** Stirling's series; exact sums where it would be off. */
function logFactorial(n: number): number {
  if (n < 20) {
    let sum = 0;
    for (let i = 2; i <= n; i++) sum += Math.log(i);
    return sum;
  }
  return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n) - 1 / (360 * n ** 3);
}
