import { type Vault, VaultError } from "../clients/vault.ts";
import { gitHubOf } from "../model/derive/claims.ts";
import type { Model } from "../model/model.ts";
import { LoginError, login, type PlatformRole, type Session } from "../operations/login.ts";
import type { Report } from "./progress.ts";
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
        environment: gitHubOf(role, github).environment,
        workflow: `${role}.yml`,
      }),
    );
}

/**
 * Signs what GitHub would sign for rotate.yml and AWS. The emulator checks no signature; it asks the trust of
 * the role, which says in what form the repository sends its subject.
 */
export async function awsToken(
  services: LocalServices,
  { platform, github, aws }: Pick<Model, "platform" | "github" | "aws">,
): Promise<string> {
  const trust = aws?.roles.find(({ name }) => name === aws.rotateRole)?.trust;
  const issuer = aws?.github.url ?? "";
  const { repository } = platform;
  const claims = gitHubClaims({
    issuer,
    audience: aws?.github.audience ?? "",
    repository: repository.name,
    repositoryId: repository.id,
    ownerId: repository.ownerId,
    ref: `refs/heads/${github.branches[0]}`,
    environment: gitHubOf("rotate", github).environment,
    workflow: "rotate.yml",
    immutableSubject: JSON.stringify(trust).includes(`@${repository.id}:`),
  });
  return signGitHubToken(services.home, claims);
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
export async function loginForUpdate(
  services: LocalServices,
  model: Model,
  vault: Vault,
  { dryRun, report }: { dryRun: boolean; report: Report },
): Promise<Deployer> {
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
  const stored = await liveToken(vault, services.vault.rootToken);
  if (stored === undefined) {
    if (dryRun) {
      throw new LoginError(
        "keyplane.deploy cannot log in, and a dry run makes no root token: run `keyplane up`, which mends the role",
      );
    }
    report({
      subject: "vault",
      state: "progress",
      text: "keyplane.deploy cannot log in: a root token is made with the unseal key, and revoked after this update",
    });
  }
  const root = stored ?? (await regenerateRoot(services));
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

/** The token, while Vault knows it: a run may have been killed between revoking and forgetting it. */
async function liveToken(vault: Vault, token: string | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined;
  try {
    await vault.with(token).read("auth/token/lookup-self");
    return token;
  } catch (error) {
    if (error instanceof VaultError && error.status === 403) return undefined;
    throw error;
  }
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
