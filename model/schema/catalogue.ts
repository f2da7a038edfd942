import type { Position } from "../load/problem.ts";
import type { Organization } from "./organization.ts";
import type { System } from "./system.ts";

/** A catalogue that was checked as a whole. Plain data besides the maps; nothing of it is a secret's value. */
export interface Catalogue {
  organization: Organization;
  /** Environment → its systems ordered by name, with the environment's differences merged in. */
  systems: ReadonlyMap<string, readonly System[]>;
  /** Where entries stand: "secrets/titan/hmac", "people/ada", "system/titan", "environments/production". */
  positions: ReadonlyMap<string, Position>;
}
