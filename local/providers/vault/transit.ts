import type { SecretBackendKey, SecretBackendKeyArgs } from "@pulumi/vault/transit/secretBackendKey.js";
import { type Fields, flag, fromVault, number, text, toVault } from "../fields.ts";
import { kind, remove } from "./entry.ts";

/** What a key is for good. */
const nature: Fields<SecretBackendKeyArgs> = {
  type: text({ otherwise: "aes256-gcm96", replace: true }),
  derived: flag({ replace: true }),
  convergentEncryption: flag({ replace: true, chosen: true }),
  keySize: number({ replace: true, chosen: true }),
};

/** What can change while it lives. */
const settings: Fields<SecretBackendKeyArgs> = {
  autoRotatePeriod: number(),
  deletionAllowed: flag(),
  exportable: flag(),
  allowPlaintextBackup: flag(),
  minDecryptionVersion: number({ chosen: true }),
  minEncryptionVersion: number({ chosen: true }),
};

export const transitKey = kind<SecretBackendKey, SecretBackendKeyArgs>({
  type: "vault:transit/secretBackendKey:SecretBackendKey",
  fields: {
    backend: text({ required: true, replace: true, local: true }),
    name: text({ required: true, replace: true, local: true }),
    ...nature,
    ...settings,
  },
  computed: [
    "latestVersion",
    "minAvailableVersion",
    "supportsDecryption",
    "supportsDerivation",
    "supportsEncryption",
    "supportsSigning",
  ],
  async create(vault, inputs) {
    const id = `${inputs.backend}/keys/${inputs.name}`;
    // Writing a key that exists changes nothing; its settings follow.
    await vault.write(id, toVault(nature as Fields, inputs));
    await vault.write(`${id}/config`, toVault(settings as Fields, inputs));
    return id;
  },
  async read(vault, id, known) {
    const data = await vault.read(id);
    if (data === undefined) return undefined;
    return {
      backend: known.backend ?? "",
      name: known.name ?? "",
      ...fromVault({ ...nature, ...settings } as Fields, data),
      latestVersion: Number(data.latest_version),
      minAvailableVersion: Number(data.min_available_version),
      supportsDecryption: data.supports_decryption === true,
      supportsDerivation: data.supports_derivation === true,
      supportsEncryption: data.supports_encryption === true,
      supportsSigning: data.supports_signing === true,
    };
  },
  async update(vault, id, inputs) {
    await vault.write(`${id}/config`, toVault(settings as Fields, inputs));
  },
  delete: (vault, id) => remove(vault, id),
});
