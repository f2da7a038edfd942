import type { Checked, Names } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";
import type { System } from "../schema/system.ts";

/** A system's file beside what it refers to. */
export interface Subject {
  file: Checked<System>;
  system: System;
  environment: string;
  /** What is right of organization.yaml; undefined where too much of it is wrong. */
  organization: Organization | undefined;
  /** Names that the organization declares; undefined where it cannot be read at all. */
  declared: { people: Names; providers: Names; environments: Names } | undefined;
}
