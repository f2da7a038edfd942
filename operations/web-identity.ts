import { gitHubToken } from "./login.ts";

/**
 * What lets a command take a role of AWS by the job's own OIDC token: AWS' own tools trade the token in the file for
 * credentials of an hour. Nothing where no role is asked for (AWS_ROLE_ARN) or no token can be had.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
 * @param write puts the token where only this user can read it, and returns the file
 * @throws LoginError when GitHub gives none
 */
export async function webIdentity(
  env: NodeJS.ProcessEnv,
  write: (token: string) => Promise<string>,
): Promise<Record<string, string>> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer, AWS_ROLE_ARN } = env;
  if (!AWS_ROLE_ARN || !url || !bearer) return {};
  const file = await write(await gitHubToken(url, bearer, "sts.amazonaws.com"));
  return { AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_SESSION_NAME: "keyplane" };
}
