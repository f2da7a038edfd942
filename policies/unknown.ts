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

/** The same data, in which reading an unknown value throws UnknownValue, at any depth. */
export function guarded(props: Props): Props {
  return guard(props, "") as Props;
}

function guard(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null) return value;
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

/** The property that is not known, where an error says so: ours, or the engine's own of the policy SDK. */
export function unknownProperty(error: unknown): string | undefined {
  if (error instanceof UnknownValue) return error.property;
  if (!(error instanceof Error)) return undefined;
  return /^\w+ value at \.(.*) can't be known during preview$/s.exec(error.message)?.[1];
}
