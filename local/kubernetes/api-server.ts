import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Report } from "../progress.ts";
import { waitUntilHealthy } from "../services/health.ts";
import { layout } from "../services/home.ts";
import { readIfThere, writePrivate } from "../services/private-file.ts";
import { lastArguments, type ProcessTable, sizeOf } from "../services/process-table.ts";
import { KubernetesApi } from "./api.ts";
import { etcdAddress, etcdClient } from "./etcd.ts";

/** Who the tokens of service accounts say that they are from; also the audience of those for the API itself. */
const tokenIssuer = "https://kubernetes.default.svc.cluster.local";

export function apiServerAddress(port: number): string {
  return `https://127.0.0.1:${port}`;
}

/** Starts the API server where it does not run. @throws ServiceError, saying what to do. */
export async function startApiServer(start: {
  home: string;
  executable: string;
  port: number;
  etcdPort: number;
  ca: string;
  table: ProcessTable;
  report: Report;
}): Promise<void> {
  const { home, executable, port, ca, table, report } = start;
  const log = `${layout(home).logs}/kube-apiserver.log`;
  const token = await ensureAdminToken(home);
  await ensureAccountKey(home);
  let running = await table.find("kube-apiserver");
  const unchanged = running !== undefined;
  const logStart = unchanged ? 0 : await sizeOf(log);
  if (running === undefined) {
    report({ subject: "kube-apiserver", state: "started", text: `starting on ${apiServerAddress(port)}` });
    const command = [executable, ...apiServerFlags(home, start), ...lastArguments(home, "kube-apiserver")];
    running = await table.launch({ name: "kube-apiserver", command, port, log });
  }
  const api = new KubernetesApi({ host: apiServerAddress(port), ca, token, timeout: 5_000 });
  try {
    await waitUntilHealthy({
      name: "kube-apiserver",
      process: running,
      logStart,
      probe: () => apiServerProblem(api),
    });
  } finally {
    await api.close();
  }
  report({
    subject: "kube-apiserver",
    state: unchanged ? "unchanged" : "done",
    text: `running on ${apiServerAddress(port)}`,
  });
}

/** Everything but the file of tokens, which comes last. None holds a secret. */
function apiServerFlags(home: string, { port, etcdPort }: { port: number; etcdPort: number }): string[] {
  const { kubernetes, tls } = layout(home);
  const flags = {
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "secure-port": port,
    "tls-cert-file": tls.leaf("kube-apiserver"),
    "tls-private-key-file": tls.leaf("kube-apiserver"),
    "etcd-servers": etcdAddress(etcdPort),
    "etcd-cafile": tls.ca,
    "etcd-certfile": tls.leaf(etcdClient),
    "etcd-keyfile": tls.leaf(etcdClient),
    "authorization-mode": "RBAC",
    "anonymous-auth": false,
    "service-account-issuer": tokenIssuer,
    "service-account-key-file": kubernetes.accountKey,
    "service-account-signing-key-file": kubernetes.accountKey,
    // No pod and no network are behind it: nothing uses the range, and its own address is nobody's endpoint.
    "service-cluster-ip-range": "10.96.0.0/24",
    "endpoint-reconciler-type": "none",
    profiling: false,
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

/** What keeps the API server from serving; undefined when it serves. */
export async function apiServerProblem(api: KubernetesApi): Promise<string | undefined> {
  try {
    await api.text("GET", "/readyz");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The administrator's token, from the file that the API server reads (mode 600): `token,user,uid,"groups"`. */
export async function adminToken(home: string): Promise<string | undefined> {
  return (await readIfThere(layout(home).kubernetes.tokens))?.split(",")[0];
}

async function ensureAdminToken(home: string): Promise<string> {
  const known = await adminToken(home);
  if (known !== undefined) return known;
  const token = randomBytes(32).toString("hex");
  // The first roles have to be made by someone whom no role allows it: that is this group.
  const text = `${token},keyplane-admin,keyplane-admin,"system:masters"\n`;
  await writePrivate(layout(home).kubernetes.tokens, text);
  return token;
}

/** The key that signs the service accounts' tokens; with another one, every token given so far is void. */
async function ensureAccountKey(home: string): Promise<void> {
  const { kubernetes } = layout(home);
  if ((await readIfThere(kubernetes.accountKey)) !== undefined) return;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writePrivate(kubernetes.accountKey, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
}
