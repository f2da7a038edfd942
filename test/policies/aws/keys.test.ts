import assert from "node:assert/strict";
import { test } from "node:test";
import * as keys from "../../../policies/aws/keys.ts";
import { aws } from "../../../policies/aws/types.ts";
import {
  changed,
  type Example,
  everything,
  everythingBut,
  findings,
  ruleSuite,
  shipped,
} from "../examples.ts";
import { reworded } from "./document.ts";

const root = { AWS: "arn:aws:iam::111111111111:root" };
const role = (name: string) => ({ AWS: `arn:aws:iam::111111111111:role/${name}` });
const own = { Effect: "Allow", Action: "kms:*", Principal: root, Resource: "*" };
const policy = (...Statement: unknown[]) => ({ policy: JSON.stringify({ Statement }) });
const key: Example = {
  type: aws.key,
  props: { enableKeyRotation: true, rotationPeriodInDays: 90, deletionWindowInDays: 30, ...policy(own) },
};

ruleSuite(keys.keyRotates, key, {
  unset: [
    { enableKeyRotation: undefined, rotationPeriodInDays: undefined },
    ["enableKeyRotation is not true", "rotationPeriodInDays is not 90"],
  ],
  yearly: [{ rotationPeriodInDays: 365 }, ["rotationPeriodInDays is not 90"]],
});
ruleSuite(keys.keyNotPublic, key, {
  everyone: [policy(own, { ...own, Action: "kms:Decrypt", Principal: "*" }), ["everyone may use the key"]],
  ...Object.fromEntries(
    [
      { StringEquals: { "kms:CallerAccount": "any" } },
      { StringNotEquals: { "kms:CallerAccount": "111111111111" } },
      { StringEqualsIfExists: { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } },
      { StringLike: { "aws:PrincipalOrgID": "o-*" } },
    ].map((Condition) => [
      `everyone, on a condition that is none: ${JSON.stringify(Condition)}`,
      [
        policy(own, { ...own, Action: "kms:Decrypt", Principal: "*", Condition }),
        ["everyone may use the key"],
      ] as [Record<string, unknown>, string[]],
    ]),
  ),
  "a role with every right": [
    policy(own, { ...own, Principal: { AWS: "arn:aws:iam::111111111111:role/app" } }),
    ["who is no account may use the key and decide who uses it"],
  ],
});
test("aws-kms-policy-narrow: takes everyone of one account, or of one organization", () => {
  for (const [name, value] of [
    ["kms:CallerAccount", "111111111111"],
    ["aws:PrincipalOrgID", "o-a1b2c3d4e5"],
  ] as const) {
    const Condition = { StringEquals: { [name]: value } };
    const patch = policy(own, { ...own, Action: "kms:Decrypt", Principal: "*", Condition });
    assert.deepEqual(findings(keys.keyNotPublic, [changed(key, patch)]), []);
  }
});
ruleSuite(keys.keyNotLockedOut, key, {
  "nobody but a role": [
    policy({ ...own, Principal: { AWS: "arn:aws:iam::111111111111:role/app" } }),
    ["nobody in the account could change the key's policy again"],
  ],
  "the account on a condition": [
    policy({ ...own, Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } }),
    ["nobody in the account could change the key's policy again"],
  ],
  "a denial for everybody": [
    policy(own, { ...own, Effect: "Deny", Action: "kms:Put*", Principal: "*" }),
    ["nobody in the account could change the key's policy again"],
  ],
  "a denial for everybody but a role": [
    policy(own, { ...own, Effect: "Deny", Principal: undefined, NotPrincipal: role("app") }),
    ["nobody in the account could change the key's policy again"],
  ],
  "a denial where the session does not say that there was a second factor": [
    policy(own, {
      ...{ ...own, Effect: "Deny", Principal: "*" },
      Condition: { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } },
    }),
    ["nobody in the account could change the key's policy again"],
  ],
  "no check": [{ bypassPolicyLockoutSafetyCheck: true }, ["the check against a lockout is off"]],
});
test("aws-kms-no-lockout: lets a denial be that is for somebody else, or for what no administrator does", () => {
  const everybody = { ...own, Effect: "Deny", Principal: "*" };
  for (const denial of [
    { ...own, Effect: "Deny", Principal: role("app") },
    { ...everybody, Action: "kms:Decrypt" },
    { ...everybody, Condition: { StringNotEquals: { "aws:PrincipalAccount": "111111111111" } } },
    { ...everybody, Condition: { Bool: { "aws:SecureTransport": "false" } } },
  ])
    assert.deepEqual(findings(keys.keyNotLockedOut, [{ ...key, props: policy(own, denial) }]), []);
});
ruleSuite(keys.keyDeletionSlow, key, {
  "a week": [{ deletionWindowInDays: 7 }, ["deletionWindowInDays is not 30"]],
  disabled: [{ isEnabled: false }, ["the key is disabled"]],
  "a role that deletes it sooner": [
    policy(own, { ...own, Action: "kms:ScheduleKeyDeletion", Principal: role("app") }),
    ["a statement deletes the key sooner"],
  ],
  "a role that waits a week": [
    policy(own, {
      ...{ ...own, Action: "kms:ScheduleKeyDeletion", Principal: role("app") },
      Condition: { NumericGreaterThanEquals: { "kms:ScheduleKeyDeletionPendingWindowInDays": "7" } },
    }),
    ["a statement deletes the key sooner"],
  ],
});
const shared = shipped(aws.key, "data");
ruleSuite(keys.keyUsesApart, shared, {
  "a role that opens everything": [
    reworded(shared, "ReadersDecrypt", { Condition: undefined }),
    ['"ReadersDecrypt" opens whatever the key has encrypted'],
  ],
  "by another condition": [
    reworded(shared, "ReadersDecrypt", {
      Condition: { StringEquals: { "aws:SourceAccount": "222222222222" } },
    }),
    ['"ReadersDecrypt" opens whatever the key has encrypted'],
  ],
});
ruleSuite(keys.keyUsesApart, shipped(aws.key, "unseal"), {});
ruleSuite(keys.keyUsesApart, key, {
  "a role that grants itself every use": [
    policy(own, { ...own, Action: "kms:CreateGrant", Principal: role("app") }),
    ["a statement opens whatever the key has encrypted"],
  ],
});
ruleSuite(keys.aliasOurs, shipped(aws.keyAlias, "data"), {
  unset: [{ name: undefined }, ["its name does not say which environment's and what for"]],
  "another environment's": [
    { name: "alias/keyplane-staging-data" },
    ["its name does not say which environment's and what for"],
  ],
  "AWS' own": [{ name: "alias/aws/s3" }, ["its name does not say which environment's and what for"]],
});
test("aws-kms-alias-declared: refuses a key without a name", () => {
  const [key, alias] = [shipped(aws.key), shipped(aws.keyAlias)];
  assert.deepEqual(findings(keys.keysNamed, [key, alias]), []);
  assert.deepEqual(findings(keys.keysNamed, [key, key, alias]), ["a key has no alias"]);
});
test("aws-kms-alias-declared: refuses two names of one key, of which another is without", () => {
  const { targetKeyId } = shipped(aws.keyAlias, "data").props;
  assert.deepEqual(findings(keys.keysNamed, everything()), []);
  assert.deepEqual(findings(keys.keysNamed, everythingBut(aws.keyAlias, { targetKeyId }, "sops")), [
    "its key has another name: whose key is this?",
  ]);
});
