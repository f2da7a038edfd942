import {
  AddPermissionCommand,
  type Architecture,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetPolicyCommand,
  PutFunctionConcurrencyCommand,
  RemovePermissionCommand,
  type Runtime,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import type { FunctionArgs, Function as LambdaFunction } from "@pulumi/aws/lambda/function.js";
import type { Permission, PermissionArgs } from "@pulumi/aws/lambda/permission.js";
import type { lambda as types } from "@pulumi/aws/types/input.js";
import { archive, block, list, map, number, type Properties, set, text } from "../fields.ts";
import { said } from "../kind.ts";
import { zipped } from "./archive.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, strings, within } from "./kind.ts";

function configuration(FunctionName: string, inputs: Properties) {
  const vpc = within(inputs.vpcConfig);
  const variables = within(within(inputs.environment).variables);
  return {
    FunctionName,
    Description: optional(inputs, "description") ?? "",
    Role: said(inputs, "role"),
    Runtime: said(inputs, "runtime") as Runtime,
    Handler: said(inputs, "handler"),
    Timeout: count(inputs, "timeout") ?? 3,
    MemorySize: count(inputs, "memorySize") ?? 128,
    KMSKeyArn: optional(inputs, "kmsKeyArn") ?? "",
    DeadLetterConfig: { TargetArn: optional(within(inputs.deadLetterConfig), "targetArn") ?? "" },
    Environment: {
      Variables: Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)])),
    },
    ...(inputs.vpcConfig !== undefined && {
      VpcConfig: { SubnetIds: strings(vpc.subnetIds), SecurityGroupIds: strings(vpc.securityGroupIds) },
    }),
  };
}

async function setConcurrency({ lambda }: Aws, FunctionName: string, inputs: Properties): Promise<void> {
  const ReservedConcurrentExecutions = count(inputs, "reservedConcurrentExecutions");
  if (ReservedConcurrentExecutions === undefined) return;
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions }));
}

async function setFunction(
  aws: Aws,
  id: string,
  inputs: Properties,
  changed: readonly string[],
): Promise<void> {
  if (changed.includes("code")) {
    const ZipFile = await zipped(inputs.code);
    await aws.lambda.send(new UpdateFunctionCodeCommand({ FunctionName: id, ZipFile }));
  }
  await aws.lambda.send(new UpdateFunctionConfigurationCommand(configuration(id, inputs)));
  await setConcurrency(aws, id, inputs);
}

export const lambdaFunction = kind<LambdaFunction, FunctionArgs>({
  type: "aws:lambda/function:Function",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    description: text(),
    role: text({ required: true }),
    runtime: text({ required: true }),
    architectures: list({ otherwise: ["x86_64"] }),
    handler: text({ required: true }),
    code: archive({ required: true }),
    timeout: number({ otherwise: 3 }),
    memorySize: number({ otherwise: 128 }),
    reservedConcurrentExecutions: number({ otherwise: -1 }),
    environment: block<types.FunctionEnvironment>({ variables: map() }),
    kmsKeyArn: text(),
    deadLetterConfig: block<types.FunctionDeadLetterConfig>({ targetArn: text({ required: true }) }),
    vpcConfig: block<types.FunctionVpcConfig>({ subnetIds: set(), securityGroupIds: set() }),
  },
  computed: ["arn"],
  async create(aws, inputs) {
    const id = said(inputs, "name");
    const make = new CreateFunctionCommand({
      ...configuration(id, inputs),
      Architectures: strings(inputs.architectures) as Architecture[],
      Code: { ZipFile: await zipped(inputs.code) },
    });
    if (await isThere(() => aws.lambda.send(make))) await setFunction(aws, id, inputs, ["code"]);
    else await setConcurrency(aws, id, inputs);
    return id;
  },
  async read({ lambda }, id, state) {
    const live = await found(() => lambda.send(new GetFunctionCommand({ FunctionName: id })));
    const is = live?.Configuration;
    if (is === undefined) return undefined;
    const { ReservedConcurrentExecutions } = await lambda.send(
      new GetFunctionConcurrencyCommand({ FunctionName: id }),
    );
    const sum = is.CodeSha256 ?? "";
    const before = optional(state, "codeSha256");
    return {
      name: id,
      description: is.Description ?? "",
      role: is.Role ?? "",
      runtime: is.Runtime ?? "",
      architectures: is.Architectures ?? ["x86_64"],
      handler: is.Handler ?? "",
      // What somebody else put there has another sum than what was put there last.
      code: before === undefined || before === sum ? (state.code ?? "") : `changed by hand: ${sum}`,
      timeout: is.Timeout ?? 3,
      memorySize: is.MemorySize ?? 128,
      reservedConcurrentExecutions: ReservedConcurrentExecutions ?? -1,
      environment: { variables: is.Environment?.Variables ?? {} },
      kmsKeyArn: is.KMSKeyArn ?? "",
      deadLetterConfig: { targetArn: is.DeadLetterConfig?.TargetArn ?? "" },
      vpcConfig: {
        subnetIds: [...(is.VpcConfig?.SubnetIds ?? [])].sort(),
        securityGroupIds: [...(is.VpcConfig?.SecurityGroupIds ?? [])].sort(),
      },
      arn: is.FunctionArn ?? "",
      codeSha256: sum,
    };
  },
  update: setFunction,
  async delete({ lambda }, id) {
    await found(() => lambda.send(new DeleteFunctionCommand({ FunctionName: id })));
  },
});

interface LiveStatement {
  Sid?: string;
  Action?: string;
  Principal?: { Service?: string } | string;
  Condition?: { StringEquals?: Record<string, string>; ArnLike?: Record<string, string> };
}

export const permission = kind<Permission, PermissionArgs>({
  type: "aws:lambda/permission:Permission",
  fields: {
    statementId: text({ required: true, replace: true, local: true }),
    function: text({ required: true, replace: true, local: true }),
    action: text({ required: true, replace: true }),
    principal: text({ required: true, replace: true }),
    sourceAccount: text({ replace: true }),
    sourceArn: text({ replace: true }),
  },
  async create({ lambda }, inputs) {
    const StatementId = said(inputs, "statementId");
    await isThere(() =>
      lambda.send(
        new AddPermissionCommand({
          StatementId,
          FunctionName: said(inputs, "function"),
          Action: said(inputs, "action"),
          Principal: said(inputs, "principal"),
          SourceAccount: optional(inputs, "sourceAccount"),
          SourceArn: optional(inputs, "sourceArn"),
        }),
      ),
    );
    return StatementId;
  },
  async read({ lambda }, id, state) {
    const FunctionName = said(state, "function");
    const live = await found(() => lambda.send(new GetPolicyCommand({ FunctionName })));
    const statements = (JSON.parse(live?.Policy ?? "{}") as { Statement?: LiveStatement[] }).Statement ?? [];
    const own = statements.find(({ Sid }) => Sid === id);
    if (own === undefined) return undefined;
    const { Principal, Condition } = own;
    return {
      statementId: id,
      function: FunctionName,
      action: own.Action ?? "",
      principal: typeof Principal === "string" ? Principal : (Principal?.Service ?? ""),
      sourceAccount: Condition?.StringEquals?.["AWS:SourceAccount"] ?? "",
      sourceArn: Condition?.ArnLike?.["AWS:SourceArn"] ?? "",
    };
  },
  async update() {
    throw new Error("a permission is replaced, never changed");
  },
  async delete({ lambda }, id, state) {
    const FunctionName = said(state, "function");
    await found(() => lambda.send(new RemovePermissionCommand({ FunctionName, StatementId: id })));
  },
});
