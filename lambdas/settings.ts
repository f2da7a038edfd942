import type { AwsOptions } from "../clients/secrets-manager.ts";

/** A variable of the function is absent or not what `infra/aws` writes there. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

/** How a function reaches Vault and who it is there. */
export interface VaultAccess {
  address: string;
  /** Path of Vault's AWS auth method. */
  mount: string;
  role: string;
  /** Value of X-Vault-AWS-IAM-Server-ID. */
  serverId: string;
  /** PEM, where the certificate is of no public CA. */
  ca?: string;
}

/** KEYPLANE_VAULT. @throws SettingsError */
export function vaultAccess(env: NodeJS.ProcessEnv): VaultAccess {
  const read = objectIn(env, "KEYPLANE_VAULT");
  const { ca } = read;
  return {
    address: textOf(read, "address", "KEYPLANE_VAULT"),
    mount: textOf(read, "mount", "KEYPLANE_VAULT"),
    role: textOf(read, "role", "KEYPLANE_VAULT"),
    serverId: textOf(read, "serverId", "KEYPLANE_VAULT"),
    ...(typeof ca === "string" && { ca }),
  };
}

/** What Lambda gives every function: its region and its role's own credentials. @throws SettingsError */
export function awsOf(env: NodeJS.ProcessEnv): AwsOptions {
  const variable = (name: string): string => {
    const value = env[name];
    if (!value) throw new SettingsError(`${name} is not set: Lambda sets it in every function`);
    return value;
  };
  const { AWS_SESSION_TOKEN: sessionToken, AWS_ENDPOINT_URL: all } = env;
  const endpoint = env.AWS_ENDPOINT_URL_SECRETS_MANAGER || all;
  return {
    region: variable("AWS_REGION"),
    credentials: {
      accessKeyId: variable("AWS_ACCESS_KEY_ID"),
      secretAccessKey: variable("AWS_SECRET_ACCESS_KEY"),
      ...(sessionToken && { sessionToken }),
    },
    ...(endpoint && { endpoint }),
  };
}

/** A variable that holds a JSON object. @throws SettingsError */
export function objectIn(env: NodeJS.ProcessEnv, name: string): Record<string, unknown> {
  const text = env[name];
  if (!text) throw new SettingsError(`${name} is not set: infra/aws sets it`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SettingsError(`${name} is not JSON: infra/aws writes it`);
  }
  if (!isObject(value)) throw new SettingsError(`${name} is no JSON object: infra/aws writes it`);
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that must be a text with something in it. @throws SettingsError */
export function textOf(object: Record<string, unknown>, field: string, of: string): string {
  const value = object[field];
  if (typeof value === "string" && value !== "") return value;
  throw new SettingsError(`${of} has no text in "${field}": infra/aws writes it`);
}
