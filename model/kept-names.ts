import type { Model, Service } from "./model.ts";

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

/** Takes a name that was found written somewhere to the one that a rename keeps. */
export interface KnownAs {
  service(name: string): string;
  secret(name: string): string;
}

/** Where nothing is known to have been written before a rename. */
export const asWritten: KnownAs = { service: (name) => name, secret: (name) => name };

/**
 * Versions before 2026-11-29 wrote the catalogue's ids, also after a rename. Such a name is taken for the entry that has it now,
 * unless it is what another one is kept under.
 */
export function knownAs({ services, secrets }: Pick<Model, "services" | "secrets">): KnownAs {
  return {
    service: towards(services.map((service) => [service.id, keptServiceId(service)])),
    secret: towards(secrets.map((secret) => [secret.id, keptId(secret)])),
  };
}

function towards(entries: [id: string, kept: string][]): (name: string) => string {
  const [byId, taken] = [new Map(entries), new Set(entries.map(([, kept]) => kept))];
  return (name) => (taken.has(name) ? name : (byId.get(name) ?? name));
}

/** Catalogue names hold no ".": it is what joins them in Vault's. */
function withoutDot(name: string): string {
  return name.replace(".", "/");
}
