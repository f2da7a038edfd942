import type { Checked } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";
import type { System } from "../schema/system.ts";
/** Checks the systems as they are in one environment. */
export function checkEnvironment(
  environment: string,
  organization: Checked<Organization> | undefined,
  systems: Checked<System>[],
): void {
  void environment;
  void organization;
  void systems;
}
