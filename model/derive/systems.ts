import { createHash } from "node:crypto";
import type { Exception, Setting, System } from "../model.ts";
import type { SettingEntry, System as SystemEntry } from "../schema/system.ts";
import { type Context, compare, given, ordered, physical, retiredOf } from "./context.ts";

/** The systems in their order, each with the part that builds it: as written, else by its name among `parts` parts. */
export function deriveSystems({ systems, block }: Context): System[] {
  return systems.map((system) => ({
    name: system.system,
    owner: system.owner,
    part: system.part ?? partOf(physical(system.system, system), block.parts ?? 1),
    ...given(
      "repository",
      system.repository && {
        name: system.repository.name,
        id: system.repository.id,
        ownerId: system.repository["owner-id"],
      },
    ),
    ...retiredOf(system),
  }));
}

/**
 * The part of `count` that a system belongs to, by rendezvous hashing: one more part moves only the systems
 * that the new part wins, and a new system moves none.
 */
export function partOf(system: string, count: number): string {
  let best = "";
  let highest = "";
  for (let index = 1; index <= count; index++) {
    const part = `part-${index}`;
    const weight = createHash("sha256").update(`${part}\0${system}`).digest("hex");
    if (weight > highest) [best, highest] = [part, weight];
  }
  return best;
}

/** Every setting as text, ordered by system and name, with the ids of the services that get it. */
export function deriveSettings({ systems }: Context): Setting[] {
  return systems
    .flatMap((system) =>
      ordered(system.settings).map(([name, entry]): Setting => {
        const { value, class: sort, services } = settingOf(entry);
        return {
          system: system.system,
          name,
          value: String(value),
          class: sort ?? "plain",
          services: servicesOf(system, services).map((service) => `${system.system}/${service}`),
        };
      }),
    )
    .sort((a, b) => compare(a.system, b.system) || compare(a.name, b.name));
}

/** The long form of a setting that is written as its value alone. */
export function settingOf(entry: SettingEntry | string | number | boolean): SettingEntry {
  return typeof entry === "object" ? entry : { value: entry };
}

/** Names of the services that a setting says that it is for, ordered; all of the system's when it says none. */
export function servicesOf(system: SystemEntry, said: string[] | undefined): string[] {
  return [...(said ?? Object.keys(system.services ?? {}))].sort();
}

/** The organization's and the systems' exceptions, ordered by name; expired ones too, since no day is known here. */
export function deriveExceptions({ organization, systems }: Context): Exception[] {
  return [organization.exceptions, ...systems.map((system) => system.exceptions)]
    .flatMap((entries) =>
      ordered(entries).map(([name, entry]) => ({
        name,
        rule: entry.rule,
        appliesTo: entry["applies-to"],
        owner: entry.owner,
        reason: entry.reason,
        expires: entry.expires,
      })),
    )
    .sort((a, b) => compare(a.name, b.name) || compare(a.appliesTo, b.appliesTo));
}
