import { VaultError } from "../../clients/vault.ts";
import type { CiJob, Consumer, Model } from "../../model/model.ts";
import { gitHubClaims, signGitHubToken } from "../services/index.ts";
import type { TourContext, TourLine } from "./line.ts";

/** A CI job logs in by OIDC, reads what its policy lists, and is refused what belongs to another system. */
export async function* ciJob({ services, model, vault, trail }: TourContext): AsyncGenerator<TourLine> {
  const found = readingJob(model);
  if (found === undefined) return;
  const { job, consumer } = found;
  const subject = `${job.system}'s job ${job.workflow}`;
  const token = await login();
  const ci = vault.with(token);

  const own = `${model.vault.mounts.kv}/data/${consumer.path}`;
  const read = await ci.read<{ data: Record<string, string>; metadata: { version: number } }>(own);
  yield {
    promise: `${subject} logs in by GitHub OIDC and reads what its policy lists`,
    holds: read !== undefined,
    seen:
      read === undefined
        ? `nothing is stored at ${own} yet; write it with: npx keyplane set ${found.secret}`
        : `version ${read.metadata.version} with ${Object.keys(read.data).length} field(s), valid for ${model.jwtRoles.find(({ name }) => name === job.policy)?.ttl} s`,
    audit: await trail.latest(own),
  };

  const foreign = foreignPath(model, job.system);
  if (foreign === undefined) return;
  const refusal = await ci.request("GET", foreign).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof VaultError) return error;
      throw error;
    },
  );
  yield {
    promise: `the same job is refused another system's secret`,
    holds: refusal?.status === 403,
    seen: `${refusal?.status ?? "allowed"}: its policy ${job.policy} lists ${paths(model, job)} path(s), and ${foreign} is none of them`,
    audit: await trail.latest(foreign),
  };

  async function login(): Promise<string> {
    const repository = model.systems.find(({ name }) => name === job.system)?.repository;
    if (repository === undefined) throw new Error(`System ${job.system} has a CI job but no repository.`);
    const jwt = await signGitHubToken(
      services.home,
      gitHubClaims({
        issuer: model.github.issuer,
        audience: model.github.audience,
        repository: repository.name,
        repositoryId: repository.id,
        ownerId: repository.ownerId,
        ref: `refs/heads/${model.github.branches[0]}`,
        environment: model.github.environment,
        workflow: job.workflow,
      }),
    );
    const { auth } = await vault.write(`auth/${model.vault.auth.github}/login`, { role: job.policy, jwt });
    if (auth === undefined) throw new Error(`Vault answered the login of ${job.id} without a token.`);
    return auth.client_token;
  }
}

function paths(model: Model, job: CiJob): number {
  return model.policies.find(({ name }) => name === job.policy)?.rules.length ?? 0;
}

/** The first job that reads a secret whose first value a machine makes: that one is there after `up`. */
function readingJob(model: Model): { job: CiJob; consumer: Consumer; secret: string } | undefined {
  for (const job of model.ciJobs) {
    for (const secret of model.secrets) {
      const consumer = secret.consumers.find(({ id }) => id === job.id);
      if (consumer !== undefined && secret.generator.by === "machine")
        return { job, consumer, secret: secret.id };
    }
  }
  return undefined;
}

function foreignPath(model: Model, system: string): string | undefined {
  const consumer = model.secrets
    .filter((secret) => secret.system !== system)
    .flatMap(({ consumers }) => consumers)[0];
  return consumer && `${model.vault.mounts.kv}/data/${consumer.path}`;
}
