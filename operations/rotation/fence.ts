import type { Vault } from "../../clients/vault.ts";
import type { Connection, Reach } from "./rotator.ts";

/** Throws where the lease is lost; renews it where too little of it is left for a call. */
export type Ready = () => Promise<void>;

/** The same client; no request begins without the lease, whoever makes it. */
export function fencedVault(vault: Vault, ready: Ready): Vault {
  const same = vault.with(vault.token);
  same.request = async (...request) => {
    await ready();
    return vault.request(...request);
  };
  return same;
}

/** The same ways to a target; nothing goes out without the lease. What is open can always be closed. */
export function fencedReach(reach: Reach, ready: Ready): Reach {
  const fenced = (connection: Connection): Connection => ({
    query: async (...asked) => {
      await ready();
      // A call of its own: a slow one takes nothing off the time that the query has.
      await connection.renew?.();
      await ready();
      return connection.query(...asked);
    },
    end: () => connection.end(),
  });
  return {
    ...reach,
    async manage(database) {
      await ready();
      return fenced(await reach.manage(database));
    },
    async login(database, as) {
      await ready();
      return fenced(await reach.login(database, as));
    },
    async fetch(input, init) {
      await ready();
      return reach.fetch(input, init);
    },
  };
}
