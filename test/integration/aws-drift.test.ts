import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { StopLoggingCommand } from "@aws-sdk/client-cloudtrail";
import { DisableAlarmActionsCommand } from "@aws-sdk/client-cloudwatch";
import {
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { DisableKeyRotationCommand, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { DeleteFunctionConcurrencyCommand, UpdateFunctionCodeCommand } from "@aws-sdk/client-lambda";
import { DeleteBucketPolicyCommand, PutBucketVersioningCommand } from "@aws-sdk/client-s3";
import { GetScheduleCommand, UpdateScheduleCommand } from "@aws-sdk/client-scheduler";
import { CancelRotateSecretCommand, DeleteResourcePolicyCommand } from "@aws-sdk/client-secrets-manager";
import { zipSync } from "fflate";
import { type Aws, clientsOf } from "../../local/providers/aws/clients.ts";
import { environmentOf, startServices } from "../../local/services/index.ts";
import type { AwsModel } from "../../model/aws.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { localModel, ProgramStack } from "./providers-stack.ts";
import { killService } from "./running-services.ts";

let stack: ProgramStack;
let aws: Aws;
let model: AwsModel;
let drift: string[];

const everything = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }],
};

/** What a hand does, and what the refresh says of it. */
const hands: [what: string, act: () => Promise<unknown>, step: string][] = [
  [
    "a key's policy opened to everybody",
    () =>
      aws.kms.send(
        new PutKeyPolicyCommand({
          KeyId: `alias/keyplane-local-data`,
          PolicyName: "default",
          Policy: JSON.stringify(everything),
        }),
      ),
    "update Key data",
  ],
  [
    "the trail stopped",
    () => aws.trail.send(new StopLoggingCommand({ Name: model.trail.name })),
    "update Trail audit-trail",
  ],
  [
    "the trust of the deploy role widened to every repository",
    () =>
      aws.iam.send(
        new UpdateAssumeRolePolicyCommand({
          RoleName: "keyplane-local-deploy",
          PolicyDocument: JSON.stringify({
            Version: "2012-10-17",
            Statement: [
              {
                Effect: "Allow",
                Principal: {
                  Federated: "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com",
                },
                Action: "sts:AssumeRoleWithWebIdentity",
                Condition: { StringLike: { "token.actions.githubusercontent.com:sub": "repo:acme/*" } },
              },
            ],
          }),
        }),
      ),
    "update Role keyplane-local-deploy",
  ],
  [
    "a role's rights widened",
    () =>
      aws.iam.send(
        new PutRolePolicyCommand({
          RoleName: "keyplane-local-rotate-due",
          PolicyName: "rights",
          PolicyDocument: JSON.stringify({
            Version: "2012-10-17",
            Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
          }),
        }),
      ),
    "update RolePolicy keyplane-local-rotate-due",
  ],
  [
    "the schedule switched off",
    async () => {
      const { Name, ScheduleExpression, FlexibleTimeWindow, Target } = await aws.scheduler.send(
        new GetScheduleCommand({ Name: "keyplane-local-rotate-due", GroupName: model.scheduleGroup }),
      );
      await aws.scheduler.send(
        new UpdateScheduleCommand({
          Name,
          GroupName: model.scheduleGroup,
          ScheduleExpression,
          FlexibleTimeWindow,
          Target,
          State: "DISABLED",
        }),
      );
    },
    "update Schedule keyplane-local-rotate-due",
  ],
  [
    "the bucket's policy removed",
    () => aws.s3.send(new DeleteBucketPolicyCommand({ Bucket: model.trail.bucket })),
    "delete BucketPolicy audit-bucket",
  ],
  [
    "the bucket's versions suspended",
    () =>
      aws.s3.send(
        new PutBucketVersioningCommand({
          Bucket: model.trail.bucket,
          VersioningConfiguration: { Status: "Suspended" },
        }),
      ),
    "update BucketVersioning audit-versions",
  ],
  [
    "a secret's rotation switched off",
    () =>
      aws.secrets.send(
        new CancelRotateSecretCommand({ SecretId: "keyplane/local/titan/ledger/titan-proxy" }),
      ),
    "delete SecretRotation keyplane/local/titan/ledger/titan-proxy-rotation",
  ],
  [
    "a key's rotation switched off",
    () => aws.kms.send(new DisableKeyRotationCommand({ KeyId: "alias/keyplane-local-sops" })),
    "update Key sops",
  ],
  [
    "a secret's readers no longer named",
    () =>
      aws.secrets.send(
        new DeleteResourcePolicyCommand({ SecretId: "keyplane/local/titan/ledger/titan-proxy" }),
      ),
    "delete SecretPolicy keyplane/local/titan/ledger/titan-proxy-readers",
  ],
  [
    "a function's bound on runs lifted",
    () =>
      aws.lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName: "keyplane-local-rotate-due" })),
    "update Function keyplane-local-rotate-due-function",
  ],
  [
    "a function's code replaced",
    () =>
      aws.lambda.send(
        new UpdateFunctionCodeCommand({
          FunctionName: "keyplane-local-rotate-postgres-titan-ledger",
          ZipFile: zipSync({ "index.mjs": new TextEncoder().encode("export const handler = () => {};") }),
        }),
      ),
    "update Function keyplane-local-rotate-postgres-titan-ledger-function",
  ],
  [
    "an alarm silenced",
    () => aws.metrics.send(new DisableAlarmActionsCommand({ AlarmNames: ["keyplane-local-root-used"] })),
    "update MetricAlarm keyplane-local-root-used",
  ],
];

before(async () => {
  const catalogue = await loadCatalogue("catalogue");
  stack = await ProgramStack.start((services) => {
    const { aws: of } = derive(catalogue, "local", environmentOf(services));
    assert.ok(of);
    model = of;
    return { ...localModel(services), aws: of };
  });
  aws = clientsOf(stack.services.aws);
  await stack.up();
});
after(async () => {
  aws?.close();
  await stack?.[Symbol.asyncDispose]();
});

test("a second look at what was just built finds nothing", async () => {
  assert.deepEqual((await stack.drift()).steps, []);
  assert.deepEqual((await stack.preview()).steps, []);
});

test("what hands changed is found, and nothing else", async () => {
  for (const [, act] of hands) await act();
  drift = (await stack.drift()).steps;
  assert.deepEqual(drift, hands.map(([, , step]) => step).sort());
});

for (const [what, , step] of hands) {
  test(`finds ${what}`, () => assert.ok(drift.includes(step), step));
}

test("the next update puts everything back", async () => {
  await stack.up({ refresh: true });
  assert.deepEqual((await stack.drift()).steps, []);
});

test("an IAM role that was deleted by hand is made again, and with it Vault's role, which knows the id of the one before", async () => {
  const RoleName = "keyplane-local-rotate-due";
  const ids = async () => {
    const live = await aws.iam.send(new GetRoleCommand({ RoleName }));
    return live.Role?.RoleId ?? "";
  };
  const before = await ids();
  await aws.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "rights" }));
  await aws.iam.send(new DeleteRoleCommand({ RoleName }));
  assert.deepEqual((await stack.drift()).steps, [`delete Role ${RoleName}`, `delete RolePolicy ${RoleName}`]);
  const { steps } = await stack.up({ refresh: true });
  assert.notEqual(await ids(), before);
  assert.deepEqual(
    steps.filter((step) => step.includes("AuthBackendRole")),
    ["create-replacement", "delete-replaced", "replace"].map((op) => `${op} AuthBackendRole keyplane.rotate`),
  );
  const role = await stack.vault.read<{ bound_iam_principal_arn: string[] }>("auth/aws/role/keyplane.rotate");
  assert.deepEqual(role?.bound_iam_principal_arn, [`arn:aws:iam::${model.account}:role/${RoleName}`]);
  assert.deepEqual((await stack.drift()).steps, []);
  assert.deepEqual((await stack.preview()).steps, []);
});

test("an emulator that was killed has forgotten everything: a refresh finds it gone, and the update builds it again", async () => {
  await killService(stack.home, "aws");
  await startServices(stack.home, { report: () => {} });
  const gone = (await stack.drift()).steps.filter((step) => /^delete /.test(step));
  assert.ok(gone.length > 70, String(gone.length));
  await stack.up({ refresh: true });
  assert.deepEqual((await stack.drift()).steps, []);
});
