import type { Vault, VaultAuth } from "../clients/vault.ts";
import type { PlatformRole } from "../model/derive/platform.ts";
import type { Model } from "../model/model.ts";

export type { PlatformRole };

/** There is no way to log in, or GitHub gave no token. Says what to do. */
export class LoginError extends Error {
  override name = "LoginError";
}

/** A client that is logged in, until `end`. */
export interface Session {
  vault: Vault;
  /** For records: the role or the person. */
  who: string;
  /** Revokes the token, where the command got it for itself. */
  end(): Promise<void>;
}

export interface LoginOptions {
  model: Pick<Model, "environment" | "vault" | "github">;
  /** A client without a token. */
  vault: Vault;
  role: PlatformRole;
  /** Environment variables of the process. */
  env: NodeJS.ProcessEnv;
  /** Signs the OIDC token where GitHub does not: the local stack's own issuer. */
  sign?: (role: PlatformRole) => Promise<string>;
}

/**
 * Logs in: locally by the local issuer, in CI by GitHub's OIDC token, a person by VAULT_TOKEN. No other
 * credential is looked for.
 * @throws LoginError, VaultError when Vault refuses, VaultUnreachableError
 */
export async function login({ model, vault, role, env, sign }: LoginOptions): Promise<Session> {
  if (sign !== undefined) return byJwt(model, vault, role, await sign(role));
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer, VAULT_TOKEN } = env;
  if (url && bearer) return byJwt(model, vault, role, await gitHubToken(url, bearer, model.github.audience));
  if (VAULT_TOKEN) return byToken(vault.with(VAULT_TOKEN));
  throw new LoginError(
    `no way to log in to Vault of ${model.environment}: in GitHub Actions give the job "permissions: id-token: write"; ` +
      `a person logs in with \`vault login -method=${model.vault.auth.human}\` and exports VAULT_TOKEN`,
  );
}

/**
 * Asks GitHub for the job's OIDC token with the audience that Vault's role demands.
 * https://docs.github.com/en/actions/reference/security/oidc
 */
export async function gitHubToken(url: string, bearer: string, audience: string): Promise<string> {
  const address = new URL(url);
  address.searchParams.set("audience", audience);
  let response: Response;
  try {
    response = await fetch(address, {
      headers: { authorization: `bearer ${bearer}`, accept: "application/json" },
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    throw new LoginError(`GitHub's token service at ${address.host} could not be reached`, { cause });
  }
  const answer: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
  if (
    typeof answer === "object" &&
    answer !== null &&
    "value" in answer &&
    typeof answer.value === "string"
  ) {
    return answer.value;
  }
  throw new LoginError(
    `GitHub's token service at ${address.host} gave no token (${response.status}): ` +
      'does the job have "permissions: id-token: write"?',
  );
}

async function byJwt(
  model: LoginOptions["model"],
  vault: Vault,
  role: PlatformRole,
  jwt: string,
): Promise<Session> {
  const name = `keyplane.${role}`;
  const { auth } = await vault.write(`auth/${model.vault.auth.github}/login`, { role: name, jwt });
  if (auth === undefined) throw new LoginError(`Vault answered the login as ${name} without a token`);
  return session(vault.with(auth.client_token), name, auth);
}

function session(vault: Vault, who: string, auth: VaultAuth): Session {
  return {
    vault,
    who,
    async end() {
      // A batch token cannot be revoked; it lives for minutes.
      if (auth.token_type === "service") await vault.write("auth/token/revoke-self");
    },
  };
}

async function byToken(vault: Vault): Promise<Session> {
  const self = await vault.read<{ display_name: string }>("auth/token/lookup-self");
  // The person's own session goes on after the command.
  return { vault, who: self?.display_name ?? "token", end: async () => {} };
}
