import { Vault } from "../../clients/vault.ts";
import { emulatorEndpoint, emulatorProblem } from "./emulator/index.ts";
import { isHome, layout } from "./home.ts";
import { issuerProblem, issuerUrl } from "./issuer/index.ts";
import { postgresProblem } from "./postgres-server.ts";
import { readIfThere } from "./private-file.ts";
import { type ProcessName, ProcessTable, type ServiceName, serviceNames } from "./process-table.ts";
import { vaultAddress, vaultProblem } from "./vault-server.ts";

export interface ServiceStatus<Name extends ProcessName = ServiceName> {
  name: Name;
  state: "running" | "stopped" | "sealed" | "unhealthy";
  /** Why it is not serving, where it is not. */
  reason?: string;
  pid?: number;
  address?: string;
  log: string;
}

/** What each service of a state folder is doing. Starts nothing and changes nothing. */
export async function statusOf(home: string): Promise<ServiceStatus[]> {
  const at = layout(home);
  const log = (name: ServiceName) => `${at.logs}/${name}.log`;
  if (!(await isHome(home))) {
    return serviceNames.map((name) => ({
      name,
      state: "stopped",
      reason: "never started here",
      log: log(name),
    }));
  }
  const table = await ProcessTable.read(home);
  const ca = (await readIfThere(at.tls.ca)) ?? "";
  return Promise.all(
    serviceNames.map(async (name): Promise<ServiceStatus> => {
      const running = await table.find(name);
      const recorded = table.recorded(name);
      if (running === undefined) {
        return {
          name,
          state: "stopped",
          ...(recorded !== undefined && {
            reason: `process ${recorded.pid} ended by itself or was killed; its log may say why`,
          }),
          log: log(name),
        };
      }
      const { pid, port } = running;
      const known = { name, pid, address: addressOf(name, port), log: log(name) };
      const problem = await problemOf(name, { home, port, ca });
      if (problem === undefined) return { ...known, state: "running" };
      return { ...known, state: problem === "it is sealed" ? "sealed" : "unhealthy", reason: problem };
    }),
  );
}

function addressOf(name: ServiceName, port: number): string {
  if (name === "postgres") return `127.0.0.1:${port}`;
  if (name === "aws") return emulatorEndpoint(port);
  return name === "vault" ? vaultAddress(port) : issuerUrl(port);
}

async function problemOf(
  name: ServiceName,
  { home, port, ca }: { home: string; port: number; ca: string },
): Promise<string | undefined> {
  if (name === "postgres") return postgresProblem({ home, port, ca });
  if (name === "issuer") return issuerProblem(issuerUrl(port), ca);
  if (name === "aws") return emulatorProblem(home, emulatorEndpoint(port));
  const client = new Vault({ address: vaultAddress(port), ca, timeout: 10_000 });
  try {
    return await vaultProblem(client);
  } finally {
    await client.close();
  }
}
