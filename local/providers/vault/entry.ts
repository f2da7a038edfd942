import { type Vault, VaultError } from "../../../clients/vault.ts";
import { type Fields, fromVault, type Properties, toVault, type Value } from "../fields.ts";
import { type Kind, kindFor, type OutputsOf } from "../kind.ts";

/** A resource type of Vault. */
export const kind = kindFor<Vault>();

/** An object at a path of its own that is written by POST, read by GET and removed by DELETE. */
export function entry<Resource, Args>(description: {
  type: string;
  fields: Fields<Args>;
  computed?: readonly OutputsOf<Resource, Args>[];
  /** Vault's path, from the inputs. */
  path: (inputs: Properties) => string;
  /** The official provider's id where it is not the path. */
  id?: (inputs: Properties) => string;
  /** Vault's path from such an id. */
  pathOf?: (id: string) => string;
  /** False where the API has no deletion (a mount's configuration): it goes with its mount. */
  deletes?: false;
  /** Corrects what Vault returned, before the fields are taken from it. */
  returned?: (data: Record<string, unknown>, known: Properties) => Record<string, unknown>;
  /** Corrects what is sent. */
  sent?: (body: Record<string, Value>, inputs: Properties) => Record<string, Value>;
}): Kind<Vault> {
  const fields = description.fields as Fields;
  const pathOf = description.pathOf ?? ((id) => id);
  const body = (inputs: Properties) => {
    const plain = toVault(fields, inputs);
    return description.sent?.(plain, inputs) ?? plain;
  };
  return {
    type: description.type,
    fields,
    computed: (description.computed ?? []) as readonly string[],
    async create(vault, inputs) {
      const path = description.path(inputs);
      await vault.write(path, body(inputs));
      return description.id?.(inputs) ?? path;
    },
    async read(vault, id, known) {
      const data = await vault.read(pathOf(id));
      if (data === undefined) return undefined;
      return fromVault(fields, description.returned?.(data, known) ?? data);
    },
    async update(vault, id, inputs) {
      await vault.write(pathOf(id), body(inputs));
    },
    async delete(vault, id) {
      if (description.deletes !== false) await remove(vault, pathOf(id));
    },
  };
}

/** Deletes a path; one that is already gone is as good. */
export async function remove(vault: Vault, path: string): Promise<void> {
  try {
    await vault.delete(path);
  } catch (error) {
    if (!(error instanceof VaultError && error.status === 404)) throw error;
  }
}
