import type { AwsModel, AwsSecret } from "../model/aws.ts";
import { inWords } from "../operations/errors.ts";
import { LoginError } from "../operations/login.ts";
import type { Asked, Kept } from "../operations/rotation/secrets-manager.ts";
import type { Invocation } from "./command.ts";
import { exit, exitCode } from "./exit.ts";
import type { Shown } from "./rotation-rows.ts";
import type { Reached } from "./session.ts";

/** Milliseconds for which a rotation is waited for: its function has a minute for each of the four steps. */
const patience = 5 * 60_000;

/**
 * Has Secrets Manager rotate what it keeps: what it is late with, or all; a dry run says what that is. Where nothing gives
 * credentials of AWS, all of it is left to who has some.
 * @param named those that it is about
 */
export async function rotateKept(
  { signal, dryRun, report }: Pick<Invocation, "signal" | "dryRun" | "report">,
  { model: { aws }, signForAws }: Pick<Reached, "model" | "signForAws">,
  asked: Asked,
  named: readonly AwsSecret[],
): Promise<Shown[]> {
  const secrets = named.filter(({ retired }) => retired === undefined);
  if (aws === undefined || secrets.length === 0) return [];
  const all = `${secrets.length} in Secrets Manager`;
  const { SecretsManager } = await import("../clients/secrets-manager.ts");
  const kept = await import("../operations/rotation/secrets-manager.ts");
  try {
    const credentials = await credentialsOf(aws, signForAws);
    if (credentials === undefined && asked !== "overdue") {
      return secrets.map(({ name }) => byHand(name, aws, asked));
    }
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
      const started = (subject: string, since: Date | undefined) => {
        const why = since === undefined ? "asked for" : `due since ${since.toISOString()}`;
        report({ subject, state: "progress", text: `${why}: Secrets Manager rotates` });
      };
      const ended = await kept.rotateKept(secrets, {
        asked,
        client,
        now: new Date(),
        dryRun,
        patience,
        signal,
        started,
      });
      return ended.map((each) => row(each, aws, asked));
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

/** What somebody asked for, and nobody does from here. */
function byHand(secret: string, { rotateRole }: AwsModel, asked: Asked): Shown {
  const twice = asked === "leaked" ? " twice, the second time once the first is in force" : "";
  const text =
    `not rotated: Secrets Manager keeps it, and nothing here gives credentials of AWS: run this again as the role ${rotateRole} ` +
    `(AWS_ROLE_ARN), or as an administrator \`aws secretsmanager rotate-secret --secret-id ${secret}\`${twice}`;
  return { secret, result: "by hand", text, code: exit.finding };
}

function row(kept: Kept, { secrets }: AwsModel, asked: Asked): Shown {
  const { secret } = kept;
  const due = "since" in kept && kept.since ? `due since ${kept.since.toISOString()}` : "asked for";
  const twice = asked === "leaked" ? ", twice, as its two logins take turns" : "";
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
    case "asked":
      return {
        secret,
        result: kept.state === "asked" ? "asked" : "due",
        text: `Secrets Manager would rotate it${twice}: ${due}`,
        code: exit.clean,
        ...("since" in kept && { since: kept.since }),
      };
    case "rotated":
      return {
        secret,
        result: "done",
        text: `done${twice}, version ${kept.version}`,
        code: exit.clean,
        to: kept.version,
      };
    case "not in force": {
      const rotator = secrets.find(({ name }) => name === secret)?.function;
      const still = asked === "leaked" ? "; what has leaked may still work: run this again" : "";
      const text = `${due}, and version ${kept.version} is not in force: the log /aws/lambda/${rotator} says why${still}`;
      return { secret, result: "stuck", text, code: exit.finding };
    }
    case "stopped": {
      const { version } = kept;
      const began = `${due}, and version ${version} was begun and not waited for: stopped`;
      const what = version === undefined ? "did not begin: stopped" : began;
      const text = `${asked === "leaked" ? "not revoked yet, " : ""}${what}; run the same command again`;
      return { secret, result: version === undefined ? "held" : "waits", text, code: exit.resumable };
    }
    case "failed":
      return { secret, result: "failed", text: inWords(kept.error), code: exitCode(kept.error) };
  }
}
