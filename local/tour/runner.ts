import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { type AwsOptions, SecretsManager, SecretsManagerError } from "../../clients/secrets-manager.ts";
import { VaultError } from "../../clients/vault.ts";
import type { AwsFunction, AwsModel } from "../../model/aws.ts";
import { loginByAws } from "../../operations/aws-login.ts";
import { trailEvent } from "../aws/trail-event.ts";
import type { Aws } from "../providers/aws/clients.ts";
import type { LocalServices } from "../services/index.ts";
import { failed, notShown, type TourContext, type TourLine, tried, triedInAws } from "./line.ts";

/** The scheduled function rotates as its IAM role; as it nobody else gets in, and its role gets nowhere else. */
export async function* rotationRunner(
  { services, model, vault, trail }: TourContext,
  { account, aws }: { account: AwsModel; aws: Aws },
): AsyncGenerator<TourLine> {
  const runs =
    "the scheduled function logs in to Vault as its IAM role, with no stored secret, and sees what is due";
  const runner = account.functions.find(({ calledBy }) => calledBy === "schedule");
  if (runner === undefined) {
    return yield notShown(runs, "no schedule of this account calls a function");
  }

  const answer = await invoke(aws.lambda, runner);
  const seen = `${runner.name}: ${answer.said}`;
  if (answer.ran) {
    const entered = await trail.find({
      path: `auth/${model.vault.auth.aws}/login`,
      // Lambda calls a function's session by its name.
      who: `${model.vault.auth.aws}-${runner.role}/${runner.name}`,
      outcome: "allowed",
    });
    yield tried(runs, true, seen, entered);
  } else yield failed(runs, seen);

  const other = account.functions.find(({ role }) => role !== runner.role);
  const stranger = other === undefined ? ownKey(services) : await sessionOf(services, account, other.role);
  const refused = await loginByAws({
    vault,
    mount: model.vault.auth.aws,
    role: runner.vault.role,
    serverId: account.vault.serverId,
    aws: { region: account.region, credentials: stranger },
  }).then(
    async (session) => {
      await session.end();
      return undefined;
    },
    (error: unknown) => {
      if (error instanceof VaultError) return error;
      throw error;
    },
  );
  yield tried(
    `no other identity of the account logs in to Vault as ${runner.vault.role}`,
    refused?.status === 400,
    `${refused?.status ?? "let in"}: ${other?.role ?? "the account's own key"} is not ${runner.role}`,
    refused && (await trail.of(refused, "nobody")),
  );

  const since = new Date();
  const credentials = await sessionOf(services, account, runner.role);
  const store = new SecretsManager({ ...services.aws, credentials });
  const secret = account.secrets[0]?.name ?? `keyplane/${model.environment}/any`;
  const denied = await store.value(secret, { label: "AWSCURRENT" }).catch((error: unknown) => {
    if (error instanceof SecretsManagerError) return error;
    throw error;
  });
  store.close();
  const code = denied instanceof SecretsManagerError ? denied.code : "allowed";
  yield triedInAws(
    "the same role reads no value in Secrets Manager: IAM refuses what its document does not list",
    code === "AccessDeniedException",
    `${code}: GetSecretValue of ${secret}`,
    await trailEvent(aws.trail, "sts AssumeRole", {
      since,
      of: runner.role,
      wanted: ({ RoleArn }) => String(RoleArn).endsWith(`/${runner.role}`),
    }),
  );
}

/** Seconds that the tour stays with a run; it may have much to rotate, and goes on by itself. */
const stays = 20;

async function invoke(lambda: LambdaClient, { name }: AwsFunction): Promise<{ ran: boolean; said: string }> {
  const abortSignal = AbortSignal.timeout(stays * 1000);
  try {
    const { FunctionError, Payload } = await lambda.send(new InvokeCommand({ FunctionName: name }), {
      abortSignal,
    });
    const answer = JSON.parse(Buffer.from(Payload ?? []).toString() || "{}") as Answer;
    if (FunctionError !== undefined && answer.errorType !== "RunError") {
      return { ran: false, said: answer.errorMessage ?? FunctionError };
    }
    const { rotated = [], underWay = [], left = [] } = answer;
    return {
      ran: true,
      said:
        FunctionError === undefined
          ? `${rotated.length} rotated, ${underWay.length} under way, ${left.length} left to a runner on their host`
          : "some did not rotate, see `keyplane rotations`",
    };
  } catch (error) {
    if (!abortSignal.aborted) throw error;
    return { ran: true, said: `its run goes on after ${stays} s` };
  }
}

/** What the function answers, and what Lambda does for it when it throws. */
interface Answer {
  rotated?: string[];
  underWay?: unknown[];
  left?: unknown[];
  errorType?: string;
  errorMessage?: string;
}

/** Credentials of a function's role, as Lambda takes them: to the emulator the account's own key is every service. */
async function sessionOf(
  services: LocalServices,
  { account }: AwsModel,
  role: string,
): Promise<AwsOptions["credentials"]> {
  const { endpoint, region } = services.aws;
  const sts = new STSClient({ endpoint, region, credentials: ownKey(services) });
  try {
    const { Credentials } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: `arn:aws:iam::${account}:role/${role}`,
        RoleSessionName: "keyplane-tour",
      }),
    );
    const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = Credentials ?? {};
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
  } finally {
    sts.destroy();
  }
}

function ownKey({ aws: { account } }: LocalServices): AwsOptions["credentials"] {
  return { accessKeyId: account, secretAccessKey: account };
}
