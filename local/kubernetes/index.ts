import { mkdir } from "node:fs/promises";
import type { Report } from "../progress.ts";
import { ensureCa, ensureLeaf } from "../services/certificates.ts";
import { holdServices, isHome, layout, prepareHome } from "../services/home.ts";
import { ServicesDownError, stopService } from "../services/index.ts";
import { becomesFree, freePort, startOrMove } from "../services/ports.ts";
import {
  type KubernetesPortName,
  kubernetesNames,
  kubernetesPortNames,
  ProcessTable,
} from "../services/process-table.ts";
import { findTool } from "../toolchain/index.ts";
import { KubernetesApi } from "./api.ts";
import { adminToken, apiServerAddress, startApiServer } from "./api-server.ts";
import { etcdClient, startEtcd } from "./etcd.ts";

export {
  type AccountToken,
  deleteServiceAccount,
  ensureReviewer,
  ensureServiceAccount,
  requestToken,
  type ServiceAccount,
} from "./accounts.ts";
export { KubernetesApi, KubernetesError, KubernetesUnreachableError } from "./api.ts";
export { reviewLogins } from "./review.ts";
export { kubernetesStatus } from "./status.ts";

/**
 * The real Kubernetes API, without a kubelet and without controllers: accounts, tokens, reviews, Secrets and custom
 * resources are real, pods are not.
 */
export interface LocalKubernetes {
  /** The state folder's real path. */
  home: string;
  /** e.g. https://127.0.0.1:6443 */
  host: string;
  /** PEM of the local CA. */
  ca: string;
  /** The administrator's token (mode 600): the first field of its line. */
  tokensFile: string;
}

/**
 * Starts etcd and the Kubernetes API server of a state folder where they do not run. Repeating it changes nothing.
 * The first time on a machine the tools are built, which takes minutes.
 * @throws ServiceError for one that does not come up, ToolchainError, HomeError; each says what to do.
 */
export async function startKubernetes(
  home: string,
  { report }: { report: Report },
): Promise<LocalKubernetes> {
  const etcd = await findTool("etcd", report);
  const apiServer = await findTool("kube-apiserver", report);
  const root = await prepareHome(home);
  using _held = await holdServices(root, { report });
  const at = layout(root);
  for (const folder of [at.logs, at.kubernetes.folder]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const { ca } = await ensureCa(root);
  const table = await ProcessTable.read(root);
  const renewed = [
    await ensureLeaf(root, "etcd"),
    await ensureLeaf(root, etcdClient, { use: "client" }),
    await ensureLeaf(root, "kube-apiserver"),
  ].includes(true);
  const { ports, moved } = await choosePorts(table);
  if (renewed || moved) {
    // What runs still has the old certificates, or looks for the other at its old port.
    for (const name of kubernetesNames) await stopService(table, name, () => {});
  }
  const common = { home: root, ca, table, report };
  const move = async (...names: KubernetesPortName[]) => {
    for (const name of names) ports[name] = await chooseAnew(name, table);
  };
  await startOrMove(
    () => startEtcd({ ...common, executable: etcd, port: ports.etcd, peerPort: ports["etcd-peer"] }),
    () => move("etcd", "etcd-peer"),
  );
  await startOrMove(
    () =>
      startApiServer({
        ...common,
        executable: apiServer,
        port: ports["kube-apiserver"],
        etcdPort: ports.etcd,
      }),
    () => move("kube-apiserver"),
  );
  return kubernetesAt(root, ports["kube-apiserver"], ca);
}

/** Stops both, the API server first. What they hold stays; stopServices with deleteData removes it. */
export async function stopKubernetes(home: string, { report }: { report: Report }): Promise<void> {
  if (!(await isHome(home))) return;
  const root = await prepareHome(home);
  using _held = await holdServices(root, { report });
  const table = await ProcessTable.read(root);
  for (const name of kubernetesNames) await stopService(table, name, report);
}

/** A client with the administrator's rights. @throws ServicesDownError where Kubernetes was never started. */
export async function administrator({ home, host, ca }: LocalKubernetes): Promise<KubernetesApi> {
  const token = await adminToken(home);
  if (token === undefined) throw new ServicesDownError(`Kubernetes was never started in ${home}.`);
  return new KubernetesApi({ host, ca, token });
}

function kubernetesAt(root: string, port: number, ca: string): LocalKubernetes {
  return { home: root, host: apiServerAddress(port), ca, tokensFile: layout(root).kubernetes.tokens };
}

type Ports = Record<KubernetesPortName, number>;

/** Where each listens: where it did before, unless someone else took the port meanwhile. */
async function choosePorts(table: ProcessTable): Promise<{ ports: Ports; moved: boolean }> {
  const chosen: Partial<Ports> = {};
  let moved = false;
  for (const name of kubernetesPortNames) {
    const remembered = table.port(name);
    const running = await table.find(name === "etcd-peer" ? "etcd" : name);
    if (remembered !== undefined && (running !== undefined || (await becomesFree(remembered)))) {
      chosen[name] = remembered;
      continue;
    }
    moved = true;
    chosen[name] = await chooseAnew(name, table);
  }
  return { ports: chosen as Ports, moved };
}

async function chooseAnew(name: KubernetesPortName, table: ProcessTable): Promise<number> {
  const port = await freePort(table.ports());
  await table.rememberPort(name, port);
  return port;
}
