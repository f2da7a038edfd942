import type { Capability, Model, PolicyRule } from "../model.ts";
import { compare } from "./context.ts";

/** What a policy is derived from: the model without its policies. */
export type Parts = Omit<Model, "policies">;

export function rule(path: string, ...capabilities: Capability[]): PolicyRule {
  return { path, capabilities };
}

/** By path; two rules for one path become one, because Vault would keep only the last. */
export function inOrder(rules: PolicyRule[]): PolicyRule[] {
  const byPath = new Map<string, PolicyRule>();
  for (const next of rules) {
    const before = byPath.get(next.path);
    byPath.set(next.path, {
      ...before,
      ...next,
      capabilities: [...new Set([...(before?.capabilities ?? []), ...next.capabilities])].sort(),
    });
  }
  return [...byPath.values()].sort((a, b) => compare(a.path, b.path));
}
