import type { ResourceRule } from "../rule.ts";
import { text } from "../value.ts";
import { environmentOf } from "./place.ts";
import { aws } from "./types.ts";

/** Which argument names it, for those that AWS names by it. */
const named: Record<string, string> = {
  [aws.role]: "name",
  [aws.group]: "name",
  [aws.trail]: "name",
  [aws.metricFilter]: "name",
  [aws.alarm]: "name",
  [aws.topic]: "name",
  [aws.queue]: "name",
  [aws.function]: "name",
  [aws.schedule]: "name",
  [aws.scheduleGroup]: "name",
  [aws.analyzer]: "analyzerName",
  [aws.bucket]: "bucket",
  [aws.logGroup]: "name",
  [aws.secret]: "name",
};

export const nameOfEnvironment: ResourceRule = {
  name: "aws-name-of-environment",
  sentence:
    "What is named in AWS says whose it is and of which environment: rights are given by these names.",
  severity: "high",
  fix: "Name it keyplane-<environment>-…, a log /keyplane/<environment>/… or /aws/lambda/<function>, a secret keyplane/<environment>/….",
  controls: ["NIST-800-53r5/CM-8(9)", "R9"],
  types: Object.keys(named),
  *judge({ urn, type, props }) {
    const argument = named[type] ?? "name";
    const form = formOf(type, environmentOf(urn));
    if (!form.test(text(props[argument]) ?? "")) yield `${argument} does not say which environment's it is`;
  },
};

/** By type and environment: they come again with every resource. */
const forms = new Map<string, RegExp>();

function formOf(type: string, environment: string): RegExp {
  const before = forms.get(`${type} ${environment}`);
  if (before !== undefined) return before;
  const own: Record<string, string> = {
    [aws.logGroup]: `^(/keyplane/${environment}/|/aws/lambda/keyplane-${environment}-)[a-z0-9-]+$`,
    [aws.secret]: `^keyplane/${environment}(/[\\w.-]+)+$`,
  };
  const form = new RegExp(own[type] ?? `^keyplane-${environment}-[a-z0-9-]+$`);
  forms.set(`${type} ${environment}`, form);
  return form;
}

export const policyNamed: ResourceRule = {
  name: "aws-policy-named",
  sentence: "A policy of a role or a group has a name, under which one that is made anew replaces it.",
  severity: "low",
  fix: "Set name to a word.",
  controls: ["R10"],
  types: [aws.rolePolicy, aws.groupPolicy],
  *judge({ props }) {
    if (!/^[a-z][a-z0-9-]*$/.test(text(props.name) ?? "")) yield "name is no word";
  },
};
