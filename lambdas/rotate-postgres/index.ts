import { SecretsManager } from "../../clients/secrets-manager.ts";
import { Vault } from "../../clients/vault.ts";
import { awsOf, vaultAccess } from "../settings.ts";
import { type Clients, makeHandler } from "./handler.ts";
import { served } from "./settings.ts";

/** Made anew for each step: connections do not outlive the pause in which Lambda freezes the function. */
function clients(): Clients {
  const aws = awsOf(process.env);
  const { address, ca, ...login } = vaultAccess(process.env);
  const users = served(process.env);
  const model = { vault: { mounts: { database: "database" as const } } };
  return {
    served: users,
    store: new SecretsManager(aws),
    vault: new Vault({ address, ...(ca !== undefined && { ca }) }),
    login: { ...login, aws },
    async reach(vault) {
      const { databaseReach } = await import("../../operations/rotation/connect.ts");
      return databaseReach({ vault, model, ...(users.ca !== undefined && { ca: users.ca }) });
    },
  };
}

export const handler = makeHandler(clients);
