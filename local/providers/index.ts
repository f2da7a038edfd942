import { Vault } from "../../clients/vault.ts";
import { Provider } from "./provider.ts";
import { serve } from "./server.ts";
import { vaultKinds } from "./vault/index.ts";

/** Version of the official plugin whose types are served. */
const version = "7.8.0";

/**
 * Serves the Vault resource types that `infra/` declares to the engine, against a live Vault.
 * `token` is asked before every request, so that a run can change tokens half-way.
 * The engine finds it by PULUMI_DEBUG_PROVIDERS=vault:PORT.
 */
export async function startVaultProvider(options: {
  address: string;
  ca: string;
  token: () => string;
}): Promise<{ port: number; close(): Promise<void> }> {
  const vault = new Vault({ address: options.address, ca: options.ca });
  const server = await serve(new Provider(vaultKinds, () => vault.with(options.token())), version);
  return {
    port: server.port,
    close: async () => {
      await server.close();
      await vault.close();
    },
  };
}
