/** Durations in the model are whole seconds; their type says so. */
export type Seconds = number;

const units: Record<string, Seconds> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Whole seconds of a checked duration such as "30d"; NaN for anything else. */
export function seconds(duration: string): Seconds {
  return Number(duration.slice(0, -1)) * (units[duration.slice(-1)] ?? Number.NaN);
}
