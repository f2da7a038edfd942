import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AwsModel, PolicyDocument, PolicyStatement } from "../../../model/aws.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { oneAccount } from "../../../policies/aws/documents.ts";
import * as rules from "../../../policies/aws/keys.ts";
import { aws as types } from "../../../policies/aws/types.ts";
import { findings } from "../../policies/suite.ts";
import { allowed, leftToTheAccount } from "./simulator.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const model: AwsModel = found;
const { account, region } = model;
const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

const rights = model.roles.flatMap((role) => role.rights ?? []);

suite("every statement of every key's policy, dropped, widened, narrowed and given away: who is locked out, and who let in", () => {
  const stranger = "999999999999";
  const everything: PolicyDocument = {
    Version: "2012-10-17",
    Statement: [{ Sid: "All", Effect: "Allow", Action: "*", Resource: "*" }],
  };
  /** An administrator of the account, with every right in IAM, changes the policy. */
  const held = (policy: PolicyDocument) =>
    allowed({
      principal: `arn:aws:iam::${account}:role/break-glass`,
      action: "kms:PutKeyPolicy",
      resource: key,
      account,
      rights: everything,
      policy,
    });
  const uses = [
    ...["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:PutKeyPolicy"],
    "kms:ScheduleKeyDeletion",
  ];
  /** Somebody of another account does anything with it; what a condition compares they may be able to say. */
  const opened = async (policy: PolicyDocument) => {
    const bare = { ...policy, Statement: policy.Statement.map(({ Condition: _, ...rest }) => rest) };
    const answers = uses.map((action) =>
      allowed({
        principal: `arn:aws:iam::${stranger}:role/anybody`,
        action,
        resource: key,
        account,
        rights: everything,
        policy: bare,
      }),
    );
    return (await Promise.all(answers)).includes(true);
  };
  const refused = (policy: PolicyDocument) => {
    const examples = [
      { type: types.key, props: { policy: JSON.stringify(policy) } },
      ...rights.map((each) => ({ type: types.rolePolicy, props: { policy: JSON.stringify(each) } })),
    ];
    return [rules.keyNotLockedOut, rules.keyNotPublic, oneAccount].some(
      (rule) => findings(rule, examples).length > 0,
    );
  };
  const ways: [string, (statement: PolicyStatement) => PolicyStatement[]][] = [
    ["dropped", () => []],
    ["widened", ({ Condition: _, ...rest }) => [{ ...rest, Principal: { AWS: "*" }, Action: "kms:*" }]],
    ["narrowed", (statement) => [{ ...statement, Action: "kms:DescribeKey" }]],
    [
      "given to another account",
      (statement) => [{ ...statement, Principal: { AWS: `arn:aws:iam::${stranger}:root` } }],
    ],
    [
      "shared with another account",
      (statement) => [
        statement,
        { ...statement, Principal: { AWS: `arn:aws:iam::${stranger}:role/anybody` } },
      ],
    ],
  ];
  for (const { name, policy } of model.keys) {
    test(`key ${name}: the check refuses exactly what locks out or opens`, async () => {
      assert.equal(await held(policy), true);
      assert.equal(await opened(policy), false);
      assert.equal(refused(policy), false);
      for (const [index, statement] of policy.Statement.entries()) {
        for (const [way, mutate] of ways) {
          const mutant = { ...policy, Statement: policy.Statement.toSpliced(index, 1, ...mutate(statement)) };
          const wrong = !(await held(mutant)) || (await opened(mutant));
          assert.equal(refused(mutant), wrong, `${statement.Sid} ${way}`);
        }
      }
    });
  }
});

test("an administrator deletes a key in thirty days or more, and nobody sooner; deploy and drift never (R22)", async () => {
  for (const { name, policy } of model.keys) {
    for (const [role, days, expected] of [
      ["administrator", "30", true],
      ["administrator", "29", false],
      ["administrator", "7", false],
      ["administrator", undefined, false],
      ["deploy", "30", false],
      ["drift", "30", false],
    ] as const) {
      const may = await allowed({
        principal: `arn:aws:iam::${account}:role/keyplane-production-${role}`,
        action: "kms:ScheduleKeyDeletion",
        resource: key,
        account,
        policy,
        ...(days !== undefined && { context: { "kms:ScheduleKeyDeletionPendingWindowInDays": days } }),
      });
      assert.equal(may, expected, `${name}: ${role}, ${days ?? "no"} days`);
    }
  }
});

test("deploy has no right on a key that its policy leaves to IAM, whatever name that gets: a name gives none (R7)", async () => {
  const deploy = model.roles.find(({ name }) => name === "keyplane-production-deploy");
  assert.ok(deploy?.rights);
  const tried = ["kms:CreateAlias", "kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:TagResource"];
  for (const action of [...tried, "kms:UpdateAlias"]) {
    const may = await allowed({
      principal: `arn:aws:iam::${account}:role/${deploy.name}`,
      action,
      resource: key,
      account,
      rights: deploy.rights,
      policy: leftToTheAccount(account),
      context: { "kms:ResourceAliases": ["alias/keyplane-production-data"] },
    });
    assert.equal(may, false, action);
  }
});
