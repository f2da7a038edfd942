import type { Props } from "./rule.ts";

/** Stands in data for a value that only an update makes known. */
export const unknown: unique symbol = Symbol.for("keyplane.unknown");

/** A rule needs a value that is not known yet: nothing can be said, least of all that it passes. */
export class UnknownValue extends Error {
  override name = "UnknownValue";
  readonly property: string;
  constructor(property: string) {
    super(`${property} is known only after the update`);
    this.property = property;
  }
}

/** The same data, in which reading an unknown value throws UnknownValue, at any depth. Itself where all is known. */
export function guarded(props: Props): Props {
  return guard(props, "") as Props;
}

function guard(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null || !hasUnknown(value)) return value;
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (typeof key === "symbol") return found;
      const inner = path === "" ? key : `${path}.${key}`;
      if (found === unknown) throw new UnknownValue(inner);
      return typeof found === "object" ? guard(found, inner) : found;
    },
  });
}

function hasUnknown(value: unknown): boolean {
  if (value === unknown) return true;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasUnknown);
  for (const key in value) if (hasUnknown((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** The property that is not known, where an error says so. */
export function unknownProperty(error: unknown): string | undefined {
  return error instanceof UnknownValue ? error.property : undefined;
}
