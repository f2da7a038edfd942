import { type GitHubJob, rightClaims } from "./github-job.ts";
import { bound, missing, type RefusedClaims, unmatched } from "./refused-values.ts";
import type { Claims } from "./token-forge.ts";

/** The claims of the same job, had GitHub run it somewhere else. */
function elsewhere(
  name: string,
  job: (job: GitHubJob) => GitHubJob,
  because: RegExp,
  more: Claims = {},
): RefusedClaims {
  return { name, claims: (_, right) => ({ ...rightClaims(job(right)), ...more }), because };
}

const [owner, repo] = [
  (job: GitHubJob) => job.repository.name.split("/")[0],
  (job: GitHubJob) => job.repository.name.split("/")[1],
];
function repository(name: (job: GitHubJob) => string, ids: { id?: number; ownerId?: number } = {}) {
  return (job: GitHubJob): GitHubJob => ({
    ...job,
    repository: { ...job.repository, name: name(job), ...ids },
  });
}
const same = (job: GitHubJob) => job.repository.name;
const strangers = { id: 999_000_001, ownerId: 999_000_002 };
const whose = unmatched("repository_id", "repository_owner_id", "job_workflow_ref");
const workflow = (change: (job: GitHubJob) => string): RefusedClaims["claims"] => {
  return (right, job) => ({ ...right, job_workflow_ref: change(job) });
};
const main = (job: GitHubJob) => `refs/heads/${job.branches[0]}`;
const file = (job: GitHubJob) => `${job.repository.name}/.github/workflows/${job.workflow}`;
const ref = (change: (job: GitHubJob) => string): RefusedClaims["claims"] => {
  return (right, job) => {
    const other = change(job);
    return {
      ...right,
      ref: other,
      workflow_ref: `${file(job)}@${other}`,
      job_workflow_ref: `${file(job)}@${other}`,
    };
  };
};
const branch = unmatched("ref", "job_workflow_ref", "event_name");

const repositories: RefusedClaims[] = [
  elsewhere(
    "another repository of the same organization",
    repository((job) => `${owner(job)}/other`, { id: 999_000_003 }),
    whose,
  ),
  elsewhere(
    "another organization's repository of the same name",
    repository((job) => `mallory/${repo(job)}`, strangers),
    whose,
  ),
  elsewhere(
    "a fork",
    repository((job) => `mallory/${repo(job)}`, strangers),
    unmatched(...bound),
    {
      event_name: "pull_request",
      ref: "refs/pull/7/merge",
      head_ref: "main",
      base_ref: "main",
    },
  ),
  elsewhere(
    "a repository whose name continues the right one",
    repository((job) => `${same(job)}-2`, { id: 999_000_004 }),
    whose,
  ),
  elsewhere(
    "an organization whose name continues the right one",
    repository((job) => `${owner(job)}-2/${repo(job)}`, strangers),
    whose,
  ),
  elsewhere(
    "an organization whose name the right one continues",
    repository((job) => same(job).slice(1), strangers),
    whose,
  ),
  elsewhere(
    "the recycled name of a deleted repository, with another id",
    repository(same, { id: 999_000_005 }),
    unmatched("repository_id"),
  ),
  elsewhere(
    "the recycled name of a deleted organization, with other ids",
    repository(same, strangers),
    whose,
  ),
  elsewhere(
    "the repository after its transfer to another owner of the same name",
    repository(same, { ownerId: 999_000_002 }),
    unmatched("repository_owner_id"),
  ),
  elsewhere(
    "the repository after its transfer to another organization",
    repository((job) => `mallory/${repo(job)}`, { ownerId: 999_000_002 }),
    whose,
  ),
  elsewhere(
    "the repository renamed, while the catalogue has its old name",
    repository((job) => `${same(job)}-renamed`),
    unmatched("job_workflow_ref"),
  ),
  elsewhere(
    "names in another case, with ids of another",
    repository((job) => same(job).toUpperCase(), strangers),
    whose,
  ),
  {
    name: "ids swapped with each other",
    claims: (right) => ({
      ...right,
      repository_id: right.repository_owner_id,
      repository_owner_id: right.repository_id,
    }),
    because: whose,
  },
];

const subjects: RefusedClaims[] = [
  elsewhere(
    "another repository's ids under the right subject in the old form",
    repository(same, strangers),
    whose,
  ),
  {
    name: "another repository's ids under the right subject in the immutable form",
    claims: (_, job) => ({
      ...rightClaims(repository((right) => `mallory/${repo(right)}`, strangers)(job)),
      sub: rightClaims(job, { immutableSubject: true }).sub,
    }),
    because: whose,
  },
  {
    name: "an immutable subject with another id, and that id",
    claims: (_, job) => rightClaims(repository(same, { id: 999_000_006 })(job), { immutableSubject: true }),
    because: unmatched("repository_id"),
  },
  {
    name: "the subject of the right environment, without the claim",
    claims: ({ environment: _, ...rest }) => rest,
    because: missing("environment"),
  },
];

const refs: RefusedClaims[] = [
  { name: "another branch", claims: ref(() => "refs/heads/feature"), because: branch },
  {
    name: "a branch whose name continues the right one",
    claims: ref((job) => `${main(job)}-2`),
    because: branch,
  },
  {
    name: "a branch whose name the right one continues",
    claims: ref((job) => main(job).slice(0, -1)),
    because: branch,
  },
  { name: "a branch below the right one", claims: ref((job) => `${main(job)}/x`), because: branch },
  {
    name: "a branch that ends as the right one",
    claims: ref((job) => `refs/heads/x/${job.branches[0]}`),
    because: branch,
  },
  {
    name: "a branch named like the whole right ref",
    claims: ref((job) => `refs/heads/${main(job)}`),
    because: branch,
  },
  {
    name: "a tag named like the branch",
    claims: ref((job) => `refs/tags/${job.branches[0]}`),
    because: branch,
  },
  { name: "a version tag", claims: ref(() => "refs/tags/v1.0.0"), because: branch },
  { name: "the branch's short name", claims: ref((job) => String(job.branches[0])), because: branch },
  { name: "a commit instead of a branch", claims: ref(() => "9".repeat(40)), because: branch },
  { name: "any branch by a wildcard", claims: ref(() => "refs/heads/*"), because: branch },
  {
    name: "another branch that calls the right branch's workflow",
    claims: (right) => ({ ...right, ref: "refs/heads/feature" }),
    because: unmatched("ref"),
  },
  {
    name: "the right branch that calls another branch's workflow",
    claims: workflow((job) => `${file(job)}@refs/heads/feature`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a pull request",
    claims: (right, job) => ({
      ...ref(() => "refs/pull/7/merge")(right, job),
      event_name: "pull_request",
      head_ref: "change",
      base_ref: job.branches[0],
    }),
    because: branch,
  },
  {
    name: "a pull request without an environment",
    claims: (right, job) => {
      const { environment: _, ...rest } = ref(() => "refs/pull/7/merge")(right, job);
      return { ...rest, event_name: "pull_request", sub: `repo:${job.repository.name}:pull_request` };
    },
    because: new RegExp(`${branch.source}|${missing("environment").source}`),
  },
  ...["pull_request_target", "workflow_run", "issue_comment", "repository_dispatch"].map((event) => ({
    name: `the right branch's workflow, started by ${event}`,
    claims: (right: Claims) => ({ ...right, event_name: event }),
    because: unmatched("event_name"),
  })),
  { name: "a pull request's head", claims: ref(() => "refs/pull/7/head"), because: branch },
  {
    name: "a merge queue",
    claims: (right, job) => ({
      ...ref((same) => `refs/heads/gh-readonly-queue/${same.branches[0]}/pr-7-${"9".repeat(40)}`)(right, job),
      event_name: "merge_group",
    }),
    because: branch,
  },
];

const environments: RefusedClaims[] = ["production", "staging", "local-2", "github-pages"].map((name) => ({
  name: `the environment ${name}`,
  claims: (right: Claims, job: GitHubJob) => ({
    ...right,
    environment: name,
    sub: `repo:${job.repository.name}:environment:${name}`,
  }),
  because: unmatched("environment"),
}));

const workflows: RefusedClaims[] = [
  {
    name: "another workflow of the repository",
    claims: workflow((job) => `${same(job)}/.github/workflows/other.yml@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a workflow of the same name with another ending",
    claims: workflow((job) => `${file(job).replace(/\.yml$/, ".yaml")}@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a workflow whose name continues the right one",
    claims: workflow((job) => `${file(job)}.yml@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a workflow of the same name in another folder",
    claims: workflow((job) => `${same(job)}/.github/workflows/x/${job.workflow}@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a workflow by a path through another folder",
    claims: workflow((job) => `${same(job)}/.github/workflows/x/../${job.workflow}@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a reusable workflow of another repository",
    claims: workflow((job) => `${owner(job)}/shared/.github/workflows/${job.workflow}@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "a reusable workflow of another organization",
    claims: workflow((job) => `mallory/${repo(job)}/.github/workflows/${job.workflow}@${main(job)}`),
    because: unmatched("job_workflow_ref"),
  },
  {
    name: "the right workflow, called by another repository",
    claims: (_, job) => ({
      ...rightClaims(repository((right) => `${owner(right)}/caller`, { id: 999_000_007 })(job)),
      job_workflow_ref: `${file(job)}@${main(job)}`,
    }),
    because: unmatched("repository_id"),
  },
  { name: "the workflow without its ref", claims: workflow(file), because: unmatched("job_workflow_ref") },
  {
    name: "the right workflow only in workflow_ref",
    claims: ({ job_workflow_ref: _, ...rest }) => rest,
    because: missing("job_workflow_ref"),
  },
];

/** Jobs that ran somewhere else than the declared one. */
export const refusedOrigins: RefusedClaims[] = [
  ...repositories,
  ...subjects,
  ...refs,
  ...environments,
  ...workflows,
];
