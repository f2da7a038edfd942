import type { Checked } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";
/** Checks what refers to something else in organization.yaml. */
export function checkOrganization(organization: Checked<Organization>, systems: string[]): void {
  void organization;
  void systems;
}
