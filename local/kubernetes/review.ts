import type { Vault } from "../../clients/vault.ts";
import { ensureReviewer, requestToken, type ServiceAccount } from "./accounts.ts";
import type { KubernetesApi } from "./api.ts";

/** Vault's own service account in the local Kubernetes. */
export const reviewer: ServiceAccount = { namespace: "vault", name: "vault" };

interface Config {
  kubernetes_host: string;
  kubernetes_ca_cert: string;
  disable_local_ca_jwt: boolean;
  disable_iss_validation: boolean;
  issuer: string;
  pem_keys: string[];
}

/**
 * Gives Vault a token of its own to ask Kubernetes whose the tokens at its login are, as Vault in a cluster has from
 * its pod. Without one it would ask with the very token that logs in, and one for the audience "vault" alone cannot
 * call the API. It is a value, so Pulumi does not write it; it ends after `seconds`, and Vault's configuration has to
 * be written whole, so a change of it by Pulumi asks for this again.
 * @param vault With a token that may write `auth/<mount>/config`, such as keyplane.deploy's.
 */
export async function reviewLogins(
  api: KubernetesApi,
  vault: Vault,
  { mount, seconds = 24 * 3600 }: { mount: string; seconds?: number },
): Promise<void> {
  const config = await vault.read<Config>(`auth/${mount}/config`);
  if (config === undefined) {
    throw new Error(
      `auth/${mount} has no configuration: give the environment vault.kubernetes.host, then run \`keyplane up\``,
    );
  }
  await ensureReviewer(api, reviewer);
  const { token } = await requestToken(api, reviewer, { seconds });
  await vault.write(`auth/${mount}/config`, {
    kubernetes_host: config.kubernetes_host,
    kubernetes_ca_cert: config.kubernetes_ca_cert,
    disable_local_ca_jwt: config.disable_local_ca_jwt,
    disable_iss_validation: config.disable_iss_validation,
    issuer: config.issuer,
    pem_keys: config.pem_keys,
    token_reviewer_jwt: token,
  });
}
