import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AwsModel, PolicyDocument } from "../../../model/aws.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { oneAccount } from "../../../policies/aws/accounts.ts";
import * as rules from "../../../policies/aws/keys.ts";
import { aws as types } from "../../../policies/aws/types.ts";
import type { StackRule } from "../../../policies/rule.ts";
import { seeded } from "../../integration/support/seeded.ts";
import { findings } from "../../policies/suite.ts";
import { admitted, held, stranger } from "./outsiders.ts";
import { allowed, leftToTheAccount, RefusedDocument } from "./simulator.ts";
import { type Subject, statementMutants } from "./statement-mutants.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const model: AwsModel = found;
const { account, region } = model;
const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

const rights = model.roles.flatMap((role) => role.rights ?? []);

const isWhole = process.env.KEYPLANE_SCALE === "prove";

suite("every statement of every key's policy, each element of it dropped, widened, narrowed, negated and given away, and statements added: who is locked out, and who let in", () => {
  const subject: Subject = {
    account,
    stranger,
    service: "kms",
    seeing: "kms:DescribeKey",
    elsewhere: `arn:aws:kms:${region}:${account}:key/elsewhere`,
    everywhere: "*",
  };
  const asking = {
    account,
    requests: ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey", "kms:PutKeyPolicy"].map(
      (action) => [action, key] as const,
    ),
  };
  const refused = (rule: StackRule, policy: PolicyDocument) =>
    findings(rule, [
      { type: types.key, props: { policy: JSON.stringify(policy) } },
      ...rights.map((each) => ({ type: types.rolePolicy, props: { policy: JSON.stringify(each) } })),
    ]).length > 0;
  const random = seeded(5);
  for (const { name, policy } of model.keys) {
    test(`key ${name}: the checks refuse exactly what locks out and what opens`, async (t) => {
      const change = ["kms:PutKeyPolicy", key] as const;
      assert.equal(await held(policy, account, change), true);
      assert.deepEqual(await admitted(policy.Statement, asking), []);
      const counts = { lockedOut: 0, opened: 0, neither: 0, notTaken: 0 };
      const wrong: string[] = [];
      for (const mutant of statementMutants(policy, subject)) {
        if (!isWhole && random() > 0.03) continue;
        let verdicts: { isLockedOut: boolean; entered: string[] };
        try {
          verdicts = {
            isLockedOut: !(await held(mutant.policy, account, change)),
            // Allowed is what one statement allows and none denies: the document's own let nobody in.
            entered: await admitted(mutant.changed, asking),
          };
        } catch (error) {
          if (!(error instanceof RefusedDocument)) throw error;
          counts.notTaken++;
          continue;
        }
        const { isLockedOut, entered } = verdicts;
        const isOpened = entered.length > 0;
        counts[isLockedOut ? "lockedOut" : isOpened ? "opened" : "neither"]++;
        if (refused(rules.keyNotLockedOut, mutant.policy) !== isLockedOut)
          wrong.push(`${mutant.what}: ${isLockedOut ? "locks out" : "locks nobody out"}`);
        if (refused(oneAccount, mutant.policy) !== isOpened)
          wrong.push(`${mutant.what}: lets in ${entered.join(", ") || "nobody"}`);
      }
      assert.deepEqual(wrong, []);
      const { lockedOut, opened, neither, notTaken } = counts;
      assert.ok(opened > 0 && neither > 0 && notTaken < lockedOut + opened + neither, JSON.stringify(counts));
      for (const [what, count] of Object.entries(counts)) t.diagnostic(`${what}: ${count}`);
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
