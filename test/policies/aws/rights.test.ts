import * as rights from "../../../policies/aws/rights.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, ruleSuite, shipped } from "../examples.ts";
import { allow, document, policy, reworded } from "./document.ts";

const secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:titan-AbCdEf";

const own = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:keyplane/production/*";

const reader: Example = {
  type: aws.policy,
  props: policy(allow({ Action: ["secretsmanager:GetSecretValue"], Resource: [secret] })),
};

ruleSuite(rights.noFullRights, reader, {
  everything: [policy(allow({ Action: "*", Resource: "*" })), ["a statement allows every action"]],
  "everything of IAM": [
    policy(allow({ Action: "iam:*", Resource: "*" })),
    ["a statement allows iam:* on everything"],
  ],
  "all but some": [
    policy(allow({ NotAction: "iam:*", Resource: "*" })),
    ["a statement allows everything but what it names"],
  ],
});
ruleSuite(rights.secretsByName, reader, {
  "every secret": [
    policy(allow({ Action: "secretsmanager:Get*", Resource: "*" })),
    ["secretsmanager:GetSecretValue is allowed on every resource"],
  ],
  "every key": [
    policy(allow({ Action: "kms:Decrypt", Resource: "arn:aws:kms:eu-west-1:111111111111:key/*" })),
    ["kms:Decrypt is allowed on every resource"],
  ],
  "every secret of an environment": [
    policy(
      allow({ Action: ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], Resource: own }),
    ),
    ["Get", "Put"].map((verb) => `secretsmanager:${verb}SecretValue is allowed on whatever is named ${own}`),
  ],
});
ruleSuite(rights.noEscalation, reader, {
  "any role": [
    policy(allow({ Action: "iam:PassRole", Resource: "*" })),
    ["iam:PassRole is allowed for every role", "iam:PassRole is allowed for every service"],
  ],
  "a role for any service": [
    policy(allow({ Action: "iam:PassRole", Resource: "arn:aws:iam::111111111111:role/app" })),
    ["iam:PassRole is allowed for every service"],
  ],
  "writes policies": [
    policy(allow({ Action: "iam:PutRole*", Resource: "arn:aws:iam::111111111111:role/*" })),
    ["iam:putrole* is allowed to who does not deploy"],
  ],
  "a role for a service that runs nothing of ours": [
    policy(
      allow({
        Action: "iam:PassRole",
        Resource: "arn:aws:iam::111111111111:role/app",
        Condition: { StringEquals: { "iam:PassedToService": ["lambda.amazonaws.com", "ec2.amazonaws.com"] } },
      }),
    ),
    ["iam:PassRole is allowed for ec2.amazonaws.com"],
  ],
});
ruleSuite(rights.noEscalation, shipped(aws.rolePolicy, "rotate-due"), {
  "its own rights": [
    reworded(shipped(aws.rolePolicy, "rotate-due"), "WriteOwnLog", {
      Action: "iam:PutRolePolicy",
      Resource: "arn:aws:iam::222222222222:role/keyplane-production-rotate-due",
    }),
    ["iam:putrolepolicy is allowed to who does not deploy"],
  ],
  "a key of somebody": [
    reworded(shipped(aws.rolePolicy, "rotate-due"), "WriteOwnLog", {
      Action: ["iam:CreateAccessKey", "iam:CreateLoginProfile"],
      Resource: "arn:aws:iam::222222222222:user/ada",
    }),
    ["iam:createaccesskey", "iam:createloginprofile"].map(
      (each) => `${each} is allowed to who does not deploy`,
    ),
  ],
});
ruleSuite(rights.noEscalation, shipped(aws.rolePolicy, "deploy"), {
  "every role of the account": [
    reworded(shipped(aws.rolePolicy, "deploy"), "MakeIdentities", {
      Action: ["iam:GetRole", "iam:PutRolePolicy"],
      Resource: "*",
    }),
    ["iam:putrolepolicy is allowed on everything"],
  ],
});

ruleSuite(
  rights.noBroadManagedPolicy,
  { type: aws.roleAttachment, props: { policyArn: "arn:aws:iam::111111111111:policy/titan" } },
  {
    unset: [{ policyArn: undefined }, ["policyArn is not set"]],
    administrator: [
      { policyArn: "arn:aws:iam::aws:policy/AdministratorAccess" },
      ["AdministratorAccess is attached"],
    ],
    "a service's full access": [
      { policyArn: "arn:aws:iam::aws:policy/AmazonS3FullAccess" },
      ["AmazonS3FullAccess is attached"],
    ],
  },
);
ruleSuite(rights.noBroadManagedPolicy, shipped(aws.role), {
  "an administrator's, in the role": [
    { managedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] },
    ["AdministratorAccess is attached"],
  ],
});

ruleSuite(rights.inlineRights, shipped(aws.role), {
  "everything, in the role": [
    { inlinePolicies: [{ name: "more", policy: document(allow({ Action: "*", Resource: "*" })) }] },
    [
      "a statement allows *",
      "a statement allows every action",
      ...["GetSecretValue", "BatchGetSecretValue", "PutSecretValue"].map(
        (name) => `secretsmanager:${name} is allowed on every resource`,
      ),
      ...["kms:Decrypt", "kms:GenerateDataKey", "ssm:GetParameter"].map(
        (each) => `${each} is allowed on every resource`,
      ),
      "iam:PassRole is allowed for every role",
      "iam:PassRole is allowed for every service",
      "everything of IAM is allowed",
      "a statement allows * on everything",
      "a statement is for interfaces of any subnet",
      "the function's own code may change the network",
    ],
  ],
});

const deploy = shipped(aws.rolePolicy, "deploy");
ruleSuite(rights.resourcesNamed, deploy, {
  "changes of everything": [
    reworded(deploy, "MakeSchedules", { Resource: "*" }),
    ["CreateSchedule", "CreateScheduleGroup", "DeleteSchedule", "DeleteScheduleGroup", "UpdateSchedule"].map(
      (name) => `"MakeSchedules" allows scheduler:${name.toLowerCase()} on everything`,
    ),
  ],
  "what AWS knows something narrower for, though it only sees": [
    reworded(deploy, "FindState", { Resource: "*" }),
    ['"FindState" allows s3:listbucket on everything'],
  ],
  "another environment": [
    reworded(deploy, "MakeFunctions", {
      Resource: "arn:aws:lambda:eu-west-1:222222222222:function:keyplane-staging-*",
    }),
    ['"MakeFunctions" is for arn:aws:lambda:eu-west-1:222222222222:function:keyplane-staging-*'],
  ],
  "names that begin alike": [
    reworded(deploy, "MakeFunctions", {
      Resource: "arn:aws:lambda:eu-west-1:222222222222:function:keyplane-production*",
    }),
    ['"MakeFunctions" is for arn:aws:lambda:eu-west-1:222222222222:function:keyplane-production*'],
  ],
  "more of the state's bucket than the state": [
    reworded(deploy, "WriteState", { Resource: "arn:aws:s3:::acme-keyplane-state-production/*" }),
    ['"WriteState" is for arn:aws:s3:::acme-keyplane-state-production/*'],
  ],
  "the state in whichever bucket": [
    reworded(deploy, "WriteState", { Resource: "arn:aws:s3:::acme-*/.pulumi/*" }),
    ['"WriteState" is for arn:aws:s3:::acme-*/.pulumi/*'],
  ],
  "no ARN": [
    reworded(deploy, "MakeFunctions", { Resource: "functions" }),
    ['"MakeFunctions" is for functions'],
  ],
});
ruleSuite(rights.keysInTheirPolicies, deploy, {
  "names for any key": [
    reworded(deploy, "NameKeys", {
      Action: "kms:CreateAlias",
      Resource: [
        "arn:aws:kms:eu-west-1:222222222222:alias/keyplane-production-*",
        "arn:aws:kms:eu-west-1:222222222222:key/*",
      ],
    }),
    [
      '"NameKeys" allows kms:createalias on arn:aws:kms:eu-west-1:222222222222:alias/keyplane-production-*, arn:aws:kms:eu-west-1:222222222222:key/*',
    ],
  ],
  "names of another environment": [
    reworded(deploy, "NameKeys", {
      Action: "kms:CreateAlias",
      Resource: "arn:aws:kms:eu-west-1:222222222222:alias/keyplane-staging-*",
    }),
    ['"NameKeys" allows kms:createalias on arn:aws:kms:eu-west-1:222222222222:alias/keyplane-staging-*'],
  ],
  "keys with a name": [
    reworded(deploy, "NameKeys", {
      Action: "kms:PutKeyPolicy",
      Resource: "arn:aws:kms:eu-west-1:222222222222:key/*",
      Condition: { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/keyplane-production-*" } },
    }),
    ['"NameKeys" allows kms:putkeypolicy on arn:aws:kms:eu-west-1:222222222222:key/*'],
  ],
});
const rotator = shipped(aws.rolePolicy, "keyplane-production-rotate-due");
ruleSuite(rights.networkBound, rotator, {
  "interfaces of any subnet": [
    reworded(rotator, "LeaveTheNetwork", { Condition: undefined }),
    ['"LeaveTheNetwork" is for interfaces of any subnet'],
  ],
  "by the code itself": [
    reworded(rotator, "NotByTheCodeItself", undefined),
    ["the function's own code may change the network"],
  ],
  "by another function": [
    reworded(rotator, "NotByTheCodeItself", {
      Condition: { ArnEquals: { "lambda:SourceFunctionArn": "*" } },
    }),
    ["the function's own code may change the network"],
  ],
});
