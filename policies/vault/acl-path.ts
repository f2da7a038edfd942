/**
 * Paths of Vault's policies as sets of paths of requests: `*` at the end is anything, also with slashes; `+` is one
 * segment; from `{{` on it depends on who logs in, so it may be anything.
 * https://developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax
 */
export type AclPath = readonly string[];

/** Its segments; the last one alone ends with `*`. */
export function aclPath(path: string): AclPath {
  const template = path.indexOf("{{");
  return (template < 0 ? path : `${path.slice(0, template)}*`).split("/");
}

/** Whether a request could be for both. */
export function meets(one: AclPath, other: AclPath): boolean {
  for (let place = 0; ; place++) {
    const [a, b] = [one[place], other[place]];
    if (a === undefined || b === undefined) return a === b;
    const [globA, globB] = [isGlob(one, place), isGlob(other, place)];
    if (globA && globB) return begins(a, b.slice(0, -1)) || begins(b, a.slice(0, -1));
    if (globA) return b === "+" || begins(b, a.slice(0, -1));
    if (globB) return a === "+" || begins(a, b.slice(0, -1));
    if (a !== b && a !== "+" && b !== "+") return false;
  }
}

/** Whether every request that the path is for is also one for the place. */
export function within(path: AclPath, place: AclPath): boolean {
  for (let at = 0; ; at++) {
    const [a, b] = [path[at], place[at]];
    if (a === undefined || b === undefined) return a === b;
    if (isGlob(place, at)) return b === "*" || (a !== "+" && begins(a, b.slice(0, -1)));
    if (isGlob(path, at)) return false;
    if (b !== "+" && a !== b) return false;
  }
}

const isGlob = (path: AclPath, place: number) =>
  place === path.length - 1 && path[place]?.endsWith("*") === true;

const begins = (segment: string, start: string) => segment.startsWith(start);
