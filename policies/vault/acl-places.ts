import type { AclPath } from "./acl-path.ts";

/** Places of Vault's policies, looked up by the segment that they begin with. */
export class AclPlaces<Place extends { at: AclPath }> {
  readonly #all: readonly Place[];
  readonly #beginning = new Map<string, Place[]>();

  constructor(places: readonly Place[]) {
    this.#all = places;
    for (const place of places) {
      const [first = ""] = place.at;
      if (isOpen(first)) throw new Error(`a place begins with a word, not with ${first}`);
      const before = this.#beginning.get(first);
      if (before === undefined) this.#beginning.set(first, [place]);
      else before.push(place);
    }
  }

  /** Those that a path, exact or a pattern, may have to do with: it meets no other and lies within no other. */
  near(path: AclPath): readonly Place[] {
    const first = path[0] ?? "";
    return isOpen(first) ? this.#all : (this.#beginning.get(first) ?? []);
  }
}

/** It stands for other segments than itself. */
const isOpen = (segment: string) => segment === "+" || segment.endsWith("*");
