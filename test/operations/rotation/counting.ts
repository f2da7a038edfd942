import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { Model, Service } from "../../../model/model.ts";
import type { Clock } from "../../../operations/rotation/clock.ts";
import { errorSourcesOf, type SourceOptions } from "../../../operations/rotation/error-sources.ts";
import { ErrorWatch } from "../../../operations/rotation/watch.ts";
import { serviceOf } from "../delivery/services.ts";

/** The clock of a run, that the watch reads and waits on; each wait does what would happen meanwhile. */
export class TestClock implements Clock {
  time = Date.parse("2026-01-01T00:00:00Z");
  meanwhile: () => unknown = () => {};
  now(): Date {
    return new Date(this.time);
  }
  async sleep(milliseconds: number): Promise<void> {
    await this.meanwhile();
    this.time += milliseconds;
  }
  pass(seconds: number): void {
    this.time += seconds * 1000;
  }
}

/** A process of a service that exposes metrics over HTTP. */
export interface Instance {
  url: string;
  metrics: Record<string, number>;
  server: Server;
}

export async function instance(t: TestContext, metrics: Record<string, number>): Promise<Instance> {
  const found: Instance = { url: "", metrics, server: createServer() };
  found.server.on("request", (request, response) => {
    if (request.url !== "/metrics") return response.writeHead(404).end();
    response.end(
      `# TYPE x counter\n${Object.entries(found.metrics)
        .map(([name, value]) => `${name} ${value}\n`)
        .join("")}`,
    );
  });
  await new Promise<void>((resolve) => found.server.listen(0, "127.0.0.1", resolve));
  found.url = `http://127.0.0.1:${(found.server.address() as AddressInfo).port}`;
  t.after(() => close(found));
  return found;
}

export async function close({ server }: Instance): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export const roles: Pick<Model, "appRoles" | "kubernetesRoles"> = {
  appRoles: [
    {
      name: "shop.api",
      service: "shop/api",
      deliveredBy: "ada",
      policies: [],
      secretIdTtl: 1,
      secretIdUses: 1,
      cidrs: [],
      ttl: 1,
      maxTtl: 1,
    },
  ],
  kubernetesRoles: [],
};

export function watchOf(service: Service, options: Partial<SourceOptions> = {}): ErrorWatch {
  const sources = errorSourcesOf(roles, [service], { fetch, ...options });
  return new ErrorWatch(sources, { window: 30 });
}

export const observed = (instances: Instance[]): Service =>
  serviceOf("api", [], { observe: { instances: instances.map(({ url }) => url), metrics: "/metrics" } });
