import type { Position } from "../model/catalogue.ts";
import type { Exception, Model } from "../model/model.ts";
import { causesOf } from "./cause.ts";
import { ended, exceptionCurrent, exceptionUsed, isAbout, isRequirement } from "./exceptions.ts";
import { judge } from "./judge.ts";
import type { Resource, Rule } from "./rule.ts";
import { rules as every } from "./rules.ts";

export interface Finding {
  rule: Rule;
  /** `excepted`: it does not hold, and the catalogue says who answers for that and until when. */
  verdict: "violated" | "pending" | "excepted";
  message: string;
  urn?: string;
  /** The catalogue's entry, and where it stands. */
  entry: string;
  position?: Position;
  exception?: Exception;
}

export interface Check {
  environment: string;
  /** How many resources were looked at; none means that nothing was checked. */
  resources: number;
  rules: readonly Rule[];
  findings: Finding[];
  /** Every exception of the catalogue, and whether it was needed here. */
  exceptions: { exception: Exception; used: boolean; expired: boolean; position?: Position }[];
}

export interface Judged {
  model: Model;
  positions: ReadonlyMap<string, Position>;
  resources: readonly Resource[];
  /** YYYY-MM-DD, which exceptions are compared with. */
  today: string;
  /** Names of exceptions that another environment needs: they are not unused. */
  usedElsewhere?: ReadonlySet<string>;
}

/** Judges the resources of an environment by every rule, with the catalogue's exceptions. */
export function check(
  { model, positions, resources, today, usedElsewhere }: Judged,
  rules: readonly Rule[] = every,
): Check {
  const causeOf = causesOf(model);
  const used = new Set<Exception>();
  const at = (place: string) => {
    const position = positions.get(place) ?? positions.get(`environments/${model.environment}`);
    return position === undefined ? {} : { position };
  };
  const findings = judge(rules, resources).map((finding): Finding => {
    const { entry, place } = causeOf(finding.urn);
    const exception = model.exceptions.find(
      (each) => each.appliesTo === entry && isAbout(each, finding.rule, model.environment),
    );
    const found = { ...finding, entry, ...at(place) };
    if (exception === undefined) return found;
    // Also where only the update will tell: then it may be needed.
    used.add(exception);
    const isExcepted = finding.verdict === "violated" && ended(exception, today) === undefined;
    return isExcepted ? { ...found, verdict: "excepted", exception } : found;
  });
  const names = new Set(rules.map(({ name }) => name));
  const placeOf = ({ name, appliesTo }: Exception) =>
    positions.has(`exceptions/${name}`)
      ? `exceptions/${name}`
      : `exceptions/${appliesTo.split("/")[0]}/${name}`;
  for (const exception of model.exceptions) {
    const { name, rule: named, appliesTo, owner } = exception;
    const about = { verdict: "violated" as const, entry: appliesTo, ...at(placeOf(exception)) };
    const end = ended(exception, today);
    if (end !== undefined)
      findings.push({ rule: exceptionCurrent, message: `"${name}" of ${owner} ${end}`, ...about });
    if (!used.has(exception) && usedElsewhere?.has(name) !== true) {
      const why =
        names.has(named) || isRequirement(named)
          ? `nothing that can be excepted breaks ${named} at ${appliesTo}`
          : `there is no rule ${named}`;
      findings.push({ rule: exceptionUsed, message: `"${name}" of ${owner}: ${why}`, ...about });
    }
  }
  return {
    environment: model.environment,
    resources: resources.length,
    rules: [...rules, exceptionCurrent, exceptionUsed],
    findings,
    exceptions: model.exceptions.map((exception) => ({
      exception,
      used: used.has(exception),
      expired: ended(exception, today) !== undefined,
      ...at(placeOf(exception)),
    })),
  };
}

/** Findings with a verdict, the gravest first, then as they stand in the catalogue. */
export function withVerdict({ findings }: Check, verdict: Finding["verdict"]): Finding[] {
  const grave = ["critical", "high", "medium", "low"];
  const order = ({ rule, position }: Finding) =>
    [grave.indexOf(rule.severity), position?.file ?? "", position?.line ?? 0, rule.name] as const;
  return findings
    .filter((finding) => finding.verdict === verdict)
    .map((finding) => ({ finding, key: order(finding) }))
    .sort(({ key: a }, { key: b }) => {
      const index = a.findIndex((part, position) => part !== b[position]);
      const [first, second] = [a[index] ?? 0, b[index] ?? 0];
      return first < second ? -1 : first > second ? 1 : 0;
    })
    .map(({ finding }) => finding);
}

/** Exceptions that no finding speaks of, since nothing here needs them: outputs list every one. */
export function idle({ exceptions }: Check): Check["exceptions"] {
  return exceptions.filter(({ used, expired }) => !used && !expired);
}

/** An exception in a line. Its reason is its owner's word. */
export function granted({ name, rule, appliesTo, owner, expires, reason }: Exception): string {
  return `exception "${name}" of ${owner} from ${rule} at ${appliesTo} until ${expires}: ${reason}`;
}

/** A resource as people call it: its kind and name. */
export function called(urn: string | undefined): string {
  if (urn === undefined) return "the environment";
  const [type = "", name = ""] = urn.split("::").slice(2);
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}
