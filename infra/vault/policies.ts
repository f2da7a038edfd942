import type { CustomResourceOptions } from "@pulumi/pulumi";
import { Policy as VaultPolicy } from "@pulumi/vault/policy.js";
import { renderPolicy } from "../../model/policies.ts";
import type { Policy } from "../../model/vault.ts";
import { dataHolding } from "../retention.ts";

/**
 * The ACL policies: one per consumer, with exact paths (R7), and those of groups and of the platform.
 * @returns name → resource
 */
export function declarePolicies(policies: Policy[], opts: CustomResourceOptions): Map<string, VaultPolicy> {
  return new Map(
    policies.map((policy) => [
      policy.name,
      new VaultPolicy(
        policy.name,
        { name: policy.name, policy: policyText(policy) },
        { ...opts, ...(policy.name === builtIn && dataHolding()) },
      ),
    ]),
  );
}

/** Vault's own policy, which nearly every token carries: it was there before us, and Vault refuses to delete it. */
const builtIn = "default";

/**
 * The policy as Vault reads it, its purpose as a comment.
 * @throws for a service or a CI job that would get `sudo` or a path that is not exact.
 */
export function policyText(policy: Policy): string {
  const { name, of, rules } = policy;
  const consumer = of.kind === "service" || of.kind === "ci";
  for (const { path, capabilities } of rules) {
    if (consumer && capabilities.includes("sudo")) {
      throw new Error(
        `The policy "${name}" of a consumer must not have sudo on "${path}": only the platform's own roles have it`,
      );
    }
    if (consumer && /[*+]/.test(path)) {
      throw new Error(`The policy "${name}" of a consumer must name exact paths; "${path}" is a pattern`);
    }
  }
  return renderPolicy(policy);
}
