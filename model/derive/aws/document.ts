import type { PolicyDocument, PolicyStatement } from "../../aws.ts";

/** A policy document of statements; one list of them, in the order in which people read them. */
export function document(...statements: PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements };
}

export function allow(Sid: string, rest: Omit<PolicyStatement, "Sid" | "Effect">): PolicyStatement {
  return { Sid, Effect: "Allow", ...rest };
}

export function deny(Sid: string, rest: Omit<PolicyStatement, "Sid" | "Effect">): PolicyStatement {
  return { Sid, Effect: "Deny", ...rest };
}

/** Names and ARNs of an environment's account. */
export interface Place {
  account: string;
  region: string;
  environment: string;
}

export const arn = {
  root: (account: string) => `arn:aws:iam::${account}:root`,
  role: ({ account }: Place, name: string) => `arn:aws:iam::${account}:role/${name}`,
  function: ({ account, region }: Place, name: string) =>
    `arn:aws:lambda:${region}:${account}:function:${name}`,
  queue: ({ account, region }: Place, name: string) => `arn:aws:sqs:${region}:${account}:${name}`,
  topic: ({ account, region }: Place, name: string) => `arn:aws:sns:${region}:${account}:${name}`,
  logGroup: ({ account, region }: Place, name: string) =>
    `arn:aws:logs:${region}:${account}:log-group:${name}`,
  trail: ({ account, region }: Place, name: string) =>
    `arn:aws:cloudtrail:${region}:${account}:trail/${name}`,
  schedule: ({ account, region }: Place, group: string, name: string) =>
    `arn:aws:scheduler:${region}:${account}:schedule/${group}/${name}`,
  scheduleGroup: ({ account, region }: Place, name: string) =>
    `arn:aws:scheduler:${region}:${account}:schedule-group/${name}`,
  alarms: ({ account, region }: Place) => `arn:aws:cloudwatch:${region}:${account}:alarm:*`,
  /** Secrets Manager ends the name with a hyphen and six characters of its own. */
  secret: ({ account, region }: Place, name: string) =>
    `arn:aws:secretsmanager:${region}:${account}:secret:${name}-??????`,
};
