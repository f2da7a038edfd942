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
