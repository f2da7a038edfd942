import { realState } from "./real.ts";
import { changed, type Example, type Patch } from "./suite.ts";

export { changed, type Example, findings, ruleSuite } from "./suite.ts";

const state = await realState("production");

function placeOf(type: string, name: string): number {
  const exact = state.findIndex((resource) => resource.type === type && resource.name === name);
  return exact >= 0
    ? exact
    : state.findIndex((resource) => resource.type === type && resource.name.endsWith(name));
}

/** A resource of the shipped production, which is right: the first of a type, or the one whose name ends so. */
export function shipped(type: string, name = ""): Example {
  const found = state[placeOf(type, name)];
  if (found === undefined) throw new Error(`production has no ${type} ${name}`);
  return { type, props: found.inputs, protect: found.protect };
}

/** All of it. */
export function everything(): Example[] {
  return state.map(({ type, inputs, protect }) => ({ type, props: inputs, protect }));
}

/** All of it without a type. */
export function without(type: string): Example[] {
  return everything().filter((example) => example.type !== type);
}

/** All of it, with changes of each resource of a type. */
export function everythingOf(type: string, patch: Patch): Example[] {
  return everything().map((example) => (example.type === type ? changed(example, patch) : example));
}

/** All of it without a resource, or with changes of one: the first of a type, or the one whose name ends so. */
export function everythingBut(type: string, patch?: Patch, name = ""): Example[] {
  const index = placeOf(type, name);
  const found = everything()[index];
  if (found === undefined) throw new Error(`production has no ${type} ${name}`);
  return everything().toSpliced(index, 1, ...(patch === undefined ? [] : [changed(found, patch)]));
}
