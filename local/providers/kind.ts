import type { Fields, Properties } from "./fields.ts";

/** A resource type that a provider serves by a client. Every function talks to the live system; none keeps state. */
export interface Kind<Client> {
  /** e.g. vault:index/policy:Policy */
  readonly type: string;
  readonly fields: Fields;
  /** Outputs that only the live system knows, unknown in a preview of a creation. */
  readonly computed: readonly string[];
  /**
   * Makes the object and returns its id. An earlier run may have made it and not lived to write it down: one that
   * bears the same name and the same marks of ours is taken over where the system would refuse a second.
   */
  create(client: Client, inputs: Properties): Promise<string>;
  /** The live properties; undefined when it is gone. `known` holds the state: what cannot be read is kept from it. */
  read(client: Client, id: string, known: Properties): Promise<Properties | undefined>;
  /** Writes `inputs`, in which undeclared fields that changed are back at their defaults. */
  update(client: Client, id: string, inputs: Properties, changed: readonly string[]): Promise<void>;
  delete(client: Client, id: string, state: Properties): Promise<void>;
}

/** Outputs of the SDK's class that are not arguments. */
export type OutputsOf<Resource, Args> = Exclude<keyof Resource, keyof Args | "urn" | "id" | "getProvider">;

/** Makes kinds of a client. They are tied to the official SDK's own types: a property that does not exist does not compile. */
export function kindFor<Client>() {
  return <Resource, Args>(
    description: Omit<Kind<Client>, "fields" | "computed"> & {
      fields: Fields<Args>;
      computed?: readonly OutputsOf<Resource, Args>[];
    },
  ): Kind<Client> => ({
    ...description,
    fields: description.fields as Fields,
    computed: (description.computed ?? []) as readonly string[],
  });
}

/** A required text input. */
export function said(inputs: Properties, name: string): string {
  const value = inputs[name];
  if (typeof value !== "string") throw new Error(`${name} must be a string`);
  return value;
}
