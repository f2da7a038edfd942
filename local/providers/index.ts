import { Vault } from "../../clients/vault.ts";
import { Provider } from "./provider.ts";
import { serve } from "./server.ts";
import { vaultKinds } from "./vault/index.ts";

/** Versions of the official plugins whose types are served. */
const versions = { vault: "7.8.0", aws: "7.48.0" };

/** A provider that listens until it is closed. */
export interface ServedProvider {
  port: number;
  close(): Promise<void>;
}

/**
 * Serves the Vault resource types that `infra/` declares to the engine, against a live Vault.
 * `token` is asked before every request, so that a run can change tokens half-way.
 * The engine finds it by PULUMI_DEBUG_PROVIDERS=vault:PORT.
 */
export async function startVaultProvider(options: {
  address: string;
  ca: string;
  token: () => string;
}): Promise<ServedProvider> {
  const vault = new Vault({ address: options.address, ca: options.ca });
  const server = await serve(new Provider(vaultKinds, () => vault.with(options.token())), versions.vault);
  return {
    port: server.port,
    close: async () => {
      await server.close();
      await vault.close();
    },
  };
}

/**
 * Serves the AWS resource types that `infra/` declares, against the emulator: PULUMI_DEBUG_PROVIDERS=aws:PORT. AWS'
 * clients are loaded here only.
 */
export async function startAwsProvider(options: {
  endpoint: string;
  account: string;
  region: string;
}): Promise<ServedProvider> {
  const [{ awsKinds }, { clientsOf }] = await Promise.all([
    import("./aws/index.ts"),
    import("./aws/clients.ts"),
  ]);
  const aws = clientsOf(options);
  const server = await serve(new Provider(awsKinds, () => aws), versions.aws);
  return {
    port: server.port,
    close: async () => {
      await server.close();
      aws.close();
    },
  };
}
