import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
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

/** Of what AWS takes a second one for the first, and writes over it: what tells one from another. */
const writtenOver: Record<string, readonly string[]> = {
  [aws.alarm]: ["name"],
  [aws.metricFilter]: ["logGroupName", "name"],
  [aws.rolePolicy]: ["role", "name"],
  [aws.groupPolicy]: ["group", "name"],
  [aws.passwordPolicy]: [],
  [aws.bucketPolicy]: ["bucket"],
  [aws.publicAccess]: ["bucket"],
  [aws.bucketEncryption]: ["bucket"],
  [aws.bucketLock]: ["bucket"],
  [aws.bucketVersioning]: ["bucket"],
  [aws.topicPolicy]: ["arn"],
  [aws.subscription]: ["topic", "protocol", "endpoint"],
  [aws.secretPolicy]: ["secretArn"],
  [aws.secretRotation]: ["secretId"],
};

export const nameOnce: StackRule = {
  name: "aws-name-once",
  sentence:
    "No two things in AWS are written over one another: of two of one name and place, the one that comes last is all there is.",
  severity: "high",
  fix: "Give each a name of its own, and each bucket, topic and secret one policy with all its statements.",
  controls: ["NIST-800-53r5/CM-8", "R10", "R48"],
  *judgeStack(resources) {
    for (const [type, told] of Object.entries(writtenOver)) {
      const seen = new Set<string>();
      for (const { urn, props } of ofType(resources, type)) {
        const at = told.map((name) => text(props[name]) ?? "").join(" ");
        if (seen.has(at)) yield { urn, message: `there are two of ${at || "it, and an account has one"}` };
        seen.add(at);
      }
    }
  },
};

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
