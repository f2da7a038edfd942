import { gitHubClaims } from "../../../local/services/issuer/claims.ts";
import type { Model, Repository } from "../../../model/model.ts";
import type { Claims } from "./token-forge.ts";

/** What the catalogue says of a job that may log in, and what GitHub would therefore put into its token. */
export interface GitHubJob {
  /** The Vault role that it asks for. */
  role: string;
  repository: Repository;
  workflow: string;
  environment: string;
  branches: string[];
  audience: string;
  issuer: string;
}

/** Every job of the model: of the systems, and of the platform itself. Not derived from the roles that it proves. */
export function gitHubJobs(model: Model): GitHubJob[] {
  const { github, platform } = model;
  const common = {
    environment: github.environment,
    branches: github.branches,
    audience: github.audience,
    issuer: github.issuer,
  };
  const ci = model.ciJobs.map((job): GitHubJob => {
    const repository = model.systems.find(({ name }) => name === job.system)?.repository;
    if (repository === undefined) throw new Error(`System ${job.system} has a CI job and no repository.`);
    return { ...common, role: `${job.system}.ci.${job.name}`, repository, workflow: job.workflow };
  });
  const own = ["deploy", "rotate", "drift", "enrol"].map(
    (name): GitHubJob => ({
      ...common,
      role: `keyplane.${name}`,
      repository: platform.repository,
      workflow: `${name}.yml`,
      // What runs by the clock waits for no reviewer.
      environment: ["rotate", "drift"].includes(name) ? `${github.environment}-${name}` : github.environment,
    }),
  );
  return [...ci, ...own];
}

/** The claims of a push to `branch`, the first by default. */
export function rightClaims(
  job: GitHubJob,
  {
    branch = job.branches[0],
    immutableSubject = false,
  }: { branch?: string; immutableSubject?: boolean } = {},
): Claims {
  return gitHubClaims({
    issuer: job.issuer,
    audience: job.audience,
    repository: job.repository.name,
    repositoryId: job.repository.id,
    ownerId: job.repository.ownerId,
    ref: `refs/heads/${branch}`,
    environment: job.environment,
    workflow: job.workflow,
    immutableSubject,
  });
}
