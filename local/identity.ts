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
  /** Once the deploy role is proved to work, the root token that may still be there is revoked and forgotten. */
  retireRoot(): Promise<void>;
  /** Ends the session; without effect on a root token, which the next run needs when this one failed. */
  end(): Promise<void>;
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
      retireRoot: () => revokeRoot(services, vault, services.vault.rootToken),
      end: () => session.end(),
    };
  } catch (error) {
    if (!isWithoutRole(error)) throw error;
  }
  const root = services.vault.rootToken ?? (await regenerateRoot(services));
  return {
    token: root,
    async retireRoot() {
      await (await loginAs(services, model, vault, "deploy")).end();
      await revokeRoot(services, vault, root);
    },
    async end() {},
  };
}

/** Vault knows no such login or role yet. A Vault that is busy, sealed or ill is no reason for a root token. */
function isWithoutRole(error: unknown): boolean {
  return error instanceof VaultError && [400, 403, 404].includes(error.status);
}

async function revokeRoot(services: LocalServices, vault: Vault, root: string | undefined): Promise<void> {
  if (root === undefined) return;
  try {
    await vault.with(root).write("auth/token/revoke-self");
  } catch (error) {
    // An earlier run revoked it and was killed before it could forget it.
    if (!(error instanceof VaultError && error.status === 403)) throw error;
  }
  await forgetRootToken(services.home);
}
