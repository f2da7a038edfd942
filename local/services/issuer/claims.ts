import { randomInt, randomUUID } from "node:crypto";

export interface GitHubJob {
  /** The issuer's URL, as it stands in its discovery document. */
  issuer: string;
  audience: string;
  /** owner/name */
  repository: string;
  repositoryId: number;
  ownerId: number;
  /** refs/heads/main, refs/tags/v1 or refs/pull/7/merge */
  ref: string;
  /** The job's GitHub environment, where it has one. */
  environment?: string;
  /** File name below .github/workflows, e.g. deploy.yml. */
  workflow: string;
  /** push unless the ref is a pull request's. */
  eventName?: string;
  /** Repositories created or renamed since July 2026 send ids in the subject; older ones names only. */
  immutableSubject?: boolean;
  actor?: string;
  /** Seconds since 1970; now by default. */
  issuedAt?: number;
}

/** GitHub's tokens live for five minutes. */
const lifetime = 300;

/**
 * The claims that GitHub Actions would put into the OIDC token of a job. All ids are strings, as GitHub sends them.
 * Source: https://docs.github.com/en/actions/reference/security/oidc
 */
export function gitHubClaims(job: GitHubJob) {
  const { issuer, audience, repository, repositoryId, ownerId, ref, environment, workflow } = job;
  const [owner = "", name = ""] = repository.split("/");
  const pullRequest = /^refs\/pull\/\d+\/merge$/.test(ref);
  const eventName = job.eventName ?? (pullRequest ? "pull_request" : "push");
  const issuedAt = job.issuedAt ?? Math.floor(Date.now() / 1000);
  const workflowRef = `${repository}/.github/workflows/${workflow}@${ref}`;
  const commit = Buffer.from(repository).toString("hex").padEnd(40, "0").slice(0, 40);
  const subject = job.immutableSubject === true ? `${owner}@${ownerId}/${name}@${repositoryId}` : repository;
  // An environment takes the place of the ref in the subject: a subject with one says nothing about the branch.
  const context =
    environment !== undefined
      ? `environment:${environment}`
      : eventName === "pull_request"
        ? "pull_request"
        : `ref:${ref}`;
  return {
    iss: issuer,
    aud: audience,
    sub: `repo:${subject}:${context}`,
    jti: randomUUID(),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + lifetime,
    repository,
    repository_id: String(repositoryId),
    repository_owner: owner,
    repository_owner_id: String(ownerId),
    repository_visibility: "private",
    ...(environment !== undefined && { environment }),
    ref,
    ref_type: ref.startsWith("refs/tags/") ? "tag" : "branch",
    ref_protected: String(ref.startsWith("refs/heads/")),
    head_ref: pullRequest ? "change" : "",
    base_ref: pullRequest ? "main" : "",
    sha: commit,
    event_name: eventName,
    workflow: workflow.replace(/\.ya?ml$/, ""),
    workflow_ref: workflowRef,
    workflow_sha: commit,
    job_workflow_ref: workflowRef,
    job_workflow_sha: commit,
    run_id: String(randomInt(1_000_000_000, 9_999_999_999)),
    run_number: "1",
    run_attempt: "1",
    runner_environment: "github-hosted",
    actor: job.actor ?? "ada",
    actor_id: "1001",
  };
}

/** The claims that the discovery document announces. */
export const claimsSupported = [
  ...["sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id"],
  ...["repository_owner", "repository_owner_id", "enterprise", "enterprise_id", "run_id", "run_number"],
  ...["run_attempt", "actor", "actor_id", "workflow", "workflow_ref", "workflow_sha", "head_ref", "base_ref"],
  ...["event_name", "ref_type", "ref_protected", "environment", "environment_node_id", "job_workflow_ref"],
  ...["job_workflow_sha", "repository_visibility", "runner_environment", "issuer_scope", "check_run_id"],
];
