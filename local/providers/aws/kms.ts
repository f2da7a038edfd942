import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  ListAliasesCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from "@aws-sdk/client-kms";
import type { Alias, AliasArgs } from "@pulumi/aws/kms/alias.js";
import type { Key, KeyArgs } from "@pulumi/aws/kms/key.js";
import { flag, number, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, policy } from "./kind.ts";

async function rotate(aws: Aws, KeyId: string, days: number | undefined) {
  await aws.kms.send(
    new EnableKeyRotationCommand({ KeyId, ...(days !== undefined && { RotationPeriodInDays: days }) }),
  );
}

export const key = kind<Key, KeyArgs>({
  type: "aws:kms/key:Key",
  fields: {
    description: text(),
    policy: policy(),
    enableKeyRotation: flag(),
    rotationPeriodInDays: number({ chosen: true }),
    // A wish for the day on which it is deleted: KMS does not keep it.
    deletionWindowInDays: number({ local: true }),
    isEnabled: flag({ otherwise: true }),
  },
  computed: ["arn", "keyId"],
  async create({ kms, ...aws }, inputs) {
    const { KeyMetadata } = await kms.send(
      new CreateKeyCommand({
        Description: optional(inputs, "description"),
        Policy: optional(inputs, "policy"),
      }),
    );
    const id = KeyMetadata?.KeyId ?? "";
    if (inputs.enableKeyRotation === true) {
      await rotate({ kms, ...aws }, id, count(inputs, "rotationPeriodInDays"));
    }
    return id;
  },
  async read({ kms }, id) {
    const live = await found(() => kms.send(new DescribeKeyCommand({ KeyId: id })));
    const metadata = live?.KeyMetadata;
    if (metadata === undefined || metadata.KeyState === "PendingDeletion") return undefined;
    const [{ Policy }, rotation] = await Promise.all([
      kms.send(new GetKeyPolicyCommand({ KeyId: id, PolicyName: "default" })),
      kms.send(new GetKeyRotationStatusCommand({ KeyId: id })),
    ]);
    return {
      description: metadata.Description ?? "",
      policy: Policy ?? "",
      enableKeyRotation: rotation.KeyRotationEnabled === true,
      rotationPeriodInDays: rotation.RotationPeriodInDays ?? 0,
      isEnabled: metadata.Enabled === true,
      arn: metadata.Arn ?? "",
      keyId: id,
    };
  },
  async update({ kms, ...aws }, id, inputs, changed) {
    if (changed.includes("policy")) {
      await kms.send(
        new PutKeyPolicyCommand({ KeyId: id, PolicyName: "default", Policy: said(inputs, "policy") }),
      );
    }
    if (changed.includes("description")) {
      await kms.send(
        new UpdateKeyDescriptionCommand({ KeyId: id, Description: optional(inputs, "description") ?? "" }),
      );
    }
    if (changed.includes("isEnabled")) await kms.send(new EnableKeyCommand({ KeyId: id }));
    if (changed.includes("enableKeyRotation") || changed.includes("rotationPeriodInDays")) {
      await rotate({ kms, ...aws }, id, count(inputs, "rotationPeriodInDays"));
    }
  },
  async delete({ kms }, id, state) {
    await found(() =>
      kms.send(
        new ScheduleKeyDeletionCommand({
          KeyId: id,
          PendingWindowInDays: count(state, "deletionWindowInDays") ?? 30,
        }),
      ),
    );
  },
});

export const alias = kind<Alias, AliasArgs>({
  type: "aws:kms/alias:Alias",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    targetKeyId: text({ required: true }),
  },
  computed: ["arn", "targetKeyArn"],
  async create({ kms }, inputs) {
    const names = { AliasName: said(inputs, "name"), TargetKeyId: said(inputs, "targetKeyId") };
    if (await isThere(() => kms.send(new CreateAliasCommand(names)))) {
      await kms.send(new UpdateAliasCommand(names));
    }
    return names.AliasName;
  },
  async read({ kms, account, region }, id) {
    const { Aliases } = await kms.send(new ListAliasesCommand({}));
    const live = Aliases?.find(({ AliasName }) => AliasName === id);
    if (live === undefined) return undefined;
    const targetKeyId = live.TargetKeyId ?? "";
    return {
      name: id,
      targetKeyId,
      arn: live.AliasArn ?? "",
      targetKeyArn: `arn:aws:kms:${region}:${account}:key/${targetKeyId}`,
    };
  },
  async update({ kms }, id, inputs) {
    await kms.send(new UpdateAliasCommand({ AliasName: id, TargetKeyId: said(inputs, "targetKeyId") }));
  },
  async delete({ kms }, id) {
    await found(() => kms.send(new DeleteAliasCommand({ AliasName: id })));
  },
});
