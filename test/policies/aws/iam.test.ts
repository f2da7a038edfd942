import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, statementsOf } from "../../../policies/aws/document.ts";
import * as iam from "../../../policies/aws/iam.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, findings, ruleSuite } from "../suite.ts";

type Plain = Record<string, unknown>;
const document = (...statements: Plain[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const allow = (more: Plain): Plain => ({ Effect: "Allow", ...more });
const policy = (...statements: Plain[]) => ({ policy: document(...statements) });
const secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:titan-AbCdEf";

const reader: Example = {
  type: aws.policy,
  props: policy(allow({ Action: ["secretsmanager:GetSecretValue"], Resource: [secret] })),
};

ruleSuite(iam.documentReadable, reader, {
  unset: [{ policy: undefined }, ["the policy document has no statement"]],
  "no JSON": [{ policy: "{" }, ["the policy document is no JSON"]],
  "a statement without effect": [policy({ Action: "*" }), ["a statement neither allows nor denies"]],
  "an action that is no text": [policy(allow({ Action: [{}] })), ["a statement has what is no text"]],
});
ruleSuite(iam.noFullRights, reader, {
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
ruleSuite(iam.secretsByName, reader, {
  "every secret": [
    policy(allow({ Action: "secretsmanager:Get*", Resource: "*" })),
    ["secretsmanager:GetSecretValue is allowed on every resource"],
  ],
  "every key": [
    policy(allow({ Action: "kms:Decrypt", Resource: "arn:aws:kms:eu-west-1:111111111111:key/*" })),
    ["kms:Decrypt is allowed on every resource"],
  ],
});
ruleSuite(iam.noEscalation, reader, {
  "any role": [
    policy(allow({ Action: "iam:PassRole", Resource: "*" })),
    ["iam:PassRole is allowed for every role"],
  ],
  "writes policies": [
    policy(allow({ Action: "iam:PutRole*", Resource: "arn:aws:iam::111111111111:role/*" })),
    ["iam:PutRolePolicy is allowed on everything"],
  ],
});

const github = "token.actions.githubusercontent.com";
const subject = "repo:acme/titan:environment:production";
const trust = (more: Plain) => ({
  assumeRolePolicy: document(
    allow({
      Action: "sts:AssumeRoleWithWebIdentity",
      Principal: { Federated: `arn:aws:iam::111111111111:oidc-provider/${github}` },
      ...more,
    }),
  ),
});
const exact = { StringEquals: { [`${github}:sub`]: subject, [`${github}:aud`]: "sts.amazonaws.com" } };
const ciRole: Example = { type: aws.role, props: trust({ Condition: exact }) };

ruleSuite(iam.oidcTrustExact, ciRole, {
  unset: [trust({}), ["the subject is not compared exactly", "the audience is not one exact one"]],
  "a pattern": [
    trust({
      Condition: {
        StringLike: { [`${github}:sub`]: "repo:acme/*" },
        StringEquals: { [`${github}:aud`]: "sts.amazonaws.com" },
      },
    }),
    ["the subject is not compared exactly"],
  ],
  "a pattern that is compared exactly": [
    trust({ Condition: { StringEquals: { ...exact.StringEquals, [`${github}:sub`]: "repo:acme/titan:*" } } }),
    ['the subject "repo:acme/titan:*" is no exact job'],
  ],
  "a pull request": [
    trust({
      Condition: {
        StringEquals: { ...exact.StringEquals, [`${github}:sub`]: "repo:acme/titan:pull_request" },
      },
    }),
    ['the subject "repo:acme/titan:pull_request" is no exact job', "pull requests may assume it"],
  ],
  "no audience": [
    trust({ Condition: { StringEquals: { [`${github}:sub`]: subject } } }),
    ["the audience is not one exact one"],
  ],
});
ruleSuite(iam.roleTrustNarrow, ciRole, {
  everyone: [
    { assumeRolePolicy: document(allow({ Action: "sts:AssumeRole", Principal: "*" })) },
    ["it trusts *"],
  ],
  "everyone, as a list": [
    { assumeRolePolicy: document(allow({ Action: "sts:AssumeRole", Principal: { AWS: ["*"] } })) },
    ["it trusts *"],
  ],
  nobody: [{ assumeRolePolicy: document(allow({ Action: "sts:AssumeRole" })) }, ["it names no principal"]],
});
const human = (Condition?: Plain) => ({
  assumeRolePolicy: document(
    allow({
      Action: "sts:AssumeRole",
      Principal: { AWS: "arn:aws:iam::111111111111:root" },
      ...(Condition && { Condition }),
    }),
  ),
});
ruleSuite(
  iam.peopleWithMfa,
  { type: aws.role, props: human({ Bool: { "aws:MultiFactorAuthPresent": "true" } }) },
  {
    unset: [human(), ["people assume it without a second factor"]],
    "only where it is said": [
      human({ BoolIfExists: { "aws:MultiFactorAuthPresent": "true" } }),
      ["people assume it without a second factor"],
    ],
    "the wrong way round": [
      human({ Bool: { "aws:MultiFactorAuthPresent": "false" } }),
      ["people assume it without a second factor"],
    ],
  },
);
ruleSuite(iam.roleSessionShort, ciRole, {
  "half a day": [{ maxSessionDuration: 43_200 }, ["maxSessionDuration is over 3600"]],
});
ruleSuite(
  iam.oidcProviderExact,
  { type: aws.oidcProvider, props: { url: `https://${github}`, clientIdLists: ["sts.amazonaws.com"] } },
  {
    "plain HTTP": [{ url: `http://${github}` }, ["url is not an https address"]],
    unset: [{ clientIdLists: undefined }, ["clientIdLists is not sts.amazonaws.com alone"]],
    "another audience too": [
      { clientIdLists: ["sts.amazonaws.com", "other"] },
      ["clientIdLists is not sts.amazonaws.com alone"],
    ],
  },
);
ruleSuite(
  iam.noBroadManagedPolicy,
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
ruleSuite(
  iam.passwordsLong,
  { type: aws.passwordPolicy, props: { minimumPasswordLength: 14, passwordReusePrevention: 24 } },
  {
    unset: [
      { minimumPasswordLength: undefined, passwordReusePrevention: undefined },
      ["minimumPasswordLength is under 14", "passwordReusePrevention is under 24"],
    ],
    short: [{ minimumPasswordLength: 13 }, ["minimumPasswordLength is under 14"]],
  },
);
const deny = (more: Plain): Plain => ({
  Effect: "Deny",
  NotAction: ["iam:EnableMFADevice", "iam:CreateVirtualMFADevice", "sts:GetSessionToken"],
  Resource: "*",
  Condition: { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } },
  ...more,
});
ruleSuite(
  iam.mfaForGroups,
  { type: aws.groupPolicy, props: policy(deny({})) },
  {
    "nothing is denied": [
      policy(allow({ Action: "s3:GetObject", Resource: "x" })),
      ["nothing is denied without a second factor"],
    ],
    "some things are": [
      policy(deny({ NotAction: undefined, Action: "s3:*" })),
      ["something is not denied without a second factor"],
    ],
    "more is open": [
      policy(deny({ NotAction: ["iam:*"] })),
      ["more than setting up a second factor is open without one"],
    ],
  },
);

for (const type of [aws.user, aws.accessKey, aws.loginProfile]) {
  test(`aws-no-users: refuses ${type}`, () => {
    assert.deepEqual(findings(iam.noUsers, [{ type, props: {} }]), [
      `${type.slice(type.lastIndexOf(":") + 1)} is a credential that lasts`,
    ]);
  });
}
for (const type of [aws.userPolicy, aws.userAttachment]) {
  test(`aws-rights-through-groups: refuses ${type}`, () => {
    assert.deepEqual(findings(iam.rightsThroughGroups, [{ type, props: {} }]), [
      `${type.slice(type.lastIndexOf(":") + 1)} gives rights to one person`,
    ]);
  });
}
test("aws-access-analyzer: refuses an account with a trail and no analyzer", () => {
  const trail = { type: aws.trail, props: {} };
  assert.deepEqual(findings(iam.accessAnalyzed, [trail]), ["there is no access analyzer"]);
  assert.deepEqual(
    findings(iam.accessAnalyzed, [trail, { type: aws.analyzer, props: { type: "ACCOUNT" } }]),
    [],
  );
  assert.deepEqual(findings(iam.accessAnalyzed, []), []);
});

test("patterns of AWS are those of AWS: * and ?, everything else as it is", () => {
  assert.equal(matches("s3:Get*", "s3:GetObject"), true);
  assert.equal(matches("s3:Get?", "s3:GetObject"), false);
  assert.equal(matches("s3.Get*", "s3:GetObject"), false);
  assert.equal(matches("*", "anything\nat all"), true);
});

test("a document is read from data as well, with one statement or several", () => {
  const [statement] = statementsOf({ Statement: allow({ Action: "s3:GetObject", Resource: "x" }) });
  assert.deepEqual([statement?.actions, statement?.resources], [["s3:getobject"], ["x"]]);
});
