import { AwsV4Signer } from "aws4fetch";
import type { AwsOptions } from "../clients/secrets-manager.ts";
import type { Vault } from "../clients/vault.ts";
import { LoginError, type Session } from "./login.ts";

export interface AwsLogin {
  /** A client without a token. */
  vault: Vault;
  /** Path of Vault's AWS auth method. */
  mount: string;
  role: string;
  /** What Vault's `iam_server_id_header_value` is: a request that was signed for one Vault logs in to no other. */
  serverId: string;
  aws: Pick<AwsOptions, "region" | "credentials">;
}

/**
 * Logs in to Vault as the AWS role whose credentials these are: Vault sends a signed sts:GetCallerIdentity on to STS, which
 * says who signed it. No secret of ours is sent, and none is stored.
 * https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method
 * @throws LoginError, VaultError when Vault refuses, VaultUnreachableError
 */
export async function loginByAws({ vault, mount, role, serverId, aws }: AwsLogin): Promise<Session> {
  const body = "Action=GetCallerIdentity&Version=2011-06-15";
  const signed = await new AwsV4Signer({
    // Vault asks its own `sts_endpoint`, which must be this region's: the signature holds nowhere else.
    url: `https://sts.${aws.region}.amazonaws.com/`,
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded; charset=utf-8",
      "x-vault-aws-iam-server-id": serverId,
    },
    body,
    ...aws.credentials,
    service: "sts",
    region: aws.region,
  }).sign();
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const { auth } = await vault.write(`auth/${mount}/login`, {
    role,
    iam_http_request_method: "POST",
    iam_request_url: base64(signed.url.href),
    iam_request_body: base64(body),
    iam_request_headers: base64(JSON.stringify(Object.fromEntries(signed.headers))),
  });
  if (auth === undefined) throw new LoginError(`Vault answered the login as ${role} without a token`);
  const session = vault.with(auth.client_token);
  return {
    vault: session,
    who: role,
    async end() {
      // A batch token cannot be revoked; it lives for minutes.
      if (auth.token_type === "service") await session.write("auth/token/revoke-self");
    },
  };
}
