import { type Vault, VaultError } from "../../clients/vault.ts";
import type { Fields } from "./shape.ts";

/** What is known about a path without reading its value. */
export interface PathState {
  /** 0 where nothing was ever written. */
  version: number;
  /** The latest version was deleted or destroyed by someone. */
  gone: boolean;
  custom: Record<string, string>;
}

/** Someone else wrote the path at the same time. */
export class ConflictError extends Error {
  override name = "ConflictError";
}

interface Metadata {
  current_version: number;
  custom_metadata: Record<string, string> | null;
  versions: Record<string, { deletion_time: string; destroyed: boolean }>;
}

/** The state of one path of a KV v2 mount. */
export async function stateOf(vault: Vault, mount: string, path: string): Promise<PathState> {
  const metadata = await vault.read<Metadata>(`${mount}/metadata/${path}`);
  if (metadata === undefined) return { version: 0, gone: false, custom: {} };
  const latest = metadata.versions[String(metadata.current_version)];
  return {
    version: metadata.current_version,
    gone: latest !== undefined && (latest.destroyed || latest.deletion_time !== ""),
    custom: metadata.custom_metadata ?? {},
  };
}

/** The fields of the latest version, or of a given one; undefined where there is none, or it was destroyed. */
export async function readFields(
  vault: Vault,
  mount: string,
  path: string,
  version?: number,
): Promise<Fields | undefined> {
  const query = version === undefined ? undefined : { version };
  return (await vault.read<{ data: Fields | null }>(`${mount}/data/${path}`, query))?.data ?? undefined;
}

/**
 * Destroys every version before `keep`, by default before the latest; what is destroyed already is left out.
 * @param except versions that stay all the same
 */
export async function destroyBefore(
  vault: Vault,
  mount: string,
  path: string,
  keep?: number,
  except: readonly number[] = [],
): Promise<number> {
  const metadata = await vault.read<Metadata>(`${mount}/metadata/${path}`);
  const first = keep ?? metadata?.current_version ?? 0;
  const versions = Object.entries(metadata?.versions ?? {})
    .filter(([version, { destroyed }]) => Number(version) < first && !destroyed)
    .map(([version]) => Number(version))
    .filter((version) => !except.includes(version));
  if (versions.length > 0) await vault.write(`${mount}/destroy/${path}`, { versions });
  return versions.length;
}

/**
 * Writes a version, provided that `after` is still the latest one (check-and-set; 0: none yet).
 * @returns the new version
 * @throws ConflictError when it is not
 */
export async function writeFields(
  vault: Vault,
  mount: string,
  path: string,
  { fields, after }: { fields: Fields; after: number },
): Promise<number> {
  return (await writeVersion(vault, mount, path, { data: fields, after })).version;
}

/** The same for any data, with the time by Vault's clock. */
export async function writeVersion(
  vault: Vault,
  mount: string,
  path: string,
  { data, after }: { data: object; after: number },
): Promise<{ version: number; at: Date }> {
  try {
    const body = { data, options: { cas: after } };
    const answer = await vault.write<{ version: number; created_time: string }>(
      `${mount}/data/${path}`,
      body,
    );
    return { version: answer.data.version, at: new Date(answer.data.created_time) };
  } catch (error) {
    if (error instanceof VaultError && error.status === 400 && /check-and-set/.test(error.message)) {
      throw new ConflictError(`${path} was written by someone else meanwhile; run the same command again`);
    }
    throw error;
  }
}

/** Sets the custom metadata of a path: what others may know of its latest version. Never a value. */
export async function describe(
  vault: Vault,
  mount: string,
  path: string,
  custom: Record<string, string>,
): Promise<void> {
  await vault.write(`${mount}/metadata/${path}`, { custom_metadata: custom });
}

/** Keyed hashes of fields, so that they can be compared without being read. One call for all fields. */
export async function fingerprints(
  vault: Vault,
  { transit, key }: { transit: string; key: string },
  fields: Fields,
): Promise<Record<string, string>> {
  const names = Object.keys(fields).sort();
  if (names.length === 0) return {};
  const { data } = await vault.write<{ batch_results: { hmac?: string; error?: string }[] }>(
    `${transit}/hmac/${key}`,
    { batch_input: names.map((name) => ({ input: Buffer.from(fields[name] ?? "").toString("base64") })) },
  );
  return Object.fromEntries(
    names.map((name, index) => {
      const hmac = data.batch_results[index]?.hmac;
      if (hmac === undefined) throw new Error(`Vault made no fingerprint of the field ${name} with ${key}`);
      return [`fingerprint-${name}`, hmac];
    }),
  );
}
