import type { Key } from "@pulumi/aws/kms/key.js";
import { Function as LambdaFunction } from "@pulumi/aws/lambda/function.js";
import { Permission } from "@pulumi/aws/lambda/permission.js";
import { Queue } from "@pulumi/aws/sqs/queue.js";
import { asset, ComponentResource, type Resource } from "@pulumi/pulumi";
import type { AwsFunction, LambdaName } from "../../model/aws.ts";
import { declareLog } from "./logs.ts";
import type { DeclaredRole } from "./roles.ts";

/** Where events lie that were tried often enough: for two weeks, encrypted. */
export function declareDeadLetters(name: string, key: Key): Queue {
  return new Queue(name, {
    name,
    kmsMasterKeyId: key.arn,
    messageRetentionSeconds: 1_209_600,
  });
}

export interface RotationFunctionArgs {
  function: AwsFunction;
  /** Folder of each function's bundle. */
  code: Record<LambdaName, string>;
  role: DeclaredRole;
  keys: { data: Key; audit: Key };
  deadLetters: Queue;
  account: string;
  retention: number;
}

/**
 * A function that rotates: its log encrypted and kept, its settings encrypted, its failures put aside, inside the network
 * where there is one, and called by nobody but Secrets Manager of this account, or by the schedules' role.
 */
export class RotationFunction extends ComponentResource {
  readonly resource: LambdaFunction;
  /** Without it Secrets Manager refuses to take the function for a rotation. */
  readonly callable: Resource[];

  constructor(name: string, args: RotationFunctionArgs) {
    super("keyplane:aws:RotationFunction", name);
    const { function: each, code, role, keys, deadLetters, account, retention } = args;
    const opts = { parent: this };
    const log = declareLog(each.logGroup, retention, keys.audit, opts);
    this.resource = new LambdaFunction(
      `${name}-function`,
      {
        name: each.name,
        description: each.purpose,
        role: role.role.arn,
        runtime: "nodejs24.x",
        architectures: ["arm64"],
        handler: "index.handler",
        code: new asset.FileArchive(code[each.code]),
        timeout: each.timeout,
        memorySize: each.memory,
        ...(each.concurrency !== undefined && { reservedConcurrentExecutions: each.concurrency }),
        environment: { variables: each.variables },
        kmsKeyArn: keys.data.arn,
        deadLetterConfig: { targetArn: deadLetters.arn },
        ...(each.network !== undefined && {
          vpcConfig: {
            subnetIds: each.network.subnets,
            securityGroupIds: each.network.securityGroups,
          },
        }),
      },
      { ...opts, dependsOn: [log, ...role.rights] },
    );
    this.callable =
      each.calledBy === "schedule"
        ? []
        : [
            new Permission(
              `${name}-secrets-manager`,
              {
                statementId: "secrets-manager",
                action: "lambda:InvokeFunction",
                function: this.resource.name,
                principal: "secretsmanager.amazonaws.com",
                sourceAccount: account,
              },
              opts,
            ),
          ];
    this.registerOutputs();
  }
}
