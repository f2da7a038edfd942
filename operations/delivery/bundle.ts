import type { Vault } from "../../clients/vault.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Consumer, Model, Secret, Service } from "../../model/model.ts";
import type { Fields } from "../values/shape.ts";
import { type Bundle, DeliveryError } from "./sink.ts";

/** A consumer's path of one service, with the secret that it is for. */
interface OwnPath {
  secret: Secret;
  consumer: Consumer;
}

interface Found {
  fields: Fields;
  version: number;
  createdAt: string;
}

/**
 * Reads what a service is delivered: its own paths and its settings.
 * @param reader logged in as the service itself (which may read no other path), or as the rotation role
 * @throws DeliveryError for an unknown service, VaultError, VaultUnreachableError
 */
export async function bundleOf(
  reader: Vault,
  model: Pick<Model, "vault" | "services" | "secrets" | "settings">,
  service: string,
): Promise<Bundle> {
  const known = serviceNamed(model, service);
  const paths = pathsOf(model, service);
  const found = await Promise.all(
    paths.map(({ consumer }) => readPath(reader, model.vault.mounts.kv, consumer.path)),
  );
  const bundle: Bundle = {
    service: known,
    variables: {},
    files: {},
    versions: {},
    origins: { variables: {}, files: {} },
    writtenAt: {},
    missing: [],
  };
  for (const { name, value, services } of model.settings) {
    if (!services.includes(service)) continue;
    bundle.variables[name] = value;
    bundle.origins.variables[name] = undefined;
  }
  for (const [index, { secret, consumer }] of paths.entries()) add(bundle, secret, consumer, found[index]);
  return bundle;
}

/** @throws DeliveryError where the catalogue has no such service, or has retired it */
export function serviceNamed({ services }: Pick<Model, "services">, id: string): Service {
  const found = services.find((service) => service.id === id);
  if (found === undefined) {
    const known = services.map((service) => service.id).join(", ");
    throw new DeliveryError(`the catalogue has no such service; it has ${known}`);
  }
  if (found.retired !== undefined) {
    throw new DeliveryError(`${id} is retired since ${found.retired.since}: ${found.retired.reason}`);
  }
  return found;
}

/** Where each variable of a service comes from, for people: path and field, or the catalogue's settings. No value. */
export function originsOf(
  model: Pick<Model, "vault" | "services" | "secrets" | "settings">,
  service: string,
): { variable: string; from: string; file?: string }[] {
  const { kv } = model.vault.mounts;
  const settings = model.settings
    .filter(({ services }) => services.includes(service))
    .map(({ name }) => ({ variable: name, from: "settings of the catalogue" }));
  const secrets = pathsOf(model, service).flatMap(({ consumer }) =>
    Object.entries(consumer.as).map(([variable, field]) => {
      const file = consumer.files[variable];
      return { variable, from: `${kv}/${consumer.path}#${field}`, ...(file !== undefined && { file }) };
    }),
  );
  return [...settings, ...secrets].sort((a, b) => (a.variable < b.variable ? -1 : 1));
}

function pathsOf({ secrets }: Pick<Model, "secrets">, service: string): OwnPath[] {
  return secrets.flatMap((secret) =>
    secret.consumers
      .filter((consumer) => consumer.kind === "service" && consumer.id === service)
      .map((consumer) => ({ secret, consumer })),
  );
}

/** https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version */
async function readPath(reader: Vault, mount: string, path: string): Promise<Found | undefined> {
  const answer = await reader.read<{
    data: Fields | null;
    metadata: { version: number; created_time: string };
  }>(`${mount}/data/${path}`);
  if (!answer?.data) return undefined;
  const { version, created_time: createdAt } = answer.metadata;
  return { fields: answer.data, version, createdAt };
}

function add(bundle: Bundle, of: Secret, consumer: Consumer, found: Found | undefined): void {
  const secret = keptId(of);
  for (const [variable, field] of Object.entries(consumer.as)) {
    const value = found?.fields[field];
    if (value === undefined) {
      bundle.missing.push({ variable, secret, ...(secret !== of.id && { renamed: of.id }) });
      continue;
    }
    const file = consumer.files[variable];
    bundle.variables[variable] = file ?? value;
    bundle.origins.variables[variable] = secret;
    if (file === undefined) continue;
    bundle.files[file] = value;
    bundle.origins.files[file] = secret;
  }
  if (found === undefined) return;
  bundle.writtenAt[secret] = found.createdAt;
  bundle.versions[secret] = found.version;
}
