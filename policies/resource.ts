import type { Props, Resource } from "./rule.ts";
import { guarded } from "./unknown.ts";

/** The options and arguments of a resource as a recorded program has them; unknown values are `unknown`. */
export interface Declared {
  urn: string;
  type: string;
  name: string;
  inputs: Props;
  protect: boolean;
  ignoreChanges?: readonly string[] | undefined;
  retainOnDelete?: boolean | undefined;
}

/** What the rules see of a declared resource. */
export function seen({ inputs, ...others }: Declared): Resource {
  const { urn, type, name, protect, ignoreChanges, retainOnDelete } = others;
  return { urn, type, name, protect, ignoreChanges, retainOnDelete, props: guarded(inputs) };
}

/** Once for all the rules that look at the same resources. */
const grouped = new WeakMap<readonly Resource[], ReadonlyMap<string, Resource[]>>();

/** Resources by their type, in their order. */
export function byType(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  let types = grouped.get(resources);
  if (types === undefined) {
    types = Map.groupBy(resources, ({ type }) => type);
    grouped.set(resources, types);
  }
  return types;
}

/** Those of a type, in their order. */
export function ofType(resources: readonly Resource[], type: string): readonly Resource[] {
  return byType(resources).get(type) ?? [];
}
