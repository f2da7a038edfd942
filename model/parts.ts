import type { Model } from "./model.ts";

/** A stack and the part of the program that it builds. */
export interface Part {
  stack: string;
  part: string;
}

/**
 * The stacks of an environment in the order of their updates: the parts of one stage do not depend on each other.
 * One part is one stack with everything in it; otherwise the platform comes first, then the systems' parts.
 */
export function partsOf(model: Model): Part[][] {
  const parts = [...new Set(model.systems.map(({ part }) => part))].sort();
  if (parts.length <= 1) return [[{ stack: model.environment, part: "all" }]];
  return [
    [{ stack: `${model.environment}.platform`, part: "platform" }],
    parts.map((part) => ({ stack: `${model.environment}.${part}`, part })),
  ];
}
