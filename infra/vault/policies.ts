import type { CustomResourceOptions } from "@pulumi/pulumi";
import { Policy as VaultPolicy } from "@pulumi/vault/policy.js";
import type { Policy } from "../../model/model.ts";

/** The ACL policies: one per consumer, with exact paths (R7), and those of groups and of the platform. */
export function declarePolicies(policies: Policy[], opts: CustomResourceOptions): void {
  for (const policy of policies) {
    new VaultPolicy(policy.name, { name: policy.name, policy: policyText(policy) }, opts);
  }
}

/**
 * The policy as Vault reads it, its purpose as a comment.
 * @throws for a service or a CI job that would get `sudo` or a path that is not exact.
 */
export function policyText({ name, purpose, of, rules }: Policy): string {
  const consumer = of.kind === "service" || of.kind === "ci";
  const blocks = rules.map(({ path, capabilities }) => {
    if (consumer && capabilities.includes("sudo")) {
      throw new Error(
        `The policy "${name}" of a consumer must not have sudo on "${path}": only the platform's own roles have it`,
      );
    }
    if (consumer && /[*+]/.test(path)) {
      throw new Error(`The policy "${name}" of a consumer must name exact paths; "${path}" is a pattern`);
    }
    return `path ${JSON.stringify(path)} {\n  capabilities = ${JSON.stringify(capabilities).replaceAll(",", ", ")}\n}\n`;
  });
  return [`# ${purpose.replaceAll(/\s+/g, " ")}\n# For ${of.kind} ${of.id}.\n`, ...blocks].join("\n");
}
