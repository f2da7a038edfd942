import { VaultError, type VaultResponse } from "../../clients/vault.ts";
import type { CiJob, Consumer, Model } from "../../model/model.ts";
import { readAcl } from "../../policies/vault/acl-text.ts";
import { loginAs } from "../identity.ts";
import { gitHubClaims, signGitHubToken } from "../services/index.ts";
import { notShown, type TourContext, type TourLine, tried } from "./line.ts";

/** A CI job logs in by OIDC, reads what its policy lists, and is refused what belongs to another system. */
export async function* ciJob({ services, model, vault, trail }: TourContext): AsyncGenerator<TourLine> {
  const found = readingJob(model);
  if (found === undefined) {
    const why = "no CI job of the catalogue reads a secret that a machine makes";
    yield notShown("a CI job logs in by GitHub OIDC and reads what its policy lists", why);
    yield notShown("the same job is refused another system's secret", why);
    return;
  }
  const { job, consumer, secret } = found;
  const ci = vault.with(await login());

  const own = `${model.vault.mounts.kv}/data/${consumer.path}`;
  const read = await answerOf(
    ci.request<{ data: Record<string, string>; metadata: { version: number } }>("GET", own),
  );
  yield tried(
    `${job.system}'s job ${job.workflow} logs in by GitHub OIDC and reads what its policy lists`,
    !(read instanceof VaultError),
    read instanceof VaultError
      ? `${read.status}: ${own} cannot be read; if nothing is stored there: npx keyplane set ${secret}`
      : `version ${read.data.metadata.version} with ${Object.keys(read.data.data).length} field(s), valid for ${model.jwtRoles.find(({ name }) => name === job.policy)?.ttl} s`,
    await trail.of(read, job.policy),
  );

  const refused = "the same job is refused another system's secret";
  const foreign = foreignPath(model, job.system);
  if (foreign === undefined) {
    yield notShown(refused, "no other system of the catalogue has a secret that someone reads");
    return;
  }
  const answer = await answerOf(ci.request("GET", foreign));
  const status = answer instanceof VaultError ? answer.status : "allowed";
  const line = await trail.of(answer, job.policy);
  const listed = await listedPaths(job.policy);
  const open = listed.filter((path) => /[*+]/.test(path));
  const reason =
    open.length > 0
      ? `lists ${open.join(", ")}, which is no exact path`
      : listed.includes(foreign)
        ? `lists ${foreign}`
        : undefined;
  yield tried(
    refused,
    status === 403 && reason === undefined,
    `${status}: in Vault its policy ${job.policy} ` +
      (reason ?? `lists ${listed.length} path(s), and ${foreign} is none of them`),
    line,
  );

  /** What Vault itself has of a policy, asked as the role that may look and not change. */
  async function listedPaths(policy: string): Promise<string[]> {
    const drift = await loginAs(services, model, vault, "drift");
    try {
      const found = await drift.vault.read<{ policy: string }>(`sys/policies/acl/${policy}`);
      return readAcl(found?.policy ?? "").map(({ path }) => path);
    } finally {
      await drift.end();
    }
  }

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

/** What Vault answered, a refusal too. */
async function answerOf<T>(request: Promise<VaultResponse<T>>): Promise<VaultResponse<T> | VaultError> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
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
