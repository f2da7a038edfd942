import type { Policy } from "./vault.ts";

/**
 * A policy in Vault's own language (HCL), with its purpose as a comment. The same policy always gives the same
 * text. https://developer.hashicorp.com/vault/docs/concepts/policies
 */
export function renderPolicy(policy: Policy): string {
  const blocks = policy.rules.map((rule) => {
    const capabilities = rule.capabilities.map((capability) => JSON.stringify(capability)).join(", ");
    const wrapping =
      rule.wrapping === undefined
        ? ""
        : `\n  min_wrapping_ttl = "${rule.wrapping.min}s"\n  max_wrapping_ttl = "${rule.wrapping.max}s"`;
    const parameters =
      rule.parameters === undefined
        ? ""
        : `\n  allowed_parameters = {\n${rule.parameters.map((name) => `    ${JSON.stringify(name)} = []\n`).join("")}  }`;
    return `path ${JSON.stringify(rule.path)} {\n  capabilities = [${capabilities}]${wrapping}${parameters}\n}\n`;
  });
  const purpose = policy.purpose.replaceAll(/\s+/g, " ");
  return [`# ${purpose}\n# For ${policy.of.kind} ${policy.of.id}.\n`, ...blocks].join("\n");
}
