import type { AwsModel } from "../model/aws.ts";
import { inWords } from "../operations/errors.ts";
import { LoginError } from "../operations/login.ts";
import type { Kept } from "../operations/rotation/secrets-manager.ts";
import type { Invocation } from "./command.ts";
import { exit, exitCode } from "./exit.ts";
import type { Shown } from "./rotation-rows.ts";
import type { Reached } from "./session.ts";

/** Milliseconds for which a rotation is waited for: its function has a minute for each of the four steps. */
const patience = 5 * 60_000;

/**
 * Has Secrets Manager rotate what it keeps and is late with; a dry run says what that is. Where nothing gives credentials of AWS,
 * all of it is left to who has some.
 */
export async function rotateKept(
  { signal, dryRun, report }: Pick<Invocation, "signal" | "dryRun" | "report">,
  { model: { aws }, signForAws }: Pick<Reached, "model" | "signForAws">,
): Promise<Shown[]> {
  const secrets = aws?.secrets.filter(({ retired }) => retired === undefined) ?? [];
  if (aws === undefined || secrets.length === 0) return [];
  const all = `${secrets.length} in Secrets Manager`;
  const { SecretsManager } = await import("../clients/secrets-manager.ts");
  const { rotateOverdue } = await import("../operations/rotation/secrets-manager.ts");
  try {
    const credentials = await credentialsOf(aws, signForAws);
    if (credentials === undefined) {
      const text = `left to the workflow rotate.yml, which takes the role ${aws.rotateRole} (AWS_ROLE_ARN is not set here)`;
      return [{ secret: all, result: "by hand", text, code: exit.clean }];
    }
    const client = new SecretsManager({
      region: aws.region,
      credentials,
      ...(aws.emulator !== undefined && { endpoint: aws.emulator }),
    });
    try {
      const started = (subject: string, since: Date) =>
        report({
          subject,
          state: "progress",
          text: `due since ${since.toISOString()}: Secrets Manager rotates`,
        });
      const kept = await rotateOverdue(secrets, {
        client,
        now: new Date(),
        dryRun,
        patience,
        signal,
        started,
      });
      return kept.map((each) => row(each, aws));
    } finally {
      client.close();
    }
  } catch (error) {
    return [{ secret: all, result: "failed", text: inWords(error), code: exitCode(error) }];
  }
}

/** Of the role, by the job's own token, or as the environment has them; undefined where there are none. @throws LoginError */
async function credentialsOf(
  { region, emulator, account, github, rotateRole }: AwsModel,
  sign: Reached["signForAws"],
) {
  const {
    AWS_ROLE_ARN,
    ACTIONS_ID_TOKEN_REQUEST_URL: url,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer,
  } = process.env;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  const { AWS_SESSION_TOKEN: sessionToken } = process.env;
  const { takeRole } = await import("../operations/aws-role.ts");
  if (sign !== undefined) {
    const role = `arn:aws:iam::${account}:role/${rotateRole}`;
    return takeRole({
      role,
      token: await sign(),
      region,
      ...(emulator !== undefined && { endpoint: emulator }),
    });
  }
  if (AWS_ROLE_ARN) {
    if (!url || !bearer) {
      throw new LoginError(
        'AWS_ROLE_ARN is set and GitHub gives no token: give the job "permissions: id-token: write"',
      );
    }
    const { gitHubToken } = await import("../operations/login.ts");
    const token = await gitHubToken(url, bearer, github.audience);
    return takeRole({ role: AWS_ROLE_ARN, token, region });
  }
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

function row(kept: Kept, { secrets }: AwsModel): Shown {
  const { secret } = kept;
  const due = "since" in kept ? `due since ${kept.since.toISOString()}` : "";
  switch (kept.state) {
    case "on time":
      return { secret, result: "unchanged", text: "Secrets Manager is in time", code: exit.clean };
    case "off":
      return {
        secret,
        result: "stuck",
        text: "its rotation is switched off in Secrets Manager: an update with --refresh switches it on",
        code: exit.finding,
      };
    case "overdue":
      return {
        secret,
        result: "due",
        text: `Secrets Manager would rotate it: ${due}`,
        code: exit.clean,
        since: kept.since,
      };
    case "rotated":
      return {
        secret,
        result: "done",
        text: `done, version ${kept.version}`,
        code: exit.clean,
        to: kept.version,
      };
    case "not in force": {
      const rotator = secrets.find(({ name }) => name === secret)?.function;
      const text = `${due}, and version ${kept.version} is not in force: the log /aws/lambda/${rotator} says why`;
      return { secret, result: "stuck", text, code: exit.finding };
    }
    case "failed":
      return { secret, result: "failed", text: inWords(kept.error), code: exitCode(kept.error) };
  }
}
