import type { vault } from "../../../policies/vault/types.ts";
import { realState } from "../real.ts";
import type { Example } from "../suite.ts";

export { changed, type Example, findings, ruleSuite } from "../suite.ts";

const state = await realState("production");

/** A resource of the shipped production, which is right: the first of a type, or the one of a name. */
export function shipped(type: (typeof vault)[keyof typeof vault], name?: string): Example {
  const found = state.find(
    (resource) => resource.type === type && (name === undefined || resource.name === name),
  );
  if (found === undefined) throw new Error(`production has no ${type} ${name ?? ""}`);
  return { type, props: found.inputs, protect: found.protect };
}

/** All of it. */
export function everything(): Example[] {
  return state.map(({ type, inputs, protect }) => ({ type, props: inputs, protect }));
}
