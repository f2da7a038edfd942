import assert from "node:assert/strict";
import { test } from "node:test";
import { rightsOfDuty, usesOfDuty } from "../../../policies/aws/rights-of-duty.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, findings, ruleSuite, shipped } from "../examples.ts";
import { allow, document } from "./document.ts";

type Plain = Record<string, unknown>;

/** The shipped document with a statement more. */
const and = ({ props }: Example, more: Plain) => {
  const { Version, Statement } = JSON.parse(String(props.policy)) as { Version: string; Statement: Plain[] };
  return { policy: JSON.stringify({ Version, Statement: [...Statement, allow({ Sid: "More", ...more })] }) };
};
const beyond = (...actions: string[]) =>
  actions.map((action) => `"More" allows ${action}, which is not its duty`);
const astray = (action: string, resource: string) =>
  `"More" allows ${action} on ${resource}, where its duty is not`;
const arn = (rest: string) => `arn:aws:${rest}`.replace("ACCOUNT", "222222222222");

const drift = shipped(aws.rolePolicy, "production-drift");
const secrets = arn("secretsmanager:eu-west-1:ACCOUNT:secret:keyplane/production/*");
const functions = arn("lambda:eu-west-1:ACCOUNT:function:keyplane-production-*");
ruleSuite(rightsOfDuty, drift, {
  "who looks stops the trail": [
    and(drift, {
      Action: ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"],
      Resource: arn("cloudtrail:eu-west-1:ACCOUNT:trail/keyplane-production-trail"),
    }),
    beyond("cloudtrail:stoplogging", "cloudtrail:deletetrail"),
  ],
  "who looks changes code": [
    and(drift, { Action: "lambda:UpdateFunctionCode", Resource: functions }),
    beyond("lambda:updatefunctioncode"),
  ],
  "who looks reads values": [
    and(drift, { Action: "secretsmanager:GetSecretValue", Resource: secrets }),
    beyond("secretsmanager:getsecretvalue"),
  ],
  "who looks reads what is no state": [
    and(drift, { Action: "s3:GetObject", Resource: "arn:aws:s3:::keyplane-production-trail-222222222222/*" }),
    [astray("s3:getobject", "arn:aws:s3:::keyplane-production-trail-222222222222/*")],
  ],
  "a role that nobody knows": [
    { role: "keyplane-production-contractor" },
    ['"keyplane-production-contractor" is no role or group that the platform has'],
  ],
  "the role of another environment": [
    { role: "keyplane-staging-drift" },
    ['"keyplane-staging-drift" is no role or group that the platform has'],
  ],
});
const deploy = shipped(aws.rolePolicy, "production-deploy");
const trail = "arn:aws:s3:::keyplane-production-trail-222222222222/*";
const ada = arn("iam::ACCOUNT:user/ada");
ruleSuite(rightsOfDuty, deploy, {
  "who builds deletes the trail's files": [
    and(deploy, { Action: "s3:DeleteObject", Resource: trail }),
    [astray("s3:deleteobject", trail)],
  ],
  "who builds reads a value": [
    and(deploy, { Action: "secretsmanager:GetSecretValue", Resource: secrets }),
    beyond("secretsmanager:getsecretvalue"),
  ],
  "who builds gives a person rights": [
    and(deploy, { Action: ["iam:PutRolePolicy", "iam:PutUserPolicy"], Resource: ada }),
    [astray("iam:putrolepolicy", ada), ...beyond("iam:putuserpolicy")],
  ],
  "who builds deletes secrets at once": [
    and(deploy, { Action: "secretsmanager:DeleteSecret", Resource: secrets }),
    ['"More" deletes secrets sooner than in 30 days'],
  ],
  "any service-linked role": [
    and(deploy, {
      Action: "iam:CreateServiceLinkedRole",
      Resource: arn("iam::ACCOUNT:role/aws-service-role/ops.amazonaws.com/Ops"),
    }),
    [
      astray(
        "iam:createservicelinkedrole",
        "arn:aws:iam::222222222222:role/aws-service-role/ops.amazonaws.com/Ops",
      ),
    ],
  ],
});
const rotator = shipped(aws.rolePolicy, "rotate-postgres-titan-ledger");
const logs = arn("logs:eu-west-1:ACCOUNT:log-group:/keyplane/production/trail:*");
ruleSuite(rightsOfDuty, rotator, {
  "every secret of the environment": [
    and(rotator, { Action: "secretsmanager:PutSecretValue", Resource: secrets }),
    [astray("secretsmanager:putsecretvalue", secrets)],
  ],
  "the trail's log": [
    and(rotator, { Action: "logs:PutLogEvents", Resource: logs }),
    [astray("logs:putlogevents", logs)],
  ],
});
const due = shipped(aws.rolePolicy, "production-rotate-due");
ruleSuite(rightsOfDuty, due, {
  "a value, which is another function's": [
    and(due, { Action: "secretsmanager:GetSecretValue", Resource: `${secrets.slice(0, -1)}a-??????` }),
    beyond("secretsmanager:getsecretvalue"),
  ],
});
const auditor = shipped(aws.rolePolicy, "production-auditor");
ruleSuite(rightsOfDuty, auditor, {
  "who reads the logs deletes them": [
    and(auditor, { Action: "logs:DeleteLogGroup", Resource: logs }),
    beyond("logs:deleteloggroup"),
  ],
});
const people = shipped(aws.groupPolicy);
const deployRole = arn("iam::ACCOUNT:role/keyplane-production-deploy");
ruleSuite(rightsOfDuty, people, {
  "people become the deployment": [
    and(people, { Action: "sts:AssumeRole", Resource: deployRole }),
    [astray("sts:assumerole", deployRole)],
  ],
  "somebody else's password": [
    and(people, { Action: "iam:ChangePassword", Resource: ada }),
    [astray("iam:changepassword", ada)],
  ],
});
const elsewhere = "it gives rights that stand in no role's or group's own policy";
ruleSuite(rightsOfDuty, shipped(aws.role, "production-drift"), {
  "a policy of AWS'": [
    { managedPolicyArns: ["arn:aws:iam::aws:policy/SecretsManagerReadWrite"] },
    [elsewhere],
  ],
  "more, in the role": [
    {
      inlinePolicies: [{ policy: document(allow({ Sid: "More", Action: "kms:CreateKey", Resource: "*" })) }],
    },
    beyond("kms:createkey"),
  ],
});
for (const type of [aws.policy, aws.roleAttachment, aws.groupAttachment]) {
  test(`aws-rights-of-its-duty: refuses a ${type}, whoever has it`, () =>
    assert.deepEqual(findings(rightsOfDuty, [{ type, props: {} }]), [elsewhere]));
}

const unseal = shipped(aws.key, "unseal");
const role = (name: string) => `arn:aws:iam::222222222222:role/${name}`;
const lets = (principal: string, actions: string) => `"More" lets ${principal} ${actions}`;
ruleSuite(usesOfDuty, unseal, {
  "who rotates decides who uses the key": [
    and(unseal, {
      Principal: { AWS: role("keyplane-production-rotate-due") },
      Action: ["kms:Decrypt", "kms:PutKeyPolicy"],
      Resource: "*",
    }),
    [lets(`AWS ${role("keyplane-production-rotate-due")}`, "kms:putkeypolicy")],
  ],
  "who looks encrypts": [
    and(unseal, {
      Principal: { AWS: role("keyplane-production-drift") },
      Action: "kms:Encrypt",
      Resource: "*",
    }),
    [lets(`AWS ${role("keyplane-production-drift")}`, "kms:encrypt")],
  ],
  "a role of somebody else's does more than open what it reads": [
    and(unseal, { Principal: { AWS: role("titan-rds-proxy") }, Action: "kms:CreateGrant", Resource: "*" }),
    [lets(`AWS ${role("titan-rds-proxy")}`, "kms:creategrant")],
  ],
  "a service that has nothing to do with it": [
    and(unseal, { Principal: { Service: "ec2.amazonaws.com" }, Action: "kms:Decrypt", Resource: "*" }),
    [lets("Service ec2.amazonaws.com", "kms:decrypt")],
  ],
});
const bucket = shipped(aws.bucketPolicy);
ruleSuite(usesOfDuty, bucket, {
  "who looks deletes the trail's files": [
    and(bucket, {
      Principal: { AWS: role("keyplane-production-drift") },
      Action: ["s3:DeleteObject", "s3:PutBucketPolicy"],
      Resource: trail,
    }),
    [lets(`AWS ${role("keyplane-production-drift")}`, "s3:deleteobject, s3:putbucketpolicy")],
  ],
  "the trail deletes": [
    and(bucket, {
      Principal: { Service: "cloudtrail.amazonaws.com" },
      Action: "s3:DeleteObject",
      Resource: trail,
    }),
    [lets("Service cloudtrail.amazonaws.com", "s3:deleteobject")],
  ],
});
const topic = shipped(aws.topicPolicy);
ruleSuite(usesOfDuty, topic, {
  "the account as a whole": [
    and(topic, { Principal: { AWS: arn("iam::ACCOUNT:root") }, Action: "sns:Publish", Resource: "*" }),
    [lets("AWS arn:aws:iam::222222222222:root", "sns:publish")],
  ],
});
const queue = shipped(aws.queue);
ruleSuite(usesOfDuty, queue, {
  "a service that sends for nobody we know": [
    {
      policy: document(
        allow({
          Sid: "More",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: "*",
        }),
      ),
    },
    [lets("Service s3.amazonaws.com", "sqs:sendmessage")],
  ],
});
const data = shipped(aws.key, "data");
ruleSuite(usesOfDuty, data, {
  "a role of somebody else's opens what is no secret": [
    and(data, {
      Principal: { AWS: role("titan-rds-proxy") },
      Action: "kms:Decrypt",
      Resource: "*",
      Condition: { StringEquals: { "kms:ViaService": "lambda.eu-west-1.amazonaws.com" } },
    }),
    [lets(`AWS ${role("titan-rds-proxy")}`, "kms:decrypt")],
  ],
});
