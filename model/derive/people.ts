import type { Group, Person } from "../model.ts";
import { type Context, ordered } from "./context.ts";

/** Name of the group of those whom `administrators` names; no other group can be called so. */
export const administrators = "administrators";

/** Everybody whom the organization names, ordered, with their groups; `administrators` is one of these. */
export function derivePeople({ organization }: Context): Person[] {
  const administrating = new Set(organization.administrators);
  return ordered(organization.people).map(([name, { email, groups }]) => ({
    name,
    email,
    groups: [...(groups ?? []), ...(administrating.has(name) ? [administrators] : [])].sort(),
  }));
}

/**
 * The organization's groups and `administrators`, ordered by name, each with its members and its one policy.
 * @param people as derivePeople gives them
 */
export function deriveGroups({ organization }: Context, people: Person[]): Group[] {
  const purposes: [string, string][] = [
    ...ordered(organization.groups).map(([name, { purpose }]): [string, string] => [name, purpose]),
    [administrators, "Administer the platform, by name (R59)"],
  ];
  return purposes
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, purpose]) => ({
      name,
      purpose,
      members: people.filter(({ groups }) => groups.includes(name)).map((person) => person.name),
      policies: [groupPolicy(name)],
    }));
}

/** The name of a group's policy. */
export function groupPolicy(group: string): string {
  return `keyplane.group.${group}`;
}
