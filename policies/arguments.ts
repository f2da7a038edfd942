import { knownProperties } from "./properties.ts";
import type { ResourceRule } from "./rule.ts";
import { texts } from "./value.ts";

/** What providers by themselves say of every resource in AWS: where it is, and the account's own tags. */
const ofAws = ["tags.*", "tagsAll.*", "region"];

/** On where nothing is said: off is a choice. */
const onByItself = new Set(["actionsEnabled", "namespaceInState", "enabled", "enableLogging", "isEnabled"]);

/** By type, each path and what is above it. */
const known = new Map(
  Object.entries(knownProperties).map(([type, paths]): [string, ReadonlySet<string>] => {
    const all = type.startsWith("aws:") ? [...paths, ...ofAws] : paths;
    return [
      type,
      new Set(
        all.flatMap((path) => path.split(".").map((_, end, steps) => steps.slice(0, end + 1).join("."))),
      ),
    ];
  }),
);

export const argumentsKnown: ResourceRule = {
  name: "arguments-known",
  sentence:
    "A resource has only arguments that its type is known to have here: none comes in that no rule has thought of.",
  severity: "high",
  fix: "Leave the argument out, or write it into policies/properties.ts with the rule that judges it.",
  controls: ["NIST-800-53r5/CM-4", "NIST-800-53r5/CM-7", "R7"],
  types: Object.keys(knownProperties),
  *judge({ type, props }) {
    yield* unknownOf(props, "", known.get(type) ?? new Set());
  },
};

function* unknownOf(value: object, above: string, paths: ReadonlySet<string>): Iterable<string> {
  // What the official provider has filled in by itself, as it says.
  const filled = texts((value as { __defaults?: unknown }).__defaults);
  for (const name of Object.keys(value)) {
    if (name.startsWith("__") || filled.includes(name)) continue;
    const path = above === "" ? name : `${above}.${name}`;
    const inner: unknown = paths.has(path) ? undefined : (value as Record<string, unknown>)[name];
    if (!paths.has(path)) {
      if (!isOff(inner, name)) yield `${path} is set, which nobody has thought of here`;
      continue;
    }
    if (paths.has(`${path}.*`) || !hasInner(path, paths)) continue;
    const found: unknown = (value as Record<string, unknown>)[name];
    for (const each of Array.isArray(found) ? found : [found]) {
      if (typeof each === "object" && each !== null) yield* unknownOf(each, path, paths);
    }
  }
}

/** Providers fill in what is off. */
function isOff(value: unknown, name: string): boolean {
  if (value === false) return !onByItself.has(name);
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** By path: whether any is below it. */
const inners = new WeakMap<ReadonlySet<string>, Set<string>>();

function hasInner(path: string, paths: ReadonlySet<string>): boolean {
  let above = inners.get(paths);
  if (above === undefined) {
    above = new Set(
      [...paths].filter((each) => each.includes(".")).map((each) => each.slice(0, each.lastIndexOf("."))),
    );
    inners.set(paths, above);
  }
  return above.has(path);
}
