import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AwsModel, PolicyDocument, PolicyStatement } from "../../../model/aws.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import * as rules from "../../../policies/aws/keys.ts";
import { aws as types } from "../../../policies/aws/types.ts";
import { findings } from "../../policies/suite.ts";
import { allowed } from "./simulator.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const model: AwsModel = found;
const { account, region } = model;
const role = (name: string) => {
  const one = model.roles.find((each) => each.name === `keyplane-production-${name}`);
  assert.ok(one, name);
  return one;
};
const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

suite("every statement of every key's policy, dropped, widened and narrowed: who is locked out, and who let in", () => {
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
  const opened = (policy: PolicyDocument) =>
    allowed({
      principal: `arn:aws:iam::${stranger}:role/anybody`,
      action: "kms:Decrypt",
      resource: key,
      account,
      rights: everything,
      policy,
    });
  const refused = (policy: PolicyDocument) =>
    [rules.keyNotLockedOut, rules.keyNotPublic].flatMap((rule) =>
      findings(rule, [{ type: types.key, props: { policy: JSON.stringify(policy) } }]),
    ).length > 0;
  const ways: [string, (statement: PolicyStatement) => PolicyStatement[]][] = [
    ["dropped", () => []],
    ["widened", ({ Condition: _, ...rest }) => [{ ...rest, Principal: { AWS: "*" }, Action: "kms:*" }]],
    ["narrowed", (statement) => [{ ...statement, Action: "kms:DescribeKey" }]],
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

/** The simulator does not know GitHub's `sub` and `aud` as keys of the call: it compares Google's of the same name. */
const issuer = "token.actions.githubusercontent.com";
const named = (text: string) =>
  text
    .replaceAll(`${issuer}:sub`, "accounts.google.com:sub")
    .replaceAll(`${issuer}:aud`, "accounts.google.com:aud");

suite("the trust of each GitHub role admits the platform's own workflow and no other job (R11)", () => {
  const right = (workflow: string) => ({
    aud: "sts.amazonaws.com",
    sub: "repo:acme@5544123/secrets@821093847:environment:production",
    repository_id: "821093847",
    ref: "refs/heads/main",
    job_workflow_ref: `acme/secrets/.github/workflows/${workflow}.yml@refs/heads/main`,
  });
  const enters = (name: string, claims: Record<string, string>) =>
    allowed({
      principal: `arn:aws:iam::${account}:oidc-provider/${issuer}`,
      action: "sts:AssumeRoleWithWebIdentity",
      resource: `arn:aws:iam::${account}:role/keyplane-production-${name}`,
      account,
      policy: JSON.parse(named(JSON.stringify(role(name).trust))) as PolicyDocument,
      context: Object.fromEntries(
        Object.entries(claims).map(([claim, value]) => [named(`${issuer}:${claim}`), value]),
      ),
    });
  const owners = ["acme@5544123", "acme@1", "acme", "Acme@5544123", "evil@5544123", "evil@7", "*", "acme@*"];
  const repositories = [
    "secrets@821093847",
    "secrets@2",
    "secrets",
    "Secrets@821093847",
    "secrets-fork@9",
    "*",
  ];
  const contexts = [
    ...["environment:production", "environment:Production", "environment:staging", "environment:*"],
    ...["ref:refs/heads/main", "ref:refs/tags/v1", "pull_request", "*", "environment:production:x"],
  ];
  const subjects = owners.flatMap((owner) =>
    repositories.flatMap((repository) => contexts.map((context) => `repo:${owner}/${repository}:${context}`)),
  );
  const most = process.env.KEYPLANE_SCALE === "prove" ? subjects.length : 60;
  for (const name of ["deploy", "drift", "rotate"]) {
    test(`${name}: 0 foreign subjects are accepted and the valid one is, of ${most}`, async () => {
      assert.equal(await enters(name, right(name)), true);
      const step = Math.floor(subjects.length / most);
      for (let index = 0; index < subjects.length; index += step) {
        const sub = subjects[index] ?? "";
        assert.equal(await enters(name, { ...right(name), sub }), sub === right(name).sub, sub);
      }
    });
    test(`${name}: each claim is bound, and none may be absent`, async () => {
      for (const claim of Object.keys(right(name))) {
        assert.equal(await enters(name, { ...right(name), [claim]: "other" }), false, claim);
        const { [claim as "sub"]: _, ...absent } = right(name);
        assert.equal(await enters(name, absent), false, `${claim} absent`);
      }
    });
  }
});

suite("without a second factor a person sets one up and does nothing else (R50)", () => {
  const ada = `arn:aws:iam::${account}:user/ada`;
  const factors = { true: "true", false: "false", absent: undefined };
  const context = (factor: string | undefined) => ({
    "aws:username": "ada",
    "aws:PrincipalArn": ada,
    ...(factor !== undefined && { "aws:MultiFactorAuthPresent": factor }),
    ...(factor === "true" && { "aws:MultiFactorAuthAge": "10" }),
  });
  for (const [title, factor] of Object.entries(factors)) {
    for (const name of ["administrator", "auditor"]) {
      test(`${name} with the key ${title}`, async () => {
        const person = name === "administrator" ? ada : `arn:aws:iam::${account}:user/ines`;
        const seen = { ...context(factor), "aws:PrincipalArn": person };
        const entered = await allowed({
          principal: person,
          action: "sts:AssumeRole",
          resource: `arn:aws:iam::${account}:role/keyplane-production-${name}`,
          account,
          rights: model.people.policy,
          policy: role(name).trust,
          context: seen,
        });
        assert.equal(entered, factor === "true");
      });
    }
    test(`of IAM and other services, with the key ${title}, with every right beside it`, async () => {
      const all = { Sid: "All", Effect: "Allow" as const, Action: "*", Resource: "*" };
      const rights = { ...model.people.policy, Statement: [...model.people.policy.Statement, all] };
      const ask = (action: string, resource: string) =>
        allowed({ principal: ada, action, resource, account, rights, context: context(factor) });
      assert.equal(await ask("iam:EnableMFADevice", ada), true);
      for (const [action, resource] of [
        ["iam:DeactivateMFADevice", ada],
        ["iam:CreateAccessKey", ada],
        ["iam:GetRole", `arn:aws:iam::${account}:role/x`],
        ["s3:GetObject", "arn:aws:s3:::any/thing"],
        ["secretsmanager:GetSecretValue", `arn:aws:secretsmanager:${region}:${account}:secret:x-aaaaaa`],
      ] as const) {
        assert.equal(await ask(action, resource), factor === "true", action);
      }
    });
  }
});

test("what each role may is what its document lists, and nothing of a secret that it does not rotate", async () => {
  const [rotator] = model.functions.filter(({ calledBy }) => calledBy === "secrets-manager");
  assert.ok(rotator);
  const own = `arn:aws:secretsmanager:${region}:${account}:secret:keyplane/production/titan/ledger/titan-proxy-abcdef`;
  const other = own.replace("titan-proxy", "other");
  for (const { name, rights } of model.roles) {
    for (const resource of [own, other]) {
      const may = await allowed({
        principal: `arn:aws:iam::${account}:role/${name}`,
        action: "secretsmanager:GetSecretValue",
        resource,
        account,
        ...(rights !== undefined && { rights }),
      });
      assert.equal(may, name === rotator.role && resource === own, `${name} ${resource}`);
    }
  }
});
