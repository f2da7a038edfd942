import { readFileSync } from "node:fs";
import { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { awsOf, vaultAccess } from "../settings.ts";
import { type Clients, makeHandler } from "./handler.ts";

/** What `bundleLambda` puts beside the code. */
export interface Shipped {
  model: Model;
  commit?: string;
}

let shipped: Shipped | undefined;

function clients(): Clients {
  shipped ??= JSON.parse(readFileSync(new URL("model.json", import.meta.url), "utf8")) as Shipped;
  const { address, ca, ...login } = vaultAccess(process.env);
  return {
    ...shipped,
    vault: new Vault({ address, ...(ca !== undefined && { ca }) }),
    login: { ...login, aws: awsOf(process.env) },
  };
}

export const handler = makeHandler(clients);
