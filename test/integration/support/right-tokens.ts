import { type GitHubJob, rightClaims } from "./github-job.ts";
import type { Claims, TokenForge } from "./token-forge.ts";

/** A token that GitHub may send for the declared job: it must get in. */
export interface RightToken {
  name: string;
  token: (right: Claims, forge: TokenForge, job: GitHubJob) => Promise<string>;
}

function claims(name: string, change: (right: Claims, job: GitHubJob) => Claims): RightToken {
  return { name, token: (right, forge, job) => forge.sign(change(right, job)) };
}

const shifted = (right: Claims, by: number): Claims => ({
  ...right,
  iat: Number(right.iat) + by,
  nbf: Number(right.nbf) + by,
  exp: Number(right.exp) + by,
});

export const rightTokens: RightToken[] = [
  claims("the old subject form, names only", (_, job) => rightClaims(job, { immutableSubject: false })),
  claims("the immutable subject form, names with ids", (_, job) =>
    rightClaims(job, { immutableSubject: true }),
  ),
  claims("a subject that the repository's own template made", (right) => ({
    ...right,
    sub: `actor:${right.actor}`,
  })),
  claims("a run that was started again", (right) => ({ ...right, run_attempt: "3" })),
  claims("a run by hand", (right) => ({ ...right, event_name: "workflow_dispatch" })),
  claims("a run on a schedule", (right) => ({ ...right, event_name: "schedule" })),
  claims("a run that another person started", (right) => ({ ...right, actor: "ben", actor_id: "1002" })),
  claims("a run of another commit", (right) => ({
    ...right,
    sha: "1".repeat(40),
    workflow_sha: "1".repeat(40),
  })),
  claims("a run on a self-hosted runner", (right) => ({ ...right, runner_environment: "self-hosted" })),
  claims("a repository that became public", (right) => ({ ...right, repository_visibility: "public" })),
  claims("a job whose workflow was called by another of the same branch", (right, job) => ({
    ...right,
    workflow: "release",
    workflow_ref: `${job.repository.name}/.github/workflows/release.yml@refs/heads/${job.branches[0]}`,
  })),
  claims("claims that GitHub may add one day", (right) => ({
    ...right,
    enterprise: "acme",
    enterprise_id: "7",
    check_run_id: "99",
    issuer_scope: "repository",
  })),
  claims("a token from a clock five seconds ahead", (right) => shifted(right, 5)),
  claims("a token that expired five seconds ago, by a clock that is behind", (right) => shifted(right, -305)),
  claims("a token in its last seconds", (right) => shifted(right, -290)),
];
