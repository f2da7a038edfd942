import { vault } from "../../../policies/vault/types.ts";

/** The arguments of a policy, of its name and rules. */
export const policy = (name: string, ...rules: [path: string, ...capabilities: string[]][]) => ({
  name,
  policy: rules
    .map(
      ([path, ...capabilities]) => `path "${path}" {\n  capabilities = ${JSON.stringify(capabilities)}\n}\n`,
    )
    .join("\n"),
});
/** The policy as a resource. */
export const of = (name: string, ...rules: [path: string, ...capabilities: string[]][]) => ({
  type: vault.policy,
  props: policy(name, ...rules),
});
