import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What became of a test file. */
export interface Lasted {
  /** Path in the repository. */
  file: string;
  seconds: number;
}

/** Seconds that each test file lasted when it was last run on this machine; none where that is not known. */
export function durations(path: string): Map<string, number> {
  try {
    const kept: unknown = JSON.parse(readFileSync(path, "utf8"));
    const entries = Object.entries(kept as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
  } catch {
    // Only the order depends on it.
    return new Map();
  }
}

/** Keeps how long files lasted, beside what is known of others. */
export function keepDurations(path: string, lasted: readonly Lasted[]): void {
  const all = durations(path);
  for (const { file, seconds } of lasted) all.set(file, Math.round(seconds * 10) / 10);
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(Object.fromEntries([...all].sort()), undefined, 1)}\n`);
    renameSync(temporary, path);
  } catch {
    // A cache that cannot be written is no reason to fail.
  }
}

/** No long file is left for the end, where it would run alone; what nobody has run yet may be long. */
export function longestFirst(files: readonly string[], seconds: ReadonlyMap<string, number>): string[] {
  const of = (file: string) => seconds.get(file) ?? Number.MAX_VALUE;
  return files.toSorted((one, other) => of(other) - of(one));
}
