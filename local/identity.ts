import { type Vault, VaultError } from "../clients/vault.ts";
import type { Model } from "../model/model.ts";
import { login, type PlatformRole, type Session } from "../operations/login.ts";
import {
  forgetRootToken,
  gitHubClaims,
  type LocalServices,
  regenerateRoot,
  signGitHubToken,
} from "./services/index.ts";

export type { PlatformRole };

/** Logs in as a job of the platform's own repository would, with a token that the local issuer signs. */
export async function loginAs(
  services: LocalServices,
  model: Model,
  vault: Vault,
  role: PlatformRole,
): Promise<Session> {
  return login({ model, vault, role, env: {}, sign: platformTokens(services, model) });
}

/** Signs what GitHub would sign for a workflow of the platform's own repository. */
export function platformTokens(
  services: LocalServices,
  { platform, github }: Pick<Model, "platform" | "github">,
): (role: PlatformRole) => Promise<string> {
  return (role) =>
    signGitHubToken(
      services.home,
      gitHubClaims({
        issuer: github.issuer,
        audience: github.audience,
        repository: platform.repository.name,
        repositoryId: platform.repository.id,
        ownerId: platform.repository.ownerId,
        ref: `refs/heads/${github.branches[0]}`,
        environment: github.environment,
        workflow: `${role}.yml`,
      }),
    );
}

export interface Deployer {
  token: string;
  /** Ends the session; after the first update it also revokes the root token, once the deploy role is proved to work. */
  finish(): Promise<void>;
}

/**
 * The token that an update runs with: the deploy role's, or root on the very first update (and after one that was
 * killed before it made the deploy role).
 */
export async function loginForUpdate(services: LocalServices, model: Model, vault: Vault): Promise<Deployer> {
  try {
    const session = await loginAs(services, model, vault, "deploy");
    return {
      token: session.vault.token ?? "",
      async finish() {
        await session.end();
        await revokeRoot(services, vault);
      },
    };
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
  }
  const root = services.vault.rootToken ?? (await regenerateRoot(services));
  return {
    token: root,
    async finish() {
      await (await loginAs(services, model, vault, "deploy")).end();
      await revoke(vault, root);
      await forgetRootToken(services.home);
    },
  };
}

async function revokeRoot(services: LocalServices, vault: Vault): Promise<void> {
  if (services.vault.rootToken === undefined) return;
  await revoke(vault, services.vault.rootToken).catch((error: unknown) => {
    if (!(error instanceof VaultError && error.status === 403)) throw error;
  });
  await forgetRootToken(services.home);
}

async function revoke(vault: Vault, token: string): Promise<void> {
  await vault.with(token).write("auth/token/revoke-self");
}
