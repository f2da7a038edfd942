import type { Secret, Service } from "./model.ts";

/**
 * What everything outside of the catalogue knows an entry by: the id that it had when its data was made. A rename
 * (`renamed-from`) of the entry, its database or its system changes the catalogue's id and not this one. Where nothing was
 * renamed both are the same text.
 */
export function keptId({ source }: Pick<Secret, "source">): string {
  return source.slice("source/".length);
}

/** The same of a service, e.g. "shop/api". */
export function keptServiceId({ policy }: Pick<Service, "policy">): string {
  // Catalogue names hold no ".": the first one is what joins them.
  return policy.replace(".", "/");
}
