import { isHome, layout } from "../services/home.ts";
import { readIfThere } from "../services/private-file.ts";
import { kubernetesNames, ProcessTable } from "../services/process-table.ts";
import type { ServiceStatus } from "../services/status.ts";
import { KubernetesApi } from "./api.ts";
import { adminToken, apiServerAddress, apiServerProblem } from "./api-server.ts";
import { etcdAddress, etcdClient, etcdProblem } from "./etcd.ts";

/**
 * What Kubernetes' API server and etcd of a state folder are doing: none where they were never started or were
 * stopped. Starts nothing and changes nothing.
 */
export async function kubernetesStatus(home: string): Promise<ServiceStatus<KubernetesName>[]> {
  if (!(await isHome(home))) return [];
  const table = await ProcessTable.read(home);
  const ca = (await readIfThere(layout(home).tls.ca)) ?? "";
  const status = kubernetesNames.map(async (name): Promise<ServiceStatus<KubernetesName>[]> => {
    const log = `${layout(home).logs}/${name}.log`;
    const running = await table.find(name);
    if (running === undefined) {
      const recorded = table.recorded(name);
      if (recorded === undefined) return [];
      const reason = `process ${recorded.pid} ended by itself or was killed; its log may say why`;
      return [{ name, state: "stopped", reason, log }];
    }
    const { pid, port } = running;
    const problem = await problems[name](home, port, ca);
    const known = { name, pid, address: addresses[name](port), log };
    return [
      problem === undefined
        ? { ...known, state: "running" }
        : { ...known, state: "unhealthy", reason: problem },
    ];
  });
  return (await Promise.all(status)).flat();
}

type KubernetesName = (typeof kubernetesNames)[number];

const addresses = { etcd: etcdAddress, "kube-apiserver": apiServerAddress };

const problems: Record<
  KubernetesName,
  (home: string, port: number, ca: string) => Promise<string | undefined>
> = {
  async "kube-apiserver"(home, port, ca) {
    const token = (await adminToken(home)) ?? "";
    const api = new KubernetesApi({ host: apiServerAddress(port), ca, token, timeout: 5_000 });
    try {
      return await apiServerProblem(api);
    } finally {
      await api.close();
    }
  },
  async etcd(home, port, ca) {
    const client = await readIfThere(layout(home).tls.leaf(etcdClient));
    return etcdProblem(port, { ca, cert: client, key: client });
  },
};
