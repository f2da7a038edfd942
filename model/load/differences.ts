import { show } from "./check.ts";
import { type Entry, type MapNode, merge, type Node, placeAt } from "./node.ts";
import type { Problem } from "./problem.ts";
import { quote, suggestion } from "./quote.ts";

/** The sections of a system whose entries may differ per environment. */
export const sections = ["ci", "services", "settings", "secrets", "databases", "encryption-keys"] as const;

const field = "per-environment";

export interface Variants {
  /** The file without any difference. */
  base: Node;
  /** Whether any environment has one. */
  differs: boolean;
  /** The file as it is in an environment. */
  in: (environment: string) => Node;
}

/** Takes the differences of a system's entries apart and reports those that cannot be merged. */
export function differences(root: Node, environments: string[], problems: Problem[]): Variants {
  let differs = false;
  for (const { path, over } of entriesWithDifferences(root)) {
    differs = true;
    const report = (at: string[], message: string, key: boolean) => {
      problems.push({ ...placeAt(root, at, key), message: `${show(at)} ${message}` });
    };
    const place = [...path, field];
    if (over.kind !== "map") {
      report(
        place,
        `is ${quote(over.kind === "list" ? [] : over.value)}: write { ENVIRONMENT: { FIELD: … } }`,
        false,
      );
      continue;
    }
    for (const [environment, { value }] of over.entries) {
      const at = [...place, environment];
      if (environments.length > 0 && !environments.includes(environment)) {
        const near = suggestion(environment, environments);
        report(
          at,
          `is not an environment: ${near === undefined ? `write one of ${environments.join(", ")}` : `did you mean ${quote(near)}?`}`,
          true,
        );
      }
      if (value.kind !== "map") {
        report(
          at,
          `is ${quote(value.kind === "list" ? [] : value.value)}: write the fields that differ, such as { rotate: { every: 30d } }`,
          false,
        );
      } else if (value.entries.has(field)) {
        report([...at, field], "stands inside another one: write each environment once", true);
      }
    }
  }
  return {
    base: mapEntries(root, (entry) => split(entry).base),
    differs,
    in: (environment) =>
      mapEntries(root, (entry) => {
        const { base, over } = split(entry);
        const own = over?.kind === "map" ? over.entries.get(environment)?.value : undefined;
        return own?.kind === "map" ? merge(base, split(own).base) : base;
      }),
  };
}

function* entriesWithDifferences(root: Node): Generator<{ path: string[]; over: Node }> {
  if (root.kind !== "map") return;
  for (const section of sections) {
    const node = root.entries.get(section)?.value;
    if (node?.kind !== "map") continue;
    for (const [name, { value }] of node.entries) {
      const over = split(value).over;
      if (over !== undefined) yield { path: [section, name], over };
    }
  }
}

function split(entry: Node): { base: Node; over?: Node } {
  if (entry.kind !== "map") return { base: entry };
  const over = entry.entries.get(field)?.value;
  if (over === undefined) return { base: entry };
  const entries = new Map(entry.entries);
  entries.delete(field);
  return { base: { ...entry, entries }, over };
}

function mapEntries(root: Node, change: (entry: Node) => Node): Node {
  if (root.kind !== "map") return root;
  const changed = new Map(root.entries);
  for (const section of sections) {
    const held = changed.get(section);
    if (held?.value.kind !== "map") continue;
    const entries = new Map<string, Entry>();
    for (const [name, { key, value }] of held.value.entries) entries.set(name, { key, value: change(value) });
    const node: MapNode = { ...held.value, entries };
    changed.set(section, { key: held.key, value: node });
  }
  return { ...root, entries: changed };
}
