/** One line of the published table. */
export interface Row {
  what: string;
  /** What was measured, with units. */
  measured: string;
  /** One measurement divided by the one beside it. */
  ratio?: number;
  /** The ratio that the design asks for, e.g. "≤ 1.05". */
  goal?: string;
}

/** How far a run goes: small by default, the published sizes with --full. */
export interface Scale {
  full: boolean;
  /** Also what takes a quarter of an hour: every tool anew. */
  cold: boolean;
  /** Tells whoever waits. */
  say: (text: string) => void;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("The median of nothing was asked for.");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Milliseconds that something takes. */
export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Medians in milliseconds of several pieces of work. They take turns, each round in another order, so that a busy
 * moment of the machine falls on all of them; a first round that nobody counts warms caches.
 */
export async function sideBySide<Name extends string>(
  rounds: number,
  work: Record<Name, () => Promise<unknown>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(work) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round++) {
    const turn = round % names.length;
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const time = await timed(work[name]);
      if (round > 0) times[name].push(time);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<Name, number>;
}

export function milliseconds(time: number): string {
  // Three digits, but never an exponent.
  const [value, unit] = time < 1_000 ? [time, "ms"] : [time / 1_000, "s"];
  return `${value < 1_000 ? value.toPrecision(3) : value.toFixed(0)} ${unit}`;
}
