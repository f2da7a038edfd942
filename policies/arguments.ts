import { knownProperties } from "./properties.ts";
import type { Props, ResourceRule } from "./rule.ts";
import { texts } from "./value.ts";

/** What providers by themselves say of every resource in AWS: where it is, and the account's own tags. */
const ofAws = ["tags.*", "tagsAll.*", "region"];

/** On where nothing is said: off is a choice. */
const onByItself = new Set(["actionsEnabled", "namespaceInState", "enabled", "enableLogging", "isEnabled"]);

/** What is known below an argument, by name; nothing where any value may stand, "*" where any name may. */
interface Known extends Map<string, Known> {}

const known = new Map(
  Object.entries(knownProperties).map(([type, paths]): [string, Known] => [
    type,
    below(type.startsWith("aws:") ? [...paths, ...ofAws] : paths),
  ]),
);

function below(paths: readonly string[]): Known {
  const root: Known = new Map();
  for (const path of paths) {
    let at = root;
    for (const step of path.split(".")) {
      const next: Known = at.get(step) ?? new Map();
      at.set(step, next);
      at = next;
    }
  }
  return root;
}

export const argumentsKnown: ResourceRule = {
  name: "arguments-known",
  sentence:
    "A resource has only arguments that its type is known to have here: none comes in that no rule has thought of.",
  severity: "high",
  fix: "Leave the argument out, or write it into policies/properties.ts with the rule that judges it.",
  controls: ["NIST-800-53r5/CM-4", "NIST-800-53r5/CM-7", "R7"],
  types: Object.keys(knownProperties),
  judge({ type, props }) {
    return unknownOf(props, "", known.get(type) ?? new Map());
  },
};

function* unknownOf(found: Props, above: string, names: Known): Iterable<string> {
  // What the official provider has filled in by itself, as it says.
  const filled = found.__defaults === undefined ? [] : texts(found.__defaults);
  for (const name in found) {
    if (name.startsWith("__") || filled.includes(name)) continue;
    const inner = names.get(name);
    if (inner === undefined) {
      if (!isOff(found[name], name)) yield `${above}${name} is set, which nobody has thought of here`;
    } else if (inner.size > 0 && !inner.has("*")) {
      const value = found[name];
      for (const each of Array.isArray(value) ? value : [value]) {
        if (typeof each === "object" && each !== null) yield* unknownOf(each, `${above}${name}.`, inner);
      }
    }
  }
}

/** Providers fill in what is off. */
function isOff(value: unknown, name: string): boolean {
  if (value === false) return !onByItself.has(name);
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
