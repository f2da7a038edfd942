/** Events and what they are measured against: seconds, or requests. */
export interface Count {
  events: number;
  exposure: number;
}

/** The probability with which one look takes unchanged traffic for a raise. */
export const falseAlarm = 1e-5;
/** Fewer events say nothing. */
const least = 5;
/** A smaller raise is no reason to stop, however sure it is. */
const factor = 2;

/**
 * Whether errors are more frequent now than before, by their own baseline.
 *
 * Both counts are taken as Poisson. Were the rate unchanged, each of the events of both would be one of `now` with
 * probability `now.exposure ÷ (before.exposure + now.exposure)`; so many or more of them is then a binomial tail, exact
 * for small counts and for a baseline of none (Przyborowski and Wilenski, 1940). Raised means: a tail below 1 in 100,000,
 * at least five events, and at least twice the rate. A baseline of 20 events sees a fivefold raise within as long a
 * time; a baseline of none takes 17 events in as long a time, or 6 in a sixth of it.
 */
export function isRaised(before: Count, now: Count): boolean {
  if (now.events < least || now.exposure <= 0) return false;
  const [rate, earlier] = [rateOf(now), rateOf(before)];
  if (rate < factor * earlier) return false;
  // Nothing was seen before: as if it had been looked at for a moment only.
  const share = now.exposure / (Math.max(before.exposure, 0) + now.exposure);
  return tail(now.events, before.events + now.events, share) < falseAlarm;
}

export function rateOf({ events, exposure }: Count): number {
  return exposure > 0 ? events / exposure : 0;
}

/** P(X ≥ k) of n events, each with probability p. */
function tail(k: number, n: number, p: number): number {
  if (p >= 1) return 1;
  const odds = p / (1 - p);
  let term = Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p));
  let sum = 0;
  for (let i = k; i <= n; i++) {
    sum += term;
    term *= ((n - i) / (i + 1)) * odds;
    if (term < sum * 1e-12) break;
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
