import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ResourceNotFoundException,
  RotateSecretCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { zipSync } from "fflate";
import type { AwsOptions } from "../../clients/secrets-manager.ts";
import type { Vault } from "../../clients/vault.ts";
import { bundleLambda } from "../../lambdas/bundle.ts";
import type { LocalServices } from "../../local/services/index.ts";
import type { AwsFunction, AwsRole, LambdaName, PolicyDocument } from "../../model/aws.ts";
import type { Model } from "../../model/model.ts";
import { renderPolicy } from "../../model/policies.ts";
import type { Shipping } from "../../model/shipping.ts";
import type { Policy } from "../../model/vault.ts";

/** A function of the model that is there. */
export interface DeclaredFunction {
  name: string;
  arn: string;
  /** ARN of its role. */
  role: string;
  /** Its variables. */
  env: Record<string, string>;
}

/** The account of the emulator, with Vault's AWS auth method beside it, as `infra/aws` makes them. */
export class AwsPlatform {
  readonly iam: IAMClient;
  readonly lambda: LambdaClient;
  readonly secrets: SecretsManagerClient;
  readonly sts: STSClient;
  readonly endpoint: string;
  readonly account: string;
  readonly region: string;
  readonly #root: Vault;
  readonly #folder: string;

  /** @param folder for bundles */
  constructor(services: Pick<LocalServices, "aws" | "vault">, root: Vault, folder: string) {
    const { endpoint, region, account } = services.aws;
    const options = { endpoint, region, credentials: { accessKeyId: account, secretAccessKey: "test" } };
    [this.endpoint, this.region, this.account] = [endpoint, region, account];
    this.iam = new IAMClient(options);
    this.lambda = new LambdaClient(options);
    this.secrets = new SecretsManagerClient(options);
    this.sts = new STSClient(options);
    this.#root = root;
    this.#folder = folder;
  }

  /** Lets AWS roles log in to Vault: it asks the emulator's STS who signed. */
  async trustAws({ vault: { auth }, aws }: Model): Promise<void> {
    await this.#root.write(`sys/auth/${auth.aws}`, { type: "aws" });
    await this.#root.write(`auth/${auth.aws}/config/client`, {
      sts_endpoint: this.endpoint,
      sts_region: this.region,
      iam_endpoint: this.endpoint,
      iam_server_id_header_value: aws?.vault.serverId,
    });
  }

  /** A function with its role and its login to Vault, all as the model has them. */
  async declare<Name extends LambdaName>(
    model: Model,
    each: AwsFunction & { code: Name },
    shipping: Shipping<Name>,
  ): Promise<DeclaredFunction> {
    const declared = model.aws?.roles.find(({ name }) => name === each.role);
    if (declared === undefined) throw new Error(`${each.role} is no role of the model`);
    const role = await this.role(declared);
    const policies = model.policies.filter(({ name }) => name === each.vault.policy);
    await this.vaultRole(each.vault.role, role, policies);
    const arn = await this.function(each.code, {
      as: each.name,
      role,
      env: each.variables,
      timeout: each.timeout,
      shipping,
    });
    return { name: each.name, arn, role, env: each.variables };
  }

  /** An IAM role, and what it may do: the emulator refuses it anything else. @returns its ARN */
  async role({
    name,
    trust,
    rights,
  }: Pick<AwsRole, "name" | "trust"> & { rights?: PolicyDocument | undefined }): Promise<string> {
    const { Role } = await this.iam.send(
      new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
    );
    if (rights !== undefined) {
      await this.iam.send(
        new PutRolePolicyCommand({
          RoleName: name,
          PolicyName: "rights",
          PolicyDocument: JSON.stringify(rights),
        }),
      );
    }
    return Role?.Arn ?? "";
  }

  /** Credentials of a role's session, as Lambda gives them to a function. */
  async session(arn: string): Promise<AwsOptions["credentials"]> {
    const { Credentials } = await this.sts.send(
      new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: "test" }),
    );
    return {
      accessKeyId: Credentials?.AccessKeyId ?? "",
      secretAccessKey: Credentials?.SecretAccessKey ?? "",
      sessionToken: Credentials?.SessionToken ?? "",
    };
  }

  /** A role of Vault that one IAM role may take. */
  async vaultRole(name: string, arn: string, policies: Policy[]): Promise<void> {
    for (const policy of policies) {
      await this.#root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
    }
    await this.#root.write(`auth/aws/role/${name}`, {
      auth_type: "iam",
      bound_iam_principal_arn: [arn],
      resolve_aws_unique_ids: false,
      token_policies: policies.map((policy) => policy.name),
      token_type: "service",
      token_ttl: 900,
      token_max_ttl: 900,
      token_explicit_max_ttl: 900,
    });
  }

  /** A function with a bundle as its code. @returns its ARN */
  async function<Name extends LambdaName>(
    code: Name,
    options: {
      as: string;
      role: string;
      env: Record<string, string>;
      timeout: number;
      shipping: Shipping<Name>;
    },
  ): Promise<string> {
    const { folder } = await bundleLambda(code, this.#folder, options.shipping);
    const files = Object.fromEntries(
      await Promise.all(
        ["index.mjs", "model.json"].map(async (file) => [file, await readFile(join(folder, file))] as const),
      ),
    );
    const { FunctionArn } = await this.lambda.send(
      new CreateFunctionCommand({
        FunctionName: options.as,
        Runtime: "nodejs24.x",
        Architectures: ["arm64"],
        Handler: "index.handler",
        Role: options.role,
        Timeout: options.timeout,
        Code: { ZipFile: zipSync(files) },
        Environment: { Variables: options.env },
      }),
    );
    return FunctionArn ?? "";
  }

  /** Invokes as anybody may who has the right to. @returns the answer, and what was logged (its last 4 KB) */
  async invoke(name: string, event: unknown): Promise<{ failed: boolean; answer: unknown; log: string }> {
    const { FunctionError, Payload, LogResult } = await this.lambda.send(
      new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event), LogType: "Tail" }),
    );
    return {
      failed: FunctionError !== undefined,
      answer: JSON.parse(Buffer.from(Payload ?? []).toString() || "null"),
      log: Buffer.from(LogResult ?? "", "base64").toString(),
    };
  }

  /** A secret that rotates, without a value. @returns its ARN */
  async secret(name: string, rotator: string): Promise<string> {
    const { ARN = "" } = await this.secrets.send(new CreateSecretCommand({ Name: name }));
    await this.secrets.send(
      new RotateSecretCommand({
        SecretId: ARN,
        RotationLambdaARN: rotator,
        RotateImmediately: false,
        RotationRules: { ScheduleExpression: "rate(30 days)" },
      }),
    );
    return ARN;
  }

  /** Version ids by label. */
  async labels(secret: string): Promise<Record<string, string>> {
    const { VersionIdsToStages = {} } = await this.secrets.send(
      new DescribeSecretCommand({ SecretId: secret }),
    );
    return Object.fromEntries(
      Object.entries(VersionIdsToStages).flatMap(([id, labels]) => labels.map((label) => [label, id])),
    );
  }

  /** The value with a label; undefined where there is none. */
  async value(secret: string, label = "AWSCURRENT"): Promise<DatabaseValue | undefined> {
    try {
      const { SecretString } = await this.secrets.send(
        new GetSecretValueCommand({ SecretId: secret, VersionStage: label }),
      );
      return SecretString === undefined ? undefined : (JSON.parse(SecretString) as DatabaseValue);
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }
}

export interface DatabaseValue {
  engine: "postgres";
  host: string;
  port: number;
  dbname: string;
  username: string;
  password: string;
}
