import type { Model } from "../model.ts";
import type { Capability, PolicyRule } from "../vault.ts";
import { compare, minute } from "./context.ts";

/** What a policy is derived from: the model without its policies. */
export type Parts = Omit<Model, "policies">;

export function rule(path: string, ...capabilities: Capability[]): PolicyRule {
  return { path, capabilities };
}

/** A host's role id and its next secret id. It leaves Vault wrapped: a host that cannot open it was not the first. */
export function handOver({ vault }: Pick<Parts, "vault">, role: string): PolicyRule[] {
  const path = `auth/${vault.auth.approle}/role/${role}`;
  return [
    rule(`${path}/role-id`, "read"),
    {
      ...rule(`${path}/secret-id`, "update"),
      wrapping: { min: minute, max: 60 * minute },
    },
  ];
}

/** By path; two rules for one path become one, because Vault would keep only the last. */
export function inOrder(rules: PolicyRule[]): PolicyRule[] {
  const byPath = new Map<string, PolicyRule>();
  for (const next of rules) {
    const before = byPath.get(next.path);
    const capabilities =
      before === undefined ? next.capabilities : [...new Set([...before.capabilities, ...next.capabilities])];
    byPath.set(next.path, { ...before, ...next, capabilities: capabilities.toSorted() });
  }
  return [...byPath.values()].sort((a, b) => compare(a.path, b.path));
}
