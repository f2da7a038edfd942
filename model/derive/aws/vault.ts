import type { Policy } from "../../vault.ts";
import { inOrder, type Parts, rule } from "../rules.ts";

/**
 * What a function that rotates a database's users may do in Vault: ask for a short login there, which ends with its token. The
 * scheduled runner has the rotation engine's own policy.
 */
export function functionPolicies({ vault, databases, aws }: Parts): Policy[] {
  const { database } = vault.mounts;
  return (aws?.functions ?? []).flatMap(({ of, vault: { policy } }): Policy[] => {
    const rotated = databases.find(({ id }) => id === of);
    if (rotated === undefined) return [];
    const { role } = rotated.rotation;
    return [
      {
        name: policy,
        purpose: `What the function that rotates the users of ${rotated.connection.replace(".", "/")} in Secrets Manager may, and nothing else.`,
        of: { kind: "platform", id: policy },
        rules: inOrder([rule(`${database}/creds/${role}`, "read")]),
      },
    ];
  });
}
