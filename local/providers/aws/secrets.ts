import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetResourcePolicyCommand,
  PutResourcePolicyCommand,
  RotateSecretCommand,
  UpdateSecretCommand,
} from "@aws-sdk/client-secrets-manager";
import type { Secret, SecretArgs } from "@pulumi/aws/secretsmanager/secret.js";
import type { SecretPolicy, SecretPolicyArgs } from "@pulumi/aws/secretsmanager/secretPolicy.js";
import type { SecretRotation, SecretRotationArgs } from "@pulumi/aws/secretsmanager/secretRotation.js";
import type { secretsmanager as types } from "@pulumi/aws/types/input.js";
import { block, flag, number, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, policy, within } from "./kind.ts";

async function setSecret({ secrets }: Aws, SecretId: string, inputs: Properties): Promise<void> {
  await secrets.send(
    new UpdateSecretCommand({
      SecretId,
      Description: optional(inputs, "description"),
      KmsKeyId: optional(inputs, "kmsKeyId"),
    }),
  );
}

export const secret = kind<Secret, SecretArgs>({
  type: "aws:secretsmanager/secret:Secret",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    description: text(),
    kmsKeyId: text(),
    // Read by whoever deletes it.
    recoveryWindowInDays: number({ local: true }),
  },
  computed: ["arn"],
  async create(aws, inputs) {
    const Name = said(inputs, "name");
    const make = new CreateSecretCommand({
      Name,
      Description: optional(inputs, "description"),
      KmsKeyId: optional(inputs, "kmsKeyId"),
    });
    if (await isThere(() => aws.secrets.send(make))) await setSecret(aws, Name, inputs);
    return (await aws.secrets.send(new DescribeSecretCommand({ SecretId: Name }))).ARN ?? "";
  },
  async read({ secrets }, id) {
    const live = await found(() => secrets.send(new DescribeSecretCommand({ SecretId: id })));
    if (live === undefined || live.DeletedDate !== undefined) return undefined;
    return {
      name: live.Name ?? "",
      description: live.Description ?? "",
      kmsKeyId: live.KmsKeyId ?? "",
      arn: id,
    };
  },
  update: setSecret,
  async delete({ secrets }, id, state) {
    const RecoveryWindowInDays = count(state, "recoveryWindowInDays") ?? 30;
    await found(() => secrets.send(new DeleteSecretCommand({ SecretId: id, RecoveryWindowInDays })));
  },
});

async function setReaders({ secrets }: Aws, SecretId: string, inputs: Properties): Promise<void> {
  await secrets.send(
    new PutResourcePolicyCommand({
      SecretId,
      ResourcePolicy: said(inputs, "policy"),
      BlockPublicPolicy: inputs.blockPublicPolicy === true,
    }),
  );
}

export const secretPolicy = kind<SecretPolicy, SecretPolicyArgs>({
  type: "aws:secretsmanager/secretPolicy:SecretPolicy",
  fields: {
    secretArn: text({ required: true, replace: true, local: true }),
    policy: policy({ required: true }),
    // A check of what is written, which is not kept.
    blockPublicPolicy: flag({ local: true }),
  },
  async create(aws, inputs) {
    const id = said(inputs, "secretArn");
    await setReaders(aws, id, inputs);
    return id;
  },
  async read({ secrets }, id) {
    const live = await found(() => secrets.send(new GetResourcePolicyCommand({ SecretId: id })));
    return live?.ResourcePolicy === undefined ? undefined : { secretArn: id, policy: live.ResourcePolicy };
  },
  update: setReaders,
  async delete({ secrets }, id) {
    await found(() => secrets.send(new DeleteResourcePolicyCommand({ SecretId: id })));
  },
});

async function setRotation({ secrets }: Aws, SecretId: string, inputs: Properties): Promise<void> {
  const rules = within(inputs.rotationRules);
  await secrets.send(
    new RotateSecretCommand({
      SecretId,
      RotationLambdaARN: said(inputs, "rotationLambdaArn"),
      RotationRules: {
        AutomaticallyAfterDays: count(rules, "automaticallyAfterDays"),
        Duration: optional(rules, "duration"),
        ScheduleExpression: optional(rules, "scheduleExpression"),
      },
    }),
  );
}

export const secretRotation = kind<SecretRotation, SecretRotationArgs>({
  type: "aws:secretsmanager/secretRotation:SecretRotation",
  fields: {
    secretId: text({ required: true, replace: true, local: true }),
    rotationLambdaArn: text({ required: true }),
    rotationRules: block<types.SecretRotationRotationRules>(
      { automaticallyAfterDays: number(), duration: text(), scheduleExpression: text() },
      { required: true },
    ),
  },
  async create(aws, inputs) {
    const id = said(inputs, "secretId");
    await setRotation(aws, id, inputs);
    return id;
  },
  async read({ secrets }, id) {
    const live = await found(() => secrets.send(new DescribeSecretCommand({ SecretId: id })));
    if (live?.RotationEnabled !== true) return undefined;
    const { AutomaticallyAfterDays, Duration, ScheduleExpression } = live.RotationRules ?? {};
    return {
      secretId: id,
      rotationLambdaArn: live.RotationLambdaARN ?? "",
      rotationRules: {
        automaticallyAfterDays: AutomaticallyAfterDays ?? 0,
        duration: Duration ?? "",
        scheduleExpression: ScheduleExpression ?? "",
      },
      rotationEnabled: true,
    };
  },
  update: setRotation,
  async delete({ secrets }, id) {
    await found(() => secrets.send(new CancelRotateSecretCommand({ SecretId: id })));
  },
});
