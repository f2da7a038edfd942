import type { Props, Resource } from "./rule.ts";
import { guarded } from "./unknown.ts";

/** The options and arguments of a resource as a recorded program has them; unknown values are `unknown`. */
export interface Declared {
  urn: string;
  type: string;
  name: string;
  inputs: Props;
  protect: boolean;
}

/** What the rules see of a declared resource. */
export function seen({ urn, type, name, inputs, protect }: Declared): Resource {
  return { urn, type, name, protect, props: guarded(inputs) };
}

/** By type, once for all the rules that look at the same resources. */
const byType = new WeakMap<readonly Resource[], Map<string, Resource[]>>();

/** Those of a type, in their order. */
export function ofType(resources: readonly Resource[], type: string): readonly Resource[] {
  let types = byType.get(resources);
  if (types === undefined) {
    types = Map.groupBy(resources, (resource) => resource.type);
    byType.set(resources, types);
  }
  return types.get(type) ?? [];
}
