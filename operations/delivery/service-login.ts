import { readFile, stat } from "node:fs/promises";
import { type Vault, type VaultAuth, VaultError } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { LoginError, login, type PlatformRole } from "../login.ts";

/** A token of a service and how long it lasts. */
export interface ServiceToken {
  vault: Vault;
  /** Seconds that it lives from now without being renewed; 0: for ever. */
  ttl: number;
  renewable: boolean;
  /** Got for this process alone: revoked at its end. */
  own: boolean;
}

export interface ServiceLoginOptions {
  model: Pick<Model, "environment" | "vault" | "github" | "appRoles">;
  /** A client without a token. */
  vault: Vault;
  service: string;
  /** Environment variables of the process. */
  env: NodeJS.ProcessEnv;
  /** Signs tokens of the platform's jobs: the local stack, which then hands itself a secret id. */
  sign?: ((role: PlatformRole) => Promise<string>) | undefined;
}

/** Variables with credentials of whoever starts a service: the service gets values, not these. */
export const credentials = [
  "VAULT_TOKEN",
  "VAULT_ROLE_ID",
  "VAULT_SECRET_ID",
  "VAULT_SECRET_ID_FILE",
  "ACTIONS_ID_TOKEN_REQUEST_URL",
  "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
] as const;

/**
 * Logs in as a service: by VAULT_TOKEN; by AppRole with VAULT_ROLE_ID and the secret id in the file that
 * VAULT_SECRET_ID_FILE names; on the local stack with a secret id that is made for it.
 * @throws LoginError, VaultError when Vault refuses, VaultUnreachableError
 */
export async function loginAsService(options: ServiceLoginOptions): Promise<ServiceToken> {
  const { vault, env, sign } = options;
  const { VAULT_TOKEN, VAULT_ROLE_ID: roleId, VAULT_SECRET_ID_FILE: file } = env;
  if (VAULT_TOKEN) return ofToken(vault.with(VAULT_TOKEN));
  if (roleId && file) return byAppRole(options, roleId, await secretIdIn(file));
  if (sign !== undefined) return byHandover(options, sign);
  throw new LoginError(
    `no way to log in as ${options.service}: set VAULT_ROLE_ID, and VAULT_SECRET_ID_FILE to the file (mode 600) with ` +
      "the secret id that was handed over; or VAULT_TOKEN",
  );
}

async function ofToken(vault: Vault): Promise<ServiceToken> {
  const { data } = await vault.request<{ ttl: number; renewable: boolean }>("GET", "auth/token/lookup-self");
  return { vault, ttl: data.ttl, renewable: data.renewable, own: false };
}

async function byAppRole(
  { model, vault }: ServiceLoginOptions,
  role_id: string,
  secret_id: string,
): Promise<ServiceToken> {
  const { auth } = await vault.write(`auth/${model.vault.auth.approle}/login`, { role_id, secret_id });
  return tokenOf(vault, auth);
}

/** As the person does who hands a host its secret id, wrapped. */
async function byHandover(
  options: ServiceLoginOptions,
  sign: (role: PlatformRole) => Promise<string>,
): Promise<ServiceToken> {
  const { model, vault, service } = options;
  const role = model.appRoles.find((candidate) => candidate.service === service);
  if (role === undefined) {
    throw new LoginError(
      `${service} has no AppRole: it does not run on a host. Give its token as VAULT_TOKEN`,
    );
  }
  const path = `auth/${model.vault.auth.approle}/role/${role.name}`;
  const enrol = await login({ model, vault, role: "enrol", env: {}, sign });
  let roleId: string;
  let wrapped: string;
  try {
    roleId = (await enrol.vault.request<{ role_id: string }>("GET", `${path}/role-id`)).data.role_id;
    const answer = await enrol.vault.write(`${path}/secret-id`, {}, { wrapTtl: "60s" });
    wrapped = answer.wrap_info?.token ?? "";
  } finally {
    await enrol.end();
  }
  const { data } = await vault.with(wrapped).write<{ secret_id: string }>("sys/wrapping/unwrap");
  return byAppRole(options, roleId, data.secret_id);
}

function tokenOf(vault: Vault, auth: VaultAuth | undefined): ServiceToken {
  if (auth === undefined) throw new LoginError("Vault answered the login without a token");
  return {
    vault: vault.with(auth.client_token),
    ttl: auth.lease_duration,
    renewable: auth.renewable,
    own: auth.token_type === "service",
  };
}

async function secretIdIn(file: string): Promise<string> {
  let mode: number;
  let text: string;
  try {
    ({ mode } = await stat(file));
    text = (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new LoginError("the file that VAULT_SECRET_ID_FILE names cannot be read", { cause });
  }
  if ((mode & 0o077) !== 0) {
    throw new LoginError("the file that VAULT_SECRET_ID_FILE names can be read by others: chmod 600 it");
  }
  return text;
}

/** Whether Vault says that a token is no good (any more), rather than that it is away. */
function isRefused(error: unknown): boolean {
  return error instanceof VaultError && (error.status === 403 || error.status === 400);
}

async function isAlive(vault: Vault): Promise<boolean> {
  try {
    await vault.request("GET", "auth/token/lookup-self");
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    throw error;
  }
}

/** A service's session that goes on for as long as its process: renewed in time, and begun anew when it has ended. */
export class ServiceSession {
  readonly #login: () => Promise<ServiceToken>;
  readonly #now: () => number;
  #token: ServiceToken | undefined;
  /** When the token is to be renewed, and when it ends; milliseconds. */
  #renewAt = 0;
  #endsAt = 0;

  constructor(login: () => Promise<ServiceToken>, now: () => number = Date.now) {
    this.#login = login;
    this.#now = now;
  }

  /**
   * Works with a token that is good. One that Vault knows no more is replaced once.
   * @throws what the login or the work throws
   */
  async use<T>(work: (vault: Vault) => Promise<T>): Promise<T> {
    await this.#refresh();
    const token = this.#token ?? (await this.#begin());
    try {
      return await work(token.vault);
    } catch (error) {
      if (!(error instanceof VaultError && error.status === 403) || !token.own) throw error;
      // A right that is lacking is no reason to log in again: a secret id has few uses.
      if (await isAlive(token.vault)) throw error;
      const again = await this.#begin();
      return work(again.vault);
    }
  }

  /** Revokes the token that was got for this process; one that was given lives on. */
  async end(): Promise<void> {
    const token = this.#token;
    this.#token = undefined;
    if (token?.own === true) await token.vault.write("auth/token/revoke-self");
  }

  async #refresh(): Promise<void> {
    const token = this.#token;
    if (token === undefined || token.ttl === 0 || this.#now() < this.#renewAt) return;
    if (!token.renewable) {
      if (token.own) this.#token = undefined;
      return;
    }
    try {
      const { auth } = await token.vault.write("auth/token/renew-self");
      this.#lasts(auth?.lease_duration ?? 0);
      // Close to its maximum a renewal adds next to nothing: the next session begins in time.
      if (this.#endsAt - this.#now() < (token.ttl * 1000) / 4 && token.own) this.#token = undefined;
    } catch (error) {
      if (!isRefused(error) || !token.own) throw error;
      this.#token = undefined;
    }
  }

  async #begin(): Promise<ServiceToken> {
    const token = await this.#login();
    this.#token = token;
    this.#lasts(token.ttl);
    return token;
  }

  #lasts(seconds: number): void {
    this.#endsAt = this.#now() + seconds * 1000;
    this.#renewAt = this.#now() + (seconds * 1000 * 2) / 3;
  }
}
