import type { Props } from "../rule.ts";
import { text } from "../value.ts";
import { type AclRule, readAcl } from "./acl-text.ts";
import { AclTextError } from "./acl-tokens.ts";

/**
 * Whose a policy is, by its name, as the model gives it: the platform's own and its groups' begin with `keyplane.`,
 * `default` is Vault's, and everything else is a service's or a CI job's.
 */
type Holder = "platform" | "group" | "default" | "consumer";

/** A policy of Vault as the rules see it. */
export interface AclPolicy {
  name: string;
  holder: Holder;
  rules: readonly AclRule[];
}

function holderOf(name: string): Holder {
  if (name === "default") return "default";
  if (name.startsWith("keyplane.group.")) return "group";
  return name.startsWith("keyplane.") ? "platform" : "consumer";
}

/** Read once for all rules: a dozen look at each policy, and reading is most of what that costs. */
const read = new WeakMap<Props, AclPolicy | AclTextError>();

/** The policy that a resource declares, or why its text cannot be read. */
export function aclIn(props: Props): AclPolicy | AclTextError {
  const before = read.get(props);
  if (before !== undefined) return before;
  const name = text(props.name) ?? "";
  const source = text(props.policy) ?? "";
  let found: AclPolicy | AclTextError;
  try {
    found = { name, holder: holderOf(name), rules: readAcl(source) };
  } catch (error) {
    if (!(error instanceof AclTextError)) throw error;
    found = error;
  }
  read.set(props, found);
  return found;
}

/** The policy, or nothing where it cannot be read: `policy-readable` says so. */
export function aclOf(props: Props): AclPolicy | undefined {
  const found = aclIn(props);
  return found instanceof AclTextError ? undefined : found;
}
