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
/** The variable is IAM's, which fills it in. */
const oneself = (what: string) => `arn:aws:iam::*:${what}/\${aws:username}`;
/** Of anybody else's. */
const denyOthers = (more: Plain = {}): Plain =>
  deny({
    NotAction: undefined,
    Action: ["iam:EnableMFADevice", "iam:CreateVirtualMFADevice"],
    Resource: undefined,
    NotResource: [oneself("user"), oneself("mfa")],
    ...more,
  });
const open = {
  enabling: "iam:enablemfadevice is open for anybody else's without a second factor",
  making: "iam:createvirtualmfadevice is open for anybody else's without a second factor",
};
const present = (value: string) => ({ "aws:MultiFactorAuthPresent": value });
ruleSuite(
  account.mfaForGroups,
  { type: aws.groupPolicy, props: policy(deny({}), denyOthers()) },
  {
    "nothing is denied": [
      policy(allow({ Action: "s3:GetObject", Resource: "x" })),
      ["nothing is denied without a second factor"],
    ],
    "some things are": [
      policy(deny({ NotAction: undefined, Action: "s3:*" }), denyOthers()),
      ["something is not denied without a second factor"],
    ],
    "some resources are": [
      policy(deny({ Resource: undefined, NotResource: "*" }), denyOthers()),
      ["something is not denied without a second factor"],
    ],
    "a session that does not say is not denied": [
      policy(
        deny({ Condition: { Bool: present("false") } }),
        denyOthers({ Condition: { Bool: present("false") } }),
      ),
      ["nothing is denied without a second factor"],
    ],
    "only some sessions are denied": [
      policy(
        deny({ Condition: { BoolIfExists: present("false"), StringEquals: { "aws:username": "ada" } } }),
        denyOthers(),
      ),
      ["something is not denied without a second factor"],
    ],
    "more is open": [
      policy(deny({ NotAction: ["iam:*"] }), denyOthers()),
      ["iam:* is open without a second factor"],
    ],
    "taking a second factor away is open": [
      policy(deny({ NotAction: ["iam:EnableMFADevice", "iam:DeactivateMFADevice"] }), denyOthers()),
      ["iam:deactivatemfadevice is open without a second factor"],
    ],
    "AWS' own example": [policy(deny({})), [open.enabling, open.making]],
    "one action is open on others": [
      policy(deny({}), denyOthers({ Action: "iam:EnableMFADevice" })),
      [open.making],
    ],
    "both in one statement": [
      policy(deny({ Resource: undefined, NotResource: denyOthers().NotResource })),
      ["something is not denied without a second factor"],
    ],
    "others' of names that begin alike": [
      policy(deny({}), denyOthers({ NotResource: `${oneself("user")}*` })),
      [open.enabling, open.making],
    ],
    "everybody's": [
      policy(deny({}), denyOthers({ NotResource: ["arn:aws:iam::*:user/*"] })),
      [open.enabling, open.making],
    ],
    "others' where the session says so": [
      policy(deny({}), denyOthers({ Condition: { Bool: present("false") } })),
      [open.enabling, open.making],
    ],
    "others' with a second factor": [
      policy(deny({}), denyOthers({ Condition: { BoolIfExists: present("true") } })),
      [open.enabling, open.making],
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
