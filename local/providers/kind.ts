import { type Vault, VaultError } from "../../clients/vault.ts";
import { type Fields, fromVault, type Properties, toVault, type Value } from "./fields.ts";

/** A resource type that a provider serves. Every function talks to the live system; none keeps state. */
export interface Kind {
  /** e.g. vault:index/policy:Policy */
  readonly type: string;
  readonly fields: Fields;
  /** Outputs that only the live system knows, unknown in a preview of a creation. */
  readonly computed: readonly string[];
  /**
   * Makes the object and returns its id. An earlier run may have made it and not lived to write it down: one that
   * bears the same name and the same marks of ours is taken over where Vault would refuse a second.
   */
  create(vault: Vault, inputs: Properties): Promise<string>;
  /** The live properties; undefined when it is gone. `known` holds the state: what cannot be read is kept from it. */
  read(vault: Vault, id: string, known: Properties): Promise<Properties | undefined>;
  /** Writes `inputs`, in which undeclared fields that changed are back at their defaults. */
  update(vault: Vault, id: string, inputs: Properties, changed: readonly string[]): Promise<void>;
  delete(vault: Vault, id: string, state: Properties): Promise<void>;
}

/** Outputs of the SDK's class that are not arguments. */
type OutputsOf<Resource, Args> = Exclude<keyof Resource, keyof Args | "urn" | "id" | "getProvider">;

/** Ties a kind to the official SDK's own types, so that a property that does not exist does not compile. */
export function kind<Resource, Args>(
  description: Omit<Kind, "fields" | "computed"> & {
    fields: Fields<Args>;
    computed?: readonly OutputsOf<Resource, Args>[];
  },
): Kind {
  return {
    ...description,
    fields: description.fields as Fields,
    computed: (description.computed ?? []) as readonly string[],
  };
}

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
}): Kind {
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

/** A required text input. */
export function said(inputs: Properties, name: string): string {
  const value = inputs[name];
  if (typeof value !== "string") throw new Error(`${name} must be a string`);
  return value;
}
