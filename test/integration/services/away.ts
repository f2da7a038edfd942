/** A time in which a service was being stopped or started, in milliseconds since 1970. */
export interface Span {
  from: number;
  to: number;
}

/** When any service of this process' tests was away because it was restarted: nobody gets an answer from it then. */
const spans: Span[] = [];

/** Does something during which a service is away. */
export async function whileAway<T>(act: () => Promise<T>): Promise<T> {
  const span = { from: Date.now(), to: Number.POSITIVE_INFINITY };
  spans.push(span);
  try {
    return await act();
  } finally {
    span.to = Date.now();
  }
}

/** Milliseconds of a time in which some service was away. */
export function awayDuring({ from, to }: Span): number {
  let away = 0;
  let reached = from;
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const [start, end] = [Math.max(span.from, reached), Math.min(span.to, to)];
    if (end <= start) continue;
    away += end - start;
    reached = end;
  }
  return away;
}
