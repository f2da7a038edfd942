import assert from "node:assert/strict";
import { test } from "node:test";
import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { loadCatalogueFrom } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { type Finding, judge } from "../../policies/judge.ts";
import { seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";
import { organization, shop } from "../model/shop.ts";
import { recordMade } from "./made.ts";
import { environments, local, realProgram, realState } from "./real.ts";

const short = ({ rule, verdict, urn, message }: Finding) =>
  `${verdict} ${rule.name} ${urn?.split("::").slice(2).join(" ") ?? ""}: ${message}`;

for (const environment of environments) {
  test(`the shipped program of ${environment} passes every rule, as far as it is known before an update`, async () => {
    const findings = judge(rules, (await realProgram(environment)).map(seen));
    assert.deepEqual(findings.filter(({ verdict }) => verdict === "violated").map(short), []);
  });

  test(`of the shipped program of ${environment}, only who people are and which keys there are is pending before an update`, async () => {
    const findings = judge(rules, (await realProgram(environment)).map(seen));
    assert.deepEqual([...new Set(findings.map(({ rule }) => rule.name))].sort(), [
      "alias-of-login",
      "aws-bucket-versioned",
      "aws-failures-alarmed",
      "aws-failures-put-aside",
      "aws-kms-alias-declared",
      "aws-lambda-called",
      "aws-lambda-fails-loudly",
      "aws-lambda-log-written",
      "aws-lambda-no-secret",
      "aws-logs-kept",
      "aws-messages-encrypted",
      "aws-name-once",
      "aws-references-declared",
      "aws-references-exact",
      "aws-schedule-calls",
      "aws-schedule-group",
      "aws-schedule-on",
      "aws-secret-own-key",
      "aws-secret-rotation",
      "aws-secret-rotation-declared",
      "aws-topic-hears-alarms",
      "aws-trail-encrypted",
      "aws-trail-written",
      "everyone-in-a-group",
      "function-login-own",
      "mfa-enforced",
      "mfa-for-people",
      "state-no-live-value",
      "two-administrators",
    ]);
  });

  test(`after the update of ${environment} nothing is pending and every rule passes`, async () => {
    const findings = judge(rules, (await realState(environment)).map(seen));
    assert.deepEqual(findings.map(short), []);
  });
}

test("a small catalogue, in which nobody audits and no AWS service reads a secret, passes every rule as well", async () => {
  const model = derive(
    loadCatalogueFrom({ "organization.yaml": organization, "systems/shop.yaml": shop }),
    "local",
    local,
  );
  assert.ok(model.aws);
  assert.deepEqual(
    model.aws.roles.filter(({ of }) => of === "person").map(({ name }) => name),
    ["keyplane-local-administrator"],
  );
  const declare = () =>
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") });
  const findings = judge(rules, (await recordMade("local", declare, model.aws)).map(seen));
  assert.deepEqual(findings.map(short), []);
});
