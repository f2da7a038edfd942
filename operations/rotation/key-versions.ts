import { type Vault, VaultError } from "../../clients/vault.ts";
import type { EncryptionKey, Model } from "../../model/model.ts";
import { StillAcceptedError } from "./rotator.ts";

type At = { vault: Vault; model: Pick<Model, "vault"> };

/** What Vault says of a transit key; https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key */
export interface KeyVersions {
  latest: number;
  /** The oldest version that still decrypts, at least 1. */
  decrypts: number;
  /** The oldest version that is still there, at least 1. */
  available: number;
  /** When each version that decrypts was made. */
  made: Map<number, Date>;
}

/** What Vault says of a key; undefined where it has none of that name. */
export async function keyVersions(
  { vault, model }: At,
  { key }: Pick<EncryptionKey, "key">,
): Promise<KeyVersions | undefined> {
  const found = await vault.read<{
    latest_version: number;
    min_decryption_version: number;
    min_available_version: number;
    keys: Record<string, number>;
  }>(`${model.vault.mounts.transit}/keys/${key}`);
  if (found === undefined) return undefined;
  return {
    latest: found.latest_version,
    decrypts: Math.max(1, found.min_decryption_version),
    available: Math.max(1, found.min_available_version),
    made: new Map(
      Object.entries(found.keys).map(([version, time]) => [Number(version), new Date(time * 1000)]),
    ),
  };
}

/** Makes a version, after which Vault encrypts with that one. Not to be repeated blindly: look at `latest` first. */
export async function addVersion({ vault, model }: At, { key }: EncryptionKey): Promise<void> {
  await vault.write(`${model.vault.mounts.transit}/keys/${key}/rotate`);
}

/**
 * Vault decrypts with no version before one, and encrypts with none (what encrypts may not be older than what decrypts).
 * The latter cannot be taken back to 0, Vault's "any", once versions are deleted.
 */
export async function refuseBefore(
  { vault, model }: At,
  { key }: EncryptionKey,
  version: number,
): Promise<void> {
  await vault.write(`${model.vault.mounts.transit}/keys/${key}/config`, {
    min_decryption_version: version,
    min_encryption_version: version,
  });
}

/** Vault decrypts again with every version from one on that was not deleted. */
export async function acceptFrom(
  { vault, model }: At,
  { key }: EncryptionKey,
  version: number,
): Promise<void> {
  await vault.write(`${model.vault.mounts.transit}/keys/${key}/config`, { min_decryption_version: version });
}

/** Deletes the versions before one, which are refused already (R24). Nothing undoes it. */
export async function deleteBefore(
  { vault, model }: At,
  { key }: EncryptionKey,
  version: number,
): Promise<void> {
  await vault.write(`${model.vault.mounts.transit}/keys/${key}/trim`, { min_available_version: version });
}

/**
 * Asks Vault to decrypt with the version before one.
 * @throws StillAcceptedError unless Vault refuses that version, whatever the ciphertext
 */
export async function verifyRetired(
  { vault, model }: At,
  { id, key }: EncryptionKey,
  version: number,
): Promise<void> {
  const ciphertext = `vault:v${version - 1}:${Buffer.alloc(40).toString("base64")}`;
  try {
    await vault.write(`${model.vault.mounts.transit}/rewrap/${key}`, { ciphertext });
  } catch (error) {
    if (error instanceof VaultError && error.status === 400 && /too old/.test(error.message)) return;
    if (!(error instanceof VaultError) || error.status !== 400) throw error;
  }
  throw new StillAcceptedError(`${id}: Vault still decrypts with version ${version - 1}`);
}
