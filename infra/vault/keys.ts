import type { CustomResourceOptions } from "@pulumi/pulumi";
import { SecretBackendKey } from "@pulumi/vault/transit/secretBackendKey.js";
import type { EncryptionKey } from "../../model/model.ts";
import { dataHolding } from "../retention.ts";

/** Encryption keys that rotate themselves (R17) and never leave Vault. */
export function declareEncryptionKeys(
  backend: string,
  keys: EncryptionKey[],
  opts: CustomResourceOptions,
): void {
  for (const { key, type, autoRotate, retired } of keys) {
    new SecretBackendKey(
      key,
      {
        backend,
        name: key,
        type,
        autoRotatePeriod: autoRotate,
        ...closed,
        deletionAllowed: retired?.delete === true,
      },
      // The rotation engine raises them when everything is encrypted anew (R24).
      {
        ...opts,
        ...dataHolding(retired),
        ignoreChanges: ["minDecryptionVersion", "minEncryptionVersion"],
      },
    );
  }
}

/** A key of keyed hashes: by one values are compared without being read, one seals evidence. It never rotates. */
export function declareHashingKey(backend: string, name: string, opts: CustomResourceOptions): void {
  new SecretBackendKey(
    name,
    { backend, name, type: "hmac", keySize: 32, autoRotatePeriod: 0, ...closed, deletionAllowed: false },
    { ...opts, ...dataHolding() },
  );
}

const closed = { exportable: false, allowPlaintextBackup: false };
