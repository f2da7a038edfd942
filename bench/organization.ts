/**
 * Generated organizations, as the texts of a catalogue. Every hundred secrets are a system with ten services, two
 * CI jobs, a database with two dynamic users and two encryption keys: the proportions of the five real ones.
 */
import { stringify } from "yaml";

const perSystem = { secrets: 100, services: 10, jobs: 2 };

/** A catalogue of so many secrets. The same number always gives the same texts. */
export function generateOrganization(secrets: number): Record<string, string> {
  const files: Record<string, string> = { "organization.yaml": organization() };
  for (let first = 0, index = 0; first < secrets; first += perSystem.secrets, index++) {
    const count = Math.min(perSystem.secrets, secrets - first);
    files[`systems/${systemName(index)}.yaml`] = stringify({
      ...system(index, perSystem.services, count),
      databases: { main: database(index) },
    });
  }
  return files;
}

/** Resources of the platform itself, and of one system of five services, two jobs and two keys. */
const resources = { platform: 50, system: 16 };

/** A catalogue whose local Vault takes about so many resources: policies, roles and keys, in many systems. */
export function organizationOf(count: number): Record<string, string> {
  const systems = Math.max(1, Math.round((count - resources.platform) / resources.system));
  const files: Record<string, string> = { "organization.yaml": organization() };
  for (let index = 0; index < systems; index++) {
    files[`systems/${systemName(index)}.yaml`] = stringify(system(index, 5, 10));
  }
  return files;
}

function systemName(index: number): string {
  return `system-${String(index).padStart(4, "0")}`;
}

function organization(): string {
  return stringify({
    organization: "acme",
    platform: { repository: { name: "acme/secrets", id: 1, "owner-id": 2 } },
    people: {
      ada: { email: "ada@acme.example", groups: ["platform"] },
      ben: { email: "ben@acme.example", groups: ["platform"] },
    },
    administrators: ["ada", "ben"],
    contacts: { security: "security@acme.example", "on-call": "oncall@acme.example" },
    groups: { platform: { purpose: "Runs the platform", audits: true } },
    environments: { local: {} },
  });
}

/** The secrets' kinds take turns; each secret has two consumers. */
function system(index: number, services: number, secrets: number): Record<string, unknown> {
  const service = (number: number) => `service-${number % services}`;
  const named = <V>(count: number, name: string, value: (number: number) => V) =>
    Object.fromEntries(Array.from({ length: count }, (_, number) => [`${name}-${number}`, value(number)]));
  return {
    system: systemName(index),
    owner: "ada",
    repository: { name: `acme/${systemName(index)}`, id: 1000 + index, "owner-id": 2 },
    ci: named(perSystem.jobs, "job", (number) => ({
      workflow: `job-${number}.yml`,
      reads: [`secret-${number}`],
    })),
    services: named(services, "service", () => ({ "runs-on": "compose", user: 1000, reload: "restart" })),
    secrets: named(secrets, "secret", (number) => ({
      class: number % 3 === 0 ? "critical" : "sensitive",
      ...kinds[number % kinds.length],
      consumers: {
        [service(number)]: {
          role: "listener",
          as: { [`SECRET_${number}_FILE`]: fieldOf(number), ...before(number) },
        },
        [service(number + 1)]: { role: "signer", as: { [`SECRET_${number}_FILE`]: fieldOf(number) } },
      },
    })),
    "encryption-keys": named(2, "key", () => ({
      rotate: { every: "90d" },
      retain: "30d",
      consumers: { [service(0)]: ["encrypt", "decrypt"] },
    })),
  };
}

const kinds = [
  { kind: "hmac", rotate: { every: "30d", overlap: "24h" }, idle: "none" },
  { kind: "token", rotate: { every: "180d" } },
  { kind: "api-key", rotate: { by: "hand", every: "90d" } },
  { kind: "password", rotate: { by: "hand", every: "90d" }, probe: { command: ["check"] } },
];

function fieldOf(number: number): string {
  return ["primary", "token", "key", "password"][number % kinds.length] ?? "primary";
}

/** Listeners accept the value before as well, of the kinds that keep it. */
function before(number: number): Record<string, string> {
  const field = ["secondary", "previous"][number % kinds.length];
  return field === undefined ? {} : { [`SECRET_${number}_BEFORE_FILE`]: field };
}

/** Postgres knows roles by server, so each system's group has a name of its own. */
function database(index: number): Record<string, unknown> {
  const group = `readers_${index}`;
  return {
    engine: "postgres",
    at: { local: {} },
    groups: { [group]: { grants: [{ schema: "public", tables: ["select"] }] } },
    users: {
      "service-0": { "member-of": group, ttl: "15m" },
      "service-1": { "member-of": group, ttl: "1h" },
    },
  };
}
