import type { Seconds } from "./duration.ts";
import type { Retired } from "./retired.ts";

/**
 * What an environment has in AWS: plain data like the rest of the model, documents included. Every name and ARN is known
 * before anything is made, except the ids of keys, which therefore stand in no document: who may use a key is said by
 * the key's own policy, which names roles.
 */
export interface AwsModel {
  account: string;
  region: string;
  /** Where the local stack's emulator is: it has no Access Analyzer, no network, and no IAM that Vault could ask. */
  emulator?: string;
  keys: AwsKey[];
  github: { url: string; audience: string };
  roles: AwsRole[];
  /** Name of the role that rotate.yml takes. */
  rotateRole: string;
  /**
   * The group that people's IAM users are in: members have nothing without a second factor. Where their account is another
   * one, somebody makes it there: this program reaches its own account alone.
   */
  people: { account: string; group: string; policy: PolicyDocument };
  trail: AwsTrail;
  /** The bucket of Pulumi's state, which the program does not make: it is kept there. */
  stateBucket?: string;
  alarms: AwsAlarm[];
  topic: { name: string; policy: PolicyDocument; emails: string[] };
  deadLetters: string;
  functions: AwsFunction[];
  /** The group of all schedules: for it, and not for a schedule, EventBridge takes their role. */
  scheduleGroup: string;
  schedules: AwsSchedule[];
  secrets: AwsSecret[];
  /** How Vault checks who logs in by AWS: value of the X-Vault-AWS-IAM-Server-ID header. */
  vault: { serverId: string };
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html */
export interface PolicyDocument {
  Version: "2012-10-17";
  Statement: PolicyStatement[];
}

export interface PolicyStatement {
  Sid: string;
  Effect: "Allow" | "Deny";
  Principal?: "*" | Record<string, string | string[]>;
  Action?: string | string[];
  NotAction?: string[];
  Resource?: string | string[];
  NotResource?: string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

export type KeyName = "audit" | "data" | "sops" | "state" | "unseal";

export interface AwsKey {
  name: KeyName;
  /** With "alias/". */
  alias: string;
  purpose: string;
  policy: PolicyDocument;
}

export interface AwsRole {
  /** Within IAM's 64 characters. */
  name: string;
  purpose: string;
  of: "github" | "person" | "vault" | "function" | "service";
  trust: PolicyDocument;
  /** What it may do; a role that only logs in somewhere has none. */
  rights?: PolicyDocument;
}

export interface AwsTrail {
  name: string;
  bucket: string;
  bucketPolicy: PolicyDocument;
  logGroup: string;
  /** Role by which CloudTrail writes to the log group. */
  logRole: string;
  /** Nobody, not the root user either, deletes a file of the trail before it is so old. */
  lock?: Seconds;
  /** Days for which logs are kept. */
  retention: number;
}

/**
 * Somebody hears of it: an event of the trail that matches, or what a metric of AWS' own counts; where it is `silent`, that
 * the metric has counted nothing for so long.
 */
export type AwsAlarm = { name: string; purpose: string } & (
  | { pattern: string }
  | { metric: { namespace: string; name: string; dimensions: Record<string, string> }; silent?: Seconds }
);

export type LambdaName = "rotate-due" | "rotate-postgres";

export interface AwsFunction {
  name: string;
  /** Which code it runs. */
  code: LambdaName;
  /** system/database, or the environment's name. */
  of: string;
  purpose: string;
  role: string;
  logGroup: string;
  timeout: Seconds;
  /** Megabytes. */
  memory: number;
  /** How many runs of the account's are reserved for it, and how many it may have at once; as it comes when absent. */
  concurrency?: number;
  /** Never a value of a secret. */
  variables: Record<string, string>;
  network?: { subnets: string[]; securityGroups: string[] };
  /** Vault role that it logs in as by its IAM role, and what that may. */
  vault: { role: string; policy: string };
  /** Secrets Manager calls it; else a schedule does, by a role. */
  calledBy: "secrets-manager" | "schedule";
}

export interface AwsSchedule {
  name: string;
  function: string;
  role: string;
  expression: string;
  /** It begins at a random minute of so many. */
  window: number;
  attempts: number;
  oldest: Seconds;
}

/** A database user's credentials, kept where an AWS service reads them. */
export interface AwsSecret {
  /** As any database user's: system/<database>-<user>. */
  id: string;
  /** In Secrets Manager. */
  name: string;
  /** system/database */
  database: string;
  user: string;
  memberOf: string;
  logins: string[];
  function: string;
  /** Days between rotations. */
  every: number;
  readers: string[];
  policy: PolicyDocument;
  /** Nobody reads or rotates it any more; its value stays. */
  retired?: Retired;
}
