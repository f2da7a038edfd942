import type { Model } from "../../model/model.ts";

/** What the bootstrap holds where a secret is meant: where its value lies, never the value (R3). */
export function reference(mount: string, path: string, field: string): string {
  return `vault:${mount}/${path}#${field}`;
}

/** A reference may be pinned to a version, e.g. "…#key@12" (R36). */
const pin = /^@[1-9][0-9]{0,5}$/;
const longestPin = "@123456".length;

/** Whether a text is that reference, pinned or not. */
export function isReference(text: string, expected: string): boolean {
  return text === expected || (text.startsWith(expected) && pin.test(text.slice(expected.length)));
}

/** Whether so many bytes can be that reference, pinned or not: all that an encrypted text tells. */
export function fitsReference(bytes: number, expected: string): boolean {
  const extra = bytes - Buffer.byteLength(expected);
  return extra === 0 || (extra >= 2 && extra <= longestPin);
}

/** The reference of each secret variable of each service, and the secret it belongs to. */
export type References = Map<string, Map<string, { reference: string; secret: string }>>;

export function referencesOf(model: Pick<Model, "services" | "secrets" | "vault">): References {
  const all: References = new Map(model.services.map(({ id }) => [id, new Map()]));
  for (const secret of model.secrets) {
    for (const consumer of secret.consumers) {
      if (consumer.kind !== "service") continue;
      for (const [variable, field] of Object.entries(consumer.as)) {
        all.get(consumer.id)?.set(variable, {
          reference: reference(model.vault.mounts.kv, consumer.path, field),
          secret: secret.id,
        });
      }
    }
  }
  return all;
}
