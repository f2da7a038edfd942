import { GetSecretValueCommand, ResourceNotFoundException } from "@aws-sdk/client-secrets-manager";
import pg from "pg";
import type { AwsModel, AwsSecret } from "../../model/aws.ts";
import { RotationFailedError, rotateSecret } from "../aws/rotate-secret.ts";
import { trailEvent } from "../aws/trail-event.ts";
import type { Aws } from "../providers/aws/clients.ts";
import { failed, notShown, type TourLine, triedInAws } from "./line.ts";

/** Secrets Manager's function gives a database user its next login; that one gets in, and so does the one before. */
export async function* rotatedUser(account: AwsModel, aws: Aws): AsyncGenerator<TourLine> {
  const promise =
    "a function of Secrets Manager rotates a database user in four steps, and no login in use fails";
  const [secret] = account.secrets;
  if (secret === undefined) {
    return yield notShown(promise, "no database user of the catalogue is kept in Secrets Manager");
  }
  const since = new Date();
  const before = await valueIn(aws, secret);
  let version: string;
  try {
    version = await rotateSecret({ secrets: aws.secrets, lambda: aws.lambda, secret: secret.name });
  } catch (error) {
    if (!(error instanceof RotationFailedError)) throw error;
    return yield failed(promise, error.message);
  }
  const after = await valueIn(aws, secret);
  const logins = [after, before].filter((value) => value !== undefined);
  const refusals = await Promise.all(logins.map((value) => refusal(value, secret)));
  const seen = logins.map(({ username }, index) => `${username} ${refusals[index] ?? "logs in"}`).join(", ");
  yield triedInAws(
    promise,
    after?.username !== before?.username && refusals.every((why) => why === undefined),
    `${seen}, in ${secret.memberOf}; keyplane sent the steps, as Secrets Manager does`,
    await trailEvent(aws.trail, "secretsmanager UpdateSecretVersionStage", {
      since,
      of: secret.name,
      wanted: ({ VersionStage, MoveToVersionId }) =>
        VersionStage === "AWSCURRENT" && MoveToVersionId === version,
    }),
  );
}

interface Value {
  host: string;
  port: number;
  dbname: string;
  username: string;
  password: string;
}

/** The value in force, as an AWS service reads it; undefined before the first rotation. */
async function valueIn({ secrets }: Aws, { name }: AwsSecret): Promise<Value | undefined> {
  try {
    const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: name }));
    return SecretString === undefined ? undefined : (JSON.parse(SecretString) as Value);
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

/** Why a login does not get in with its group's rights; undefined where it does. */
async function refusal(value: Value, { memberOf }: AwsSecret): Promise<string | undefined> {
  const { host, port, dbname: database, username: user, password } = value;
  const client = new pg.Client({ host, port, database, user, password });
  try {
    await client.connect();
    const text = "select pg_has_role($1, 'member') as member";
    const { rows } = await client.query<{ member: boolean }>(text, [memberOf]);
    return rows[0]?.member === true ? undefined : `is no member of ${memberOf}`;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return `is refused (${error.code})`;
    throw error;
  } finally {
    await client.end();
  }
}
