import type { Service } from "./model.ts";

/**
 * What everything outside of the catalogue knows an entry by: the id that it had when its data was made. A rename
 * (`renamed-from`) of the entry, its database or its system changes the catalogue's id and not this one. Where nothing was
 * renamed both are the same text.
 * @param one a secret, or an encryption key; what has neither a source nor a key is known by its id
 */
export function keptId({ id, source, key }: { id: string; source?: string; key?: string }): string {
  if (source !== undefined) return source.slice("source/".length);
  return key === undefined ? id : withoutDot(key);
}

/** The same of a service, e.g. "shop/api". */
export function keptServiceId({ policy }: Pick<Service, "policy">): string {
  return withoutDot(policy);
}

/** Catalogue names hold no ".": it is what joins them in Vault's. */
function withoutDot(name: string): string {
  return name.replace(".", "/");
}
