import { readFileSync } from "node:fs";
import { SecretsManager } from "../../clients/secrets-manager.ts";
import { Vault } from "../../clients/vault.ts";
import type { Shipping } from "../../model/shipping.ts";
import { awsOf, vaultAccess } from "../settings.ts";
import { type Clients, makeHandler } from "./handler.ts";
import { served } from "./settings.ts";

let shipped: Shipping<"rotate-postgres"> | undefined;

/** Made anew for each step: connections do not outlive the pause in which Lambda freezes the function. */
function clients(): Clients {
  const aws = awsOf(process.env);
  const { address, ca, ...login } = vaultAccess(process.env);
  shipped ??= JSON.parse(
    readFileSync(new URL("model.json", import.meta.url), "utf8"),
  ) as Shipping<"rotate-postgres">;
  const users = served(process.env, shipped.model);
  const model = { vault: { mounts: { database: "database" as const } } };
  return {
    served: users,
    store: new SecretsManager(aws),
    vault: new Vault({ address, ...(ca !== undefined && { ca }) }),
    login: { ...login, aws },
    async reach(vault) {
      const { databaseReach } = await import("../../operations/rotation/connect.ts");
      return databaseReach({ vault, model });
    },
  };
}

export const handler = makeHandler(clients);
