import type { Position } from "../model/catalogue.ts";
import type { Exception, Model } from "../model/model.ts";
import { causesOf } from "./cause.ts";
import { exceptionCurrent, exceptionUsed, holds, isAbout } from "./exceptions.ts";
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
  exceptions: { exception: Exception; used: boolean; expired: boolean }[];
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
      (each) => each.appliesTo === entry && isAbout(each, finding.rule),
    );
    const found = { ...finding, entry, ...at(place) };
    if (exception === undefined || finding.verdict === "pending") return found;
    used.add(exception);
    return holds(exception, today) ? { ...found, verdict: "excepted", exception } : found;
  });
  for (const exception of model.exceptions) {
    const { name, appliesTo, owner, expires } = exception;
    const place = positions.has(`exceptions/${name}`)
      ? `exceptions/${name}`
      : `exceptions/${appliesTo.split("/")[0]}/${name}`;
    const about = { verdict: "violated" as const, entry: appliesTo, ...at(place) };
    if (!holds(exception, today)) {
      findings.push({
        rule: exceptionCurrent,
        message: `"${name}" of ${owner} ended on ${expires}`,
        ...about,
      });
    }
    if (!used.has(exception) && usedElsewhere?.has(name) !== true) {
      findings.push({
        rule: exceptionUsed,
        message: `"${name}" of ${owner}: nothing breaks ${exception.rule} at ${appliesTo}`,
        ...about,
      });
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
      expired: !holds(exception, today),
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

/** A resource as people call it: its kind and name. */
export function called(urn: string | undefined): string {
  if (urn === undefined) return "the environment";
  const [type = "", name = ""] = urn.split("::").slice(2);
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}
