import type { AwsModel, PolicyDocument } from "../../../model/aws.ts";
import { allowed } from "./simulator.ts";
import type { Thing } from "./things.ts";

/** Another account. */
const other = "999999999999";

interface Asker {
  who: string;
  principal: string;
  rights: PolicyDocument;
  context: Record<string, string>;
}

const everything: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: "*", Resource: "*" }],
};
const nothing: PolicyDocument = { Version: "2012-10-17", Statement: [] };

/** Everybody who could ask: the platform's roles, who reads secrets, services for us and for others, and strangers. */
function askers(aws: AwsModel): Asker[] {
  const { account, region } = aws;
  const role = (account: string, name: string) => `arn:aws:iam::${account}:role/${name}`;
  const said = (account: string, tls = "true") => ({
    "aws:PrincipalAccount": account,
    "aws:SecureTransport": tls,
  });
  const source = (account: string, arn: string) => ({
    "aws:SourceAccount": account,
    "aws:SourceArn": arn,
    "aws:PrincipalIsAWSService": "true",
    "aws:SecureTransport": "true",
    "s3:x-amz-acl": "bucket-owner-full-control",
  });
  const services: [service: string, ours: string, name: string][] = [
    ["cloudtrail.amazonaws.com", `cloudtrail:${region}:ACCOUNT:trail/${aws.trail.name}`, "the trail"],
    ["cloudtrail.amazonaws.com", `cloudtrail:${region}:ACCOUNT:trail/another`, "another trail"],
    ["cloudwatch.amazonaws.com", `cloudwatch:${region}:ACCOUNT:alarm:any`, "an alarm"],
    ["secretsmanager.amazonaws.com", `secretsmanager:${region}:ACCOUNT:secret:any-a1b2c3`, "a secret"],
    [
      "scheduler.amazonaws.com",
      `scheduler:${region}:ACCOUNT:schedule-group/${aws.scheduleGroup}`,
      "a schedule",
    ],
    ["s3.amazonaws.com", `s3:${region}:ACCOUNT:any`, "a bucket"],
    ["events.amazonaws.com", `events:${region}:ACCOUNT:rule/any`, "a rule"],
  ];
  const readers = [...new Set(aws.secrets.flatMap(({ readers }) => readers))];
  return [
    ...aws.roles.map(({ name, rights = nothing }) => ({
      who: name,
      principal: role(account, name),
      rights,
      context: said(account),
    })),
    ...readers.map((principal) => ({
      who: `${principal.split("/").at(-1)}, who reads a secret`,
      principal,
      rights: nothing,
      context: said(account),
    })),
    {
      who: "an administrator of the account, with every right in IAM",
      principal: role(account, "break-glass"),
      rights: everything,
      context: said(account),
    },
    {
      who: "the same by plain HTTP",
      principal: role(account, "break-glass"),
      rights: everything,
      context: said(account, "false"),
    },
    ...[account, other].flatMap((of) =>
      services.map(([service, arn, name]) => ({
        who: `${service} for ${name} of ${of === account ? "this" : "another"} account`,
        principal: service,
        rights: nothing,
        context: source(of, `arn:aws:${arn.replace("ACCOUNT", of)}`),
      })),
    ),
    {
      who: "an administrator of another account",
      principal: role(other, "break-glass"),
      rights: everything,
      context: said(other),
    },
  ];
}

/** Thing → who → what they may, by the simulator; who may nothing is not there. */
export async function reach(aws: AwsModel, things: Thing[]): Promise<Map<string, Map<string, string[]>>> {
  const table = new Map<string, Map<string, string[]>>();
  for (const { what, policy, requests } of things) {
    const rows = new Map<string, string[]>();
    for (const { who, principal, rights, context } of askers(aws)) {
      const may: string[] = [];
      for (const [action, resource] of requests) {
        const asked = { principal, action, resource, account: aws.account, rights, context };
        if (await allowed({ ...asked, ...(policy !== undefined && { policy }) })) may.push(action);
      }
      if (may.length > 0) rows.set(who, may.length === requests.length ? ["all that was asked"] : may);
    }
    table.set(what, rows);
  }
  return table;
}
