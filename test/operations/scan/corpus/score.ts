import type { Corpus, Planted } from "./corpus.ts";

/** A line that a scanner reported. */
export interface Reported {
  path: string;
  line: number;
}

export interface Score {
  found: number;
  planted: number;
  /** Lines that were reported and hold no planted value. */
  false: number;
  recall: number;
  precision: number;
  missed: Planted[];
  /** The false ones. */
  wrong: Reported[];
}

/**
 * Compares what a scanner reported with what is there, by line: every scanner says a line, not every one a column. A
 * value counts once, however many of its lines are reported, and so does a line that holds none.
 */
export function score(
  { planted }: Corpus,
  reported: readonly Reported[],
  which: (planted: Planted) => boolean = () => true,
): Score {
  const owners = new Map<string, Planted>();
  for (const one of planted)
    for (let line = one.first; line <= one.last; line++) owners.set(`${one.path}:${line}`, one);
  const found = new Set<Planted>();
  const wrong = new Map<string, Reported>();
  for (const each of reported) {
    const owner = owners.get(`${each.path}:${each.line}`);
    if (owner === undefined) wrong.set(`${each.path}:${each.line}`, each);
    else found.add(owner);
  }
  const asked = planted.filter(which);
  const hits = asked.filter((one) => found.has(one));
  return {
    found: hits.length,
    planted: asked.length,
    false: wrong.size,
    recall: asked.length === 0 ? 1 : hits.length / asked.length,
    precision: found.size + wrong.size === 0 ? 1 : found.size / (found.size + wrong.size),
    missed: asked.filter((one) => !found.has(one)),
    wrong: [...wrong.values()],
  };
}
