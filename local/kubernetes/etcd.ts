import { mkdir } from "node:fs/promises";
import { Agent, request } from "undici";
import type { Report } from "../progress.ts";
import { waitUntilHealthy } from "../services/health.ts";
import { layout } from "../services/home.ts";
import { readIfThere, writePrivate } from "../services/private-file.ts";
import { lastArguments, type ProcessTable, sizeOf } from "../services/process-table.ts";

/** The certificate that the API server shows to etcd; nobody else has one. */
export const etcdClient = "etcd-client";

export function etcdAddress(port: number): string {
  return `https://127.0.0.1:${port}`;
}

/**
 * One member, on loopback. Whoever reaches its ports reads every Secret, so both ask for a client certificate of
 * the local CA, of which there is one: the API server's.
 */
export function etcdSettings(home: string, { port, peerPort }: { port: number; peerPort: number }): object {
  const { kubernetes, tls } = layout(home);
  const security = {
    "cert-file": tls.leaf("etcd"),
    "key-file": tls.leaf("etcd"),
    "client-cert-auth": true,
    "trusted-ca-file": tls.ca,
  };
  return {
    name: "local",
    "data-dir": kubernetes.data,
    "listen-client-urls": etcdAddress(port),
    "advertise-client-urls": etcdAddress(port),
    "listen-peer-urls": etcdAddress(peerPort),
    "initial-advertise-peer-urls": etcdAddress(peerPort),
    "initial-cluster": `local=${etcdAddress(peerPort)}`,
    "client-transport-security": security,
    "peer-transport-security": security,
    // It would call the server through the server's own certificate, which is not a client's.
    "enable-grpc-gateway": false,
    "log-level": "warn",
    "log-outputs": ["stderr"],
  };
}

/** Starts etcd where it does not run. @throws ServiceError, saying what to do. */
export async function startEtcd(start: {
  home: string;
  executable: string;
  port: number;
  peerPort: number;
  ca: string;
  table: ProcessTable;
  report: Report;
}): Promise<void> {
  const { home, executable, port, ca, table, report } = start;
  const { kubernetes, logs, tls } = layout(home);
  const log = `${logs}/etcd.log`;
  let running = await table.find("etcd");
  const unchanged = running !== undefined;
  const logStart = unchanged ? 0 : await sizeOf(log);
  if (running === undefined) {
    await mkdir(kubernetes.data, { recursive: true, mode: 0o700 });
    await writePrivate(
      kubernetes.etcdSettings,
      `${JSON.stringify(etcdSettings(home, start), undefined, 2)}\n`,
    );
    report({ subject: "etcd", state: "started", text: `starting on ${etcdAddress(port)}` });
    const command = [executable, ...lastArguments(home, "etcd")];
    running = await table.launch({ name: "etcd", command, port, log });
  }
  const client = await readIfThere(tls.leaf(etcdClient));
  await waitUntilHealthy({
    name: "etcd",
    process: running,
    logStart,
    probe: () => etcdProblem(port, { ca, cert: client, key: client }),
  });
  report({
    subject: "etcd",
    state: unchanged ? "unchanged" : "done",
    text: `running on ${etcdAddress(port)}`,
  });
}

/** What keeps etcd from serving; undefined when it serves. */
export async function etcdProblem(
  port: number,
  tls: { ca: string; cert: string | undefined; key: string | undefined },
): Promise<string | undefined> {
  const agent = new Agent({ connect: tls });
  try {
    const { statusCode, body } = await request(`${etcdAddress(port)}/health`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(5_000),
    });
    const text = await body.text();
    return statusCode === 200 ? undefined : `it answers ${statusCode}: ${text.slice(0, 200)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await agent.close();
  }
}
