import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { realState } from "../../policies/real.ts";
import { actionsOf } from "./actions.ts";
import { providerCalls } from "./provider-calls.ts";
import { keyArn } from "./rights.ts";
import { allowed } from "./simulator.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const aws = found;
const { account, region } = aws;
const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
const iam = (rest: string) => `arn:aws:iam::${account}:${rest}`;
const functions = aws.functions.map(({ name }) => arn("lambda", `function:${name}`));

/** Everything that is there, and what a call may be about. */
const things: string[] = [
  ...aws.keys.flatMap(({ name, alias }) => [keyArn(aws, name), arn("kms", alias)]),
  ...aws.roles.map(({ name }) => iam(`role/${name}`)),
  iam(`group/${aws.people.group}`),
  iam("oidc-provider/token.actions.githubusercontent.com"),
  arn("access-analyzer", `analyzer/${aws.trail.name}`),
  `arn:aws:s3:::${aws.trail.bucket}`,
  arn("cloudtrail", `trail/${aws.trail.name}`),
  ...[aws.trail.logGroup, ...aws.functions.map(({ logGroup }) => logGroup)].map((name) =>
    arn("logs", `log-group:${name}`),
  ),
  ...aws.alarms.map(({ name }) => arn("cloudwatch", `alarm:${name}`)),
  arn("sns", aws.topic.name),
  arn("sqs", aws.deadLetters),
  ...functions,
  arn("scheduler", `schedule-group/${aws.scheduleGroup}`),
  ...aws.schedules.map(({ name }) => arn("scheduler", `schedule/${aws.scheduleGroup}/${name}`)),
  ...aws.secrets.map(({ name }) => arn("secretsmanager", `secret:${name}-AbCdEf`)),
];

/** Calls about something in particular, or on a condition. */
const particular: Record<string, { on: string[]; context?: Record<string, string> }> = {
  "iam:CreateServiceLinkedRole": {
    on: [iam("role/aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer")],
    context: { "iam:AWSServiceName": "access-analyzer.amazonaws.com" },
  },
  "iam:PassRole": {
    on: aws.functions.map(({ role }) => iam(`role/${role}`)),
    context: { "iam:PassedToService": "lambda.amazonaws.com" },
  },
  "secretsmanager:DeleteSecret": {
    on: aws.secrets.map(({ name }) => arn("secretsmanager", `secret:${name}-AbCdEf`)),
    context: { "secretsmanager:RecoveryWindowInDays": "30" },
  },
  "lambda:InvokeFunction": {
    on: aws.secrets.map((secret) => arn("lambda", `function:${secret.function}`)),
  },
  // AWS knows narrower ones of them; who lists asks for all.
  "cloudwatch:DescribeAlarms": { on: ["*"] },
  "cloudtrail:DescribeTrails": { on: ["*"] },
  "logs:DescribeLogGroups": { on: ["*"] },
  "logs:DescribeMetricFilters": { on: ["*"] },
};

/** What an action is asked for: what AWS knows of it, among what is there. */
async function thingsOf(name: string): Promise<{ on: string[]; context?: Record<string, string> }> {
  const [service = ""] = name.split(":");
  const known = particular[name];
  if (known !== undefined) return known;
  const patterns = (await actionsOf(service)).find((each) => each.name === name)?.patterns;
  assert.ok(patterns, `AWS knows no ${name}`);
  if (patterns.length === 0) return { on: ["*"] };
  const forms = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern.replaceAll(/\$\{(\w+)\}/g, (_, one) => (one === "BucketName" ? "[^/]*" : ".*"))}$`,
      ),
  );
  const on = things.filter((thing) => forms.some((form) => form.test(thing)));
  assert.notDeepEqual(on, [], `there is nothing to ask ${name} of`);
  return { on };
}

/** Where a role may not do something, among all that it is asked for. */
async function refused(purpose: string, name: string): Promise<string[]> {
  const role = `keyplane-production-${purpose}`;
  const { rights } = aws.roles.find((each) => each.name === role) ?? {};
  assert.ok(rights);
  const { on, context } = await thingsOf(name);
  const no = [];
  for (const resource of on) {
    const policy = aws.keys.find((key) => keyArn(aws, key.name) === resource)?.policy;
    const principal = iam(`role/${role}`);
    const asked = { principal, action: name, resource, account, rights };
    if (!(await allowed({ ...asked, ...(policy && { policy }), ...(context && { context }) })))
      no.push(`${name} on ${resource}`);
  }
  return no;
}

test("every type that the program declares is in the table, and none besides", async () => {
  const declared = (await realState("production"))
    .map(({ type }) => type)
    .filter((type) => /^aws:/.test(type));
  assert.deepEqual(Object.keys(providerCalls).sort(), [...new Set(declared)].sort());
});

suite("the official provider may do as deploy what it has to, and read as drift (R7, R10)", () => {
  for (const [type, calls] of Object.entries(providerCalls)) {
    const changes = [...calls.create, ...(calls.update ?? []), ...(calls.delete ?? [])];
    test(`${type}: deploy makes, reads, changes and deletes it, but for what holds data`, async () => {
      const no = [];
      for (const name of [...changes, ...calls.read]) no.push(...(await refused("deploy", name)));
      assert.deepEqual(no, []);
      for (const name of calls.withheld ?? [])
        assert.equal((await refused("deploy", name)).length, (await thingsOf(name)).on.length, name);
    });
    test(`${type}: drift reads it, and does nothing else to it`, async () => {
      const no = [];
      for (const name of calls.read) no.push(...(await refused("drift", name)));
      assert.deepEqual(no, []);
      for (const name of [...changes, ...(calls.withheld ?? [])].filter((one) => !calls.read.includes(one)))
        assert.equal((await refused("drift", name)).length, (await thingsOf(name)).on.length, name);
    });
  }
});

test("deploy deletes a secret of the environment so that it can be restored for 30 days, and not otherwise (R7)", async () => {
  const { rights } = aws.roles.find(({ name }) => name === "keyplane-production-deploy") ?? {};
  assert.ok(rights);
  const own = arn("secretsmanager", "secret:keyplane/production/titan/ledger/titan-proxy-AbCdEf");
  for (const [resource, context, expected] of [
    [own, { "secretsmanager:RecoveryWindowInDays": "30" }, true],
    [own, { "secretsmanager:RecoveryWindowInDays": "7" }, false],
    [own, { "secretsmanager:ForceDeleteWithoutRecovery": "true" }, false],
    [own, {}, false],
    [own.replace("production", "staging"), { "secretsmanager:RecoveryWindowInDays": "30" }, false],
  ] as const) {
    const principal = iam("role/keyplane-production-deploy");
    const action = "secretsmanager:DeleteSecret";
    assert.equal(
      await allowed({ principal, action, resource, account, rights, context }),
      expected,
      `${resource} with ${JSON.stringify(context)}`,
    );
  }
});

/** What a key of the data lets do, by the service that asks for a role. */
test("deploy encrypts secrets and settings, and drift sees settings, through the service that keeps them and no other", async () => {
  const key = aws.keys.find(({ name }) => name === "data");
  assert.ok(key);
  for (const [purpose, service, expected] of [
    ["deploy", "secretsmanager", ["kms:Decrypt", "kms:GenerateDataKey"]],
    ["deploy", "lambda", ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"]],
    ["deploy", "sqs", []],
    ["drift", "secretsmanager", []],
    ["drift", "lambda", ["kms:Decrypt"]],
  ] as const) {
    const may = [];
    for (const action of ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]) {
      const isAllowed = await allowed({
        principal: iam(`role/keyplane-production-${purpose}`),
        action,
        resource: keyArn(aws, "data"),
        account,
        policy: key.policy,
        context: { "kms:ViaService": `${service}.${region}.amazonaws.com` },
      });
      if (isAllowed) may.push(action);
    }
    assert.deepEqual(may, expected, `${purpose} through ${service}`);
  }
});
