import type { AclPath } from "./acl-path.ts";

/** Those of the places that begin with one word. */
interface Beginning<Place> {
  all: Place[];
  /** By the word that they go on with; with those that go on with any. */
  next: Map<string, Place[]>;
  /** Those that go on with any. */
  open: Place[];
}

/** Places of Vault's policies, looked up by the two segments that they begin with. */
export class AclPlaces<Place extends { at: AclPath }> {
  readonly #all: readonly Place[];
  readonly #beginnings = new Map<string, Beginning<Place>>();

  constructor(places: readonly Place[]) {
    this.#all = places;
    for (const [first, all] of Map.groupBy(places, ({ at }) => at[0] ?? "")) {
      if (isOpen(first)) throw new Error(`a place begins with a word, not with ${first}`);
      const open = all.filter(({ at }) => isOpen(at[1]));
      const words = new Set(all.filter((place) => !open.includes(place)).map(({ at }) => at[1] ?? ""));
      const next = [...words].map((word): [string, Place[]] => [
        word,
        all.filter(({ at }) => at[1] === word || isOpen(at[1])),
      ]);
      this.#beginnings.set(first, { all, next: new Map(next), open });
    }
  }

  /** Those that a path, exact or a pattern, may have to do with: it meets no other and lies within no other. */
  near(path: AclPath): readonly Place[] {
    const [first, second] = [path[0], path[1]];
    if (first === undefined || isOpen(first)) return this.#all;
    const beginning = this.#beginnings.get(first);
    if (beginning === undefined) return [];
    return second === undefined || isOpen(second)
      ? beginning.all
      : (beginning.next.get(second) ?? beginning.open);
  }
}

/** It stands for other segments than itself, or there is none. */
const isOpen = (segment: string | undefined) =>
  segment === undefined || segment === "+" || segment.endsWith("*");
