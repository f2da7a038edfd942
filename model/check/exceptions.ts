import type { Checked, Names } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";

/** Whoever turned a default off must exist; whether it has expired is judged against the day, by the policies. */
export function checkExceptions(
  file: Checked<unknown>,
  exceptions: Organization["exceptions"],
  people: Names,
): void {
  for (const [name, { owner }] of Object.entries(exceptions ?? {})) {
    file.checkReference(["exceptions", name, "owner"], owner, "a person", people);
  }
}
