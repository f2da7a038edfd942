import { CustomResource, type CustomResourceOptions } from "@pulumi/pulumi";
import type { Properties } from "../../../local/providers/fields.ts";
import type { ServedProvider } from "../../../local/providers/index.ts";
import { type Difference, Provider, type State } from "../../../local/providers/provider.ts";
import { serve } from "../../../local/providers/server.ts";

/** Previews every resource and makes none: what the policies refuse never comes so far. */
class Previews extends Provider<undefined> {
  /** Types that the engine asked to be made. */
  readonly made: string[] = [];

  constructor() {
    super([], () => undefined);
  }

  override check() {
    return [];
  }

  override diff(): Difference {
    return { changed: [], replaced: [] };
  }

  override preview(_type: string, inputs: Properties): Properties {
    return inputs;
  }

  override async create(type: string): Promise<State> {
    this.made.push(type);
    throw new Error(`${type} was about to be made`);
  }
}

/** Stands in for a provider that nobody serves here: PULUMI_DEBUG_PROVIDERS=kubernetes:PORT. */
export async function startPreviews(version: string): Promise<ServedProvider & { made: readonly string[] }> {
  const provider = new Previews();
  return { ...(await serve(provider, version)), made: provider.made };
}

/** A resource of Kubernetes as the program will declare it, by its type token. */
export class KubernetesObject extends CustomResource {
  constructor(type: string, name: string, args: object, options?: CustomResourceOptions) {
    super(type, name, { ...args }, options);
  }
}
