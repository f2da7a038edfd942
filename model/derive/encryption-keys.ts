import { seconds } from "../duration.ts";
import type { EncryptionKey } from "../model.ts";
import { type Context, compare, ordered, physical, retiredOf } from "./context.ts";
import { joined } from "./paths.ts";

/** Every transit key, ordered by id; periods in whole seconds. A retired key stays and nobody may use it. */
export function deriveEncryptionKeys({ systems }: Context): EncryptionKey[] {
  return systems
    .flatMap((system) =>
      ordered(system["encryption-keys"]).map(([name, entry]): EncryptionKey => {
        const retired = retiredOf(entry, system);
        return {
          id: `${system.system}/${name}`,
          system: system.system,
          name,
          key: joined(physical(system.system, system), physical(name, entry)),
          type: "aes256-gcm96",
          owner: entry.owner ?? system.owner,
          autoRotate: seconds(entry.rotate.every),
          retain: seconds(entry.retain),
          consumers: retired.retired
            ? []
            : ordered(entry.consumers)
                .filter(([service]) => system.services?.[service]?.retired === undefined)
                .map(([service, may]) => ({ id: `${system.system}/${service}`, may: [...may].sort() })),
          ...retired,
        };
      }),
    )
    .sort((a, b) => compare(a.id, b.id));
}
