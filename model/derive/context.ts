import type { Seconds } from "../duration.ts";
import type { Retired } from "../model.ts";
import type { Catalogue } from "../schema/catalogue.ts";
import type { EnvironmentBlock, Organization } from "../schema/organization.ts";
import type { System } from "../schema/system.ts";
import type { Retired as RetiredSchema } from "../schema/values.ts";

type RetiredEntry = (typeof RetiredSchema)["_output"];

/** What every part of the derivation reads. */
export interface Context {
  organization: Organization;
  environment: string;
  block: EnvironmentBlock;
  /** Ordered by name. */
  systems: readonly System[];
}

/** @throws {RangeError} for an environment that the catalogue does not declare */
export function contextOf(
  catalogue: Catalogue,
  environment: string,
  overrides: EnvironmentBlock = {},
): Context {
  const { organization } = catalogue;
  const systems = catalogue.systems.get(environment);
  if (systems === undefined) {
    const known = [...catalogue.systems.keys()].join(", ");
    throw new RangeError(
      `The environment ${JSON.stringify(environment)} is not in the catalogue: write one of ${known}.`,
    );
  }
  const block = merged(organization.environments[environment] ?? {}, overrides) as EnvironmentBlock;
  return { organization, environment, block, systems };
}

/** The catalogue's own rule for differences: mappings merge, everything else replaces. */
function merged(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over === undefined ? base : over;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = merged(base[key], value);
  return result;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Entries of a mapping in the order of their names, so that no order in a file shows in the model. */
export function ordered<V>(mapping: Record<string, V> | undefined): [string, V][] {
  return Object.entries(mapping ?? {}).sort(([a], [b]) => compare(a, b));
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The name that an entry's data lives under: that of its making (`renamed-from`). */
export function physical(
  name: string,
  entry: { "renamed-from"?: string | undefined } | null | undefined,
): string {
  return entry?.["renamed-from"] ?? name;
}

/** An entry's own retirement, or that of what it belongs to. */
export function retiredOf(...entries: ({ retired?: RetiredEntry | undefined } | undefined)[]): {
  retired?: Retired;
} {
  const found = entries.find((entry) => entry?.retired !== undefined)?.retired;
  if (found === undefined) return {};
  return { retired: { since: found.since, reason: found.reason, delete: found.delete ?? false } };
}

/** An optional field, absent rather than undefined. */
export function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

export const minute: Seconds = 60;
export const hour: Seconds = 3600;
export const day: Seconds = 86_400;
