import { readFileSync } from "node:fs";
import { Vault } from "../../clients/vault.ts";
import type { Shipping } from "../../model/shipping.ts";
import { awsOf, vaultAccess } from "../settings.ts";
import { type Clients, makeHandler } from "./handler.ts";

let shipped: Shipping<"rotate-due"> | undefined;

function clients(): Clients {
  shipped ??= JSON.parse(
    readFileSync(new URL("model.json", import.meta.url), "utf8"),
  ) as Shipping<"rotate-due">;
  const { address, ca, ...login } = vaultAccess(process.env);
  return {
    ...shipped,
    vault: new Vault({ address, ...(ca !== undefined && { ca }) }),
    login: { ...login, aws: awsOf(process.env) },
  };
}

export const handler = makeHandler(clients);
