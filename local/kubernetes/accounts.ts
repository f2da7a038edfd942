import type { KubernetesApi } from "./api.ts";

/** What a pod runs as. */
export interface ServiceAccount {
  namespace: string;
  name: string;
}

/** A token of a service account, bound to an audience and an end. */
export interface AccountToken {
  token: string;
  expires: Date;
}

/** Makes the namespace and the service account where they are not there yet. */
export async function ensureServiceAccount(api: KubernetesApi, account: ServiceAccount): Promise<void> {
  await api.ensure("/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: account.namespace },
  });
  await api.ensure(collection(account), {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: account.name },
    // Nothing here mounts a token by itself: a pod asks for the audience that it needs.
    automountServiceAccountToken: false,
  });
}

/** Deletes the account; every token that it was given stops being valid with it. */
export async function deleteServiceAccount(api: KubernetesApi, account: ServiceAccount): Promise<void> {
  await api.delete(`${collection(account)}/${account.name}`);
}

/**
 * Asks for a token as the kubelet does for a pod (TokenRequest).
 * @param seconds Kubernetes gives no less than 600.
 * @param audiences The API server's own when absent.
 */
export async function requestToken(
  api: KubernetesApi,
  account: ServiceAccount,
  { audiences, seconds = 600 }: { audiences?: string[]; seconds?: number } = {},
): Promise<AccountToken> {
  const { status } = await api.create<{ status: { token: string; expirationTimestamp: string } }>(
    `${collection(account)}/${account.name}/token`,
    {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { ...(audiences !== undefined && { audiences }), expirationSeconds: seconds },
    },
  );
  return { token: status.token, expires: new Date(status.expirationTimestamp) };
}

/** Makes a service account that may ask the API whose a token is (system:auth-delegator), and nothing else. */
export async function ensureReviewer(api: KubernetesApi, account: ServiceAccount): Promise<void> {
  await ensureServiceAccount(api, account);
  await api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: `keyplane:reviewer:${account.namespace}:${account.name}` },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:auth-delegator" },
    subjects: [{ kind: "ServiceAccount", ...account }],
  });
}

function collection({ namespace }: ServiceAccount): string {
  return `/api/v1/namespaces/${namespace}/serviceaccounts`;
}
