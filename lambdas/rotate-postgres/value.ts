import type { Target } from "../../operations/rotation/rotator.ts";
import type { Fields } from "../../operations/values/shape.ts";
import type { User } from "./settings.ts";

/** What lies in Secrets Manager is not a database user's value. Never quotes it. */
export class ValueError extends Error {
  override name = "ValueError";
}

/**
 * The value as AWS services read it.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
 */
export function valueText({ host, port, database }: Target, { user, password }: Fields): string {
  return JSON.stringify({ engine: "postgres", host, port, dbname: database, username: user, password });
}

/** @throws ValueError */
export function fieldsIn(text: string, what: string): Fields & { user: string; password: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { username, password } = (value ?? {}) as Record<string, unknown>;
  if (typeof username !== "string" || typeof password !== "string" || username === "" || password === "") {
    throw new ValueError(
      `${what} is no JSON object with "username" and "password": put the user's present credentials there as AWSCURRENT`,
    );
  }
  return { user: username, password };
}

/** Whether a value that an earlier try made can still come into force: it may be older than the catalogue. */
export function fits(text: string, target: Target, { logins }: User, current: Fields | undefined): boolean {
  try {
    const fields = fieldsIn(text, "");
    return (
      text === valueText(target, fields) && logins.includes(fields.user) && fields.user !== current?.user
    );
  } catch {
    return false;
  }
}
