import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Delivery, Service } from "../../../model/model.ts";
import type { Bundle } from "../../../operations/delivery/sink.ts";

/** A folder of a test's own, that stands for a host's root. */
export interface TestHost extends AsyncDisposable {
  root: string;
  runs: string;
}

export async function testHost(): Promise<TestHost> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-host-"));
  return {
    root: join(folder, "root"),
    runs: join(folder, "runs"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

export function serviceOf(name: string, deliver: Delivery[], more: Partial<Service> = {}): Service {
  return {
    id: `shop/${name}`,
    system: "shop",
    name,
    runsOn: "supervisor",
    settles: 0,
    reload: "watch",
    policy: `shop.${name}`,
    deliver,
    ...more,
  };
}

/** A bundle as it would be read from Vault: of each secret its version and what it brings. */
export function bundleFor(
  service: Service,
  secrets: Record<
    string,
    {
      version?: number;
      writtenAt?: string;
      variables?: Record<string, string>;
      files?: Record<string, string>;
    }
  >,
  settings: Record<string, string> = {},
): Bundle {
  const bundle: Bundle = {
    service,
    variables: { ...settings },
    files: {},
    versions: {},
    origins: {
      variables: Object.fromEntries(Object.keys(settings).map((name) => [name, undefined])),
      files: {},
    },
    writtenAt: {},
    missing: [],
  };
  for (const [
    id,
    { version = 1, writtenAt = "2026-01-01T00:00:00Z", variables = {}, files = {} },
  ] of Object.entries(secrets)) {
    bundle.versions[id] = version;
    bundle.writtenAt[id] = writtenAt;
    for (const [name, value] of Object.entries(variables)) {
      bundle.variables[name] = value;
      bundle.origins.variables[name] = id;
    }
    for (const [name, value] of Object.entries(files)) {
      const variable = `${name.toUpperCase()}_FILE`;
      bundle.variables[variable] = name;
      bundle.origins.variables[variable] = id;
      bundle.files[name] = value;
      bundle.origins.files[name] = id;
    }
  }
  return bundle;
}
