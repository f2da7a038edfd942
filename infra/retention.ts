import type { CustomResourceOptions } from "@pulumi/pulumi";
import type { Retired } from "../model/model.ts";

/**
 * Options of a resource that holds data: neither an update without its entry nor `destroy` removes it.
 * Only an entry that is retired with `delete: true` loses both guards, so that a later removal of it deletes.
 */
export function dataHolding(retired?: Retired): CustomResourceOptions {
  const kept = retired?.delete !== true;
  return { protect: kept, retainOnDelete: kept };
}
