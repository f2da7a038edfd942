import assert from "node:assert/strict";
import { test } from "node:test";
import * as account from "../../../policies/aws/account.ts";
import { aws } from "../../../policies/aws/types.ts";
import { findings, ruleSuite, shipped } from "../examples.ts";
import { allow, policy } from "./document.ts";

type Plain = Record<string, unknown>;
ruleSuite(account.passwordsLong, shipped(aws.passwordPolicy), {
  unset: [
    { minimumPasswordLength: undefined, passwordReusePrevention: undefined },
    ["minimumPasswordLength is under 14", "passwordReusePrevention is under 24"],
  ],
  short: [{ minimumPasswordLength: 13 }, ["minimumPasswordLength is under 14"]],
  "of letters": [
    { requireNumbers: false, requireSymbols: undefined },
    ["requireNumbers is not true", "requireSymbols is not true"],
  ],
  "changed by others": [
    { allowUsersToChangePassword: false, hardExpiry: true },
    ["hardExpiry locks people out", "allowUsersToChangePassword is not true"],
  ],
});
const deny = (more: Plain): Plain => ({
  Effect: "Deny",
  NotAction: ["iam:EnableMFADevice", "iam:CreateVirtualMFADevice", "sts:GetSessionToken"],
  Resource: "*",
  Condition: { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } },
  ...more,
});
ruleSuite(
  account.mfaForGroups,
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
    "taking a second factor away is open": [
      policy(deny({ NotAction: ["iam:EnableMFADevice", "iam:DeactivateMFADevice"] })),
      ["more than setting up a second factor is open without one"],
    ],
  },
);

for (const type of [aws.user, aws.accessKey, aws.loginProfile]) {
  test(`aws-no-users: refuses ${type}`, () => {
    assert.deepEqual(findings(account.noUsers, [{ type, props: {} }]), [
      `${type.slice(type.lastIndexOf(":") + 1)} is a credential that lasts`,
    ]);
  });
}
for (const type of [aws.userPolicy, aws.userAttachment]) {
  test(`aws-rights-through-groups: refuses ${type}`, () => {
    assert.deepEqual(findings(account.rightsThroughGroups, [{ type, props: {} }]), [
      `${type.slice(type.lastIndexOf(":") + 1)} gives rights to one person`,
    ]);
  });
}
test("aws-access-analyzer: refuses an account with a trail and no analyzer", () => {
  const trail = { type: aws.trail, props: {} };
  assert.deepEqual(findings(account.accessAnalyzed, [trail]), ["there is no access analyzer"]);
  assert.deepEqual(
    findings(account.accessAnalyzed, [trail, { type: aws.analyzer, props: { type: "ACCOUNT" } }]),
    [],
  );
  assert.deepEqual(findings(account.accessAnalyzed, [trail, { type: aws.analyzer, props: { type: "" } }]), [
    "there is no access analyzer",
  ]);
  assert.deepEqual(findings(account.accessAnalyzed, []), []);
});

test("aws-password-policy-declared: refuses an account with a trail and no password policy", () => {
  const trail = { type: aws.trail, props: {} };
  assert.deepEqual(findings(account.passwordsJudged, [trail]), ["there is no password policy"]);
  assert.deepEqual(findings(account.passwordsJudged, [trail, shipped(aws.passwordPolicy)]), []);
  assert.deepEqual(findings(account.passwordsJudged, []), []);
});

test("aws-group-mfa-attached: refuses a group of people without the policy that demands a second factor", () => {
  const [group, required] = [shipped(aws.group), shipped(aws.groupPolicy)];
  assert.deepEqual(findings(account.everyGroupWithMfa, [group, required]), []);
  assert.deepEqual(findings(account.everyGroupWithMfa, [group]), [
    "nothing denies its members anything without a second factor",
  ]);
});
