import { Agent } from "node:https";
import { Vault } from "../../../clients/vault.ts";
import type { TestStack } from "../stack.ts";

/** A client whose requests come from another address of this machine, such as 127.0.0.2. Whoever made it closes it. */
export function clientFrom({ first }: TestStack, localAddress: string): Vault {
  const { address, ca } = first.services.vault;
  return new Vault({ address, ca }, new Agent({ ca, localAddress, keepAlive: true }));
}
