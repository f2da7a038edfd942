import { general, type Outcome, reasonFor } from "./mutated.ts";

/** Property × mutation × the rules that report it, and the reason where none does, as Markdown. */
export function mutationTable(outcomes: ReadonlyMap<string, Outcome>): string {
  const lines = [
    "# What each mutation of the shipped program is met by",
    "",
    "Every property of every resource of the three environments is dropped, emptied, widened, set to a wildcard or to",
    "zero, made another of the same form and made unknown, at every depth; some are added; what a statement lists gets one more,",
    "an address one parameter more and a filter's pattern one term more. Written by `node test/policies/write-mutations.ts`; a test",
    "compares it with the program. Where no rule reports a mutation, the reason why it harms nobody stands there",
    "(`test/policies/harmless.ts`); a test refuses one without either.",
    "",
    `What is unknown is pending before the update: by \`${general}\`, which looks at every value there is, and by the`,
    "rules that are named, which judge it once it is known. Where none is named, no rule judges that property whatever it",
    "becomes: its other rows say so, and why that harms nobody.",
  ];
  const byType = Map.groupBy([...outcomes.keys()].sort(), (what) => /^[^. ]+/.exec(what)?.[0] ?? "");
  for (const [type, whats] of byType) {
    lines.push("", `## ${type}`, "", "| property | mutation | reported by |", "|---|---|---|");
    const rows = Map.groupBy(whats, (what) => {
      const rest = what.slice(type.length);
      const property = rest.slice(1, rest.lastIndexOf(" "));
      return `${property === "" ? "(the resource)" : property}\0${met(what, outcomes.get(what))}`;
    });
    for (const [key, same] of rows) {
      const [property = "", by = ""] = key.split("\0");
      const kinds = same.map((what) => what.slice(what.lastIndexOf(" ") + 1)).join(", ");
      lines.push(`| ${cell(property)} | ${kinds} | ${cell(by)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function met(what: string, outcome: Outcome | undefined): string {
  const { rules = new Set(), pending = new Set(), survivors = [] } = outcome ?? {};
  const later = [...pending].sort().join(", ");
  const names = [...[...rules].sort(), ...(later === "" ? [] : [`pending: ${later}`])].join(", ");
  const reasons = Map.groupBy(survivors, (place) => reasonFor(what, place) ?? "**nobody has said why**");
  const harmless = [...reasons].map(([reason, places]) =>
    names === "" && reasons.size === 1 ? `harmless: ${reason}` : `at ${listed(places)} harmless: ${reason}`,
  );
  return [...(names === "" ? [] : [names]), ...harmless].join("; ");
}

/** Resources and statements, whichever environment they are in; a few of many. */
function listed(places: readonly string[]): string {
  const names = places.map((place) =>
    place.replace(/^\S+ /, "").replace(/\bkeyplane-(local|staging|production)-/, "keyplane-…-"),
  );
  const all = [...new Set(names)].sort();
  return all.length <= 4 ? all.join(", ") : `${all.slice(0, 3).join(", ")} and ${all.length - 3} more`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
