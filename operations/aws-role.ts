import { AssumeRoleWithWebIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { AwsOptions } from "../clients/secrets-manager.ts";
import { LoginError } from "./login.ts";

/**
 * Takes a role of AWS by a job's OIDC token, for an hour at most.
 * @param role its ARN
 * @throws LoginError
 */
export async function takeRole({
  role,
  token,
  ...where
}: {
  role: string;
  token: string;
  region: string;
  /** An emulator's. */
  endpoint?: string;
}): Promise<AwsOptions["credentials"]> {
  const sts = new STSClient(where);
  try {
    const { Credentials } = await sts.send(
      new AssumeRoleWithWebIdentityCommand({
        RoleArn: role,
        RoleSessionName: "keyplane",
        WebIdentityToken: token,
      }),
    );
    const { AccessKeyId, SecretAccessKey, SessionToken } = Credentials ?? {};
    if (!AccessKeyId || !SecretAccessKey || !SessionToken) {
      throw new LoginError(`AWS gave no credentials of ${role}`);
    }
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
  } catch (error) {
    if (error instanceof LoginError) throw error;
    // What AWS says may repeat the token.
    const said = error instanceof Error ? error.name : "no answer";
    throw new LoginError(
      `AWS does not give this job the role ${role} (${said}): its trust names the workflow, its branch and its GitHub environment`,
    );
  } finally {
    sts.destroy();
  }
}
