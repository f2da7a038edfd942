import type { GitHubSettings } from "../model.ts";
import type { Context } from "./context.ts";

/** Workflows that run by the clock. */
const unattended: readonly string[] = ["drift", "rotate"];

/**
 * Where a workflow of the platform's own runs. What runs by the clock has a GitHub environment of its own, with the same
 * branches and no reviewers: else each run would wait for a person.
 */
export function gitHubOf(workflow: string, github: GitHubSettings): GitHubSettings {
  if (!unattended.includes(workflow)) return github;
  return { ...github, environment: `${github.environment}-${workflow}` };
}

type RepositoryEntry = Context["organization"]["platform"]["repository"];

/** The exact claims of a workflow of a repository, on the environment's branches and in its GitHub environment. */
export function boundClaims(
  repository: RepositoryEntry,
  workflow: string,
  github: GitHubSettings,
): Record<string, string[]> {
  return {
    environment: [github.environment],
    // With these the branch's own workflow runs the branch's own code, for someone who may push to it; a comment or
    // a stranger's pull request (pull_request_target, workflow_run) would satisfy every other claim.
    event_name: ["push", "schedule", "workflow_dispatch"],
    job_workflow_ref: github.branches.map(
      (branch) => `${repository.name}/.github/workflows/${workflow}@refs/heads/${branch}`,
    ),
    // The branch of the run as well: another branch could call the workflow as it stands on the right one.
    ref: github.branches.map((branch) => `refs/heads/${branch}`),
    repository_id: [String(repository.id)],
    repository_owner_id: [String(repository["owner-id"])],
  };
}
