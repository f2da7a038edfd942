import { seconds } from "../duration.ts";
import type { EncryptionKey, StoredCiphertext } from "../model.ts";
import type { EncryptionKeyEntry, System } from "../schema/system.ts";
import { type Context, compare, ordered, physical, retiredOf } from "./context.ts";
import { joined, keyEvidencePath, keyJournalPath } from "./paths.ts";

/** Where ciphertext lies, ordered as written: batches of one column come after those of another. */
export function storedOf({ system }: System, entries: EncryptionKeyEntry["stored"]): StoredCiphertext[] {
  return (entries ?? []).map(({ database, schema, table, key, column }) => ({
    database: `${system}/${database}`,
    schema: schema ?? "public",
    table,
    key: key ?? "id",
    column,
  }));
}

/** Every transit key, ordered by id; periods in whole seconds. A retired key stays and nobody may use it. */
export function deriveEncryptionKeys({ systems }: Context): EncryptionKey[] {
  return systems
    .flatMap((system) =>
      ordered(system["encryption-keys"]).map(([name, entry]): EncryptionKey => {
        const retired = retiredOf(entry, system);
        const key = joined(physical(system.system, system), physical(name, entry));
        return {
          id: `${system.system}/${name}`,
          system: system.system,
          name,
          key,
          type: "aes256-gcm96",
          owner: entry.owner ?? system.owner,
          autoRotate: seconds(entry.rotate.every),
          retain: seconds(entry.retain),
          consumers: retired.retired
            ? []
            : ordered(entry.consumers)
                .filter(([service]) => system.services?.[service]?.retired === undefined)
                .map(([service, may]) => ({ id: `${system.system}/${service}`, may: [...may].sort() })),
          stored: storedOf(system, entry.stored),
          journal: keyJournalPath(key),
          evidence: keyEvidencePath(key),
          ...retired,
        };
      }),
    )
    .sort((a, b) => compare(a.id, b.id));
}
