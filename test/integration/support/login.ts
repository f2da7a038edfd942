import { setTimeout as wait } from "node:timers/promises";
import { type Vault, type VaultAuth, VaultError, type VaultResponse } from "../../../clients/vault.ts";

/** What Vault answered to a login. */
export type Login =
  | { admitted: true; status: 200; auth: VaultAuth }
  | { admitted: false; status: number; errors: string };

/** Longest wait for a rate limit to pass, in milliseconds; the platform's intervals are a minute. */
const patience = 75_000;

/**
 * Sends a login and tells what came of it. The rate limits of the logins are the platform's own and are waited out:
 * a refusal for a flood says nothing of the credential.
 */
export async function login(vault: Vault, path: string, body: unknown): Promise<Login> {
  for (const end = Date.now() + patience; ; await wait(1000)) {
    try {
      const { auth } = await vault.write(path, body);
      if (auth === undefined) throw new Error(`${path}: Vault answered 200 without anything`);
      return { admitted: true, status: 200, auth };
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      if (error.status === 429 && Date.now() < end) continue;
      return { admitted: false, status: error.status, errors: error.errors.join("; ") };
    }
  }
}

/** The token of a login that must get in. */
export async function tokenOf(vault: Vault, path: string, body: unknown): Promise<string> {
  const outcome = await login(vault, path, body);
  if (!outcome.admitted) throw new Error(`${path} refused: ${outcome.status} ${outcome.errors}`);
  return outcome.auth.client_token;
}

/** The status of a request: 200 or 204 as 200, else what Vault refused it with. */
export async function statusOf(request: Promise<VaultResponse<unknown> | unknown>): Promise<number> {
  try {
    await request;
    return 200;
  } catch (error) {
    if (error instanceof VaultError) return error.status;
    throw error;
  }
}
