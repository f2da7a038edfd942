import type { AwsRole, PolicyDocument, PolicyStatement } from "../../aws.ts";
import type { GitHubSettings } from "../../model.ts";
import { type Context, given } from "../context.ts";
import { allow, document, type Place } from "./document.ts";

/** GitHub's issuer, as AWS names its claims. */
export const issuer = "token.actions.githubusercontent.com";
export const audience = "sts.amazonaws.com";

type RepositoryEntry = Context["organization"]["platform"]["repository"];

/**
 * Subjects of a repository's jobs in a GitHub environment. Repositories that were made or renamed since July 2026 send
 * the ids with the names, so that nobody can come back under an old name; others send names alone.
 */
export function subjects(
  { name, id, "owner-id": ownerId }: RepositoryEntry,
  environment: string,
): { immutable: string; names: string } {
  const [owner = "", repository = ""] = name.split("/");
  return {
    immutable: `repo:${owner}@${ownerId}/${repository}@${id}:environment:${environment}`,
    names: `repo:${name}:environment:${environment}`,
  };
}

/**
 * Trusts exactly one workflow of a repository, on the environment's branches and in its GitHub environment. Both forms
 * of the subject only during a migration, of which the old one ends by itself.
 * AWS compares these claims since February 2026; https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
 */
export function trustWorkflow(
  place: Place,
  repository: RepositoryEntry,
  workflow: string,
  { environment, branches }: GitHubSettings,
): PolicyDocument {
  const { subject = "immutable", "names-until": until } = repository;
  const forms = subjects(repository, environment);
  const statement = (sid: string, sub: string, more?: PolicyStatement["Condition"]): PolicyStatement =>
    allow(sid, {
      Principal: { Federated: `arn:aws:iam::${place.account}:oidc-provider/${issuer}` },
      Action: "sts:AssumeRoleWithWebIdentity",
      Condition: {
        StringEquals: {
          [`${issuer}:aud`]: audience,
          [`${issuer}:sub`]: sub,
          [`${issuer}:repository_id`]: String(repository.id),
          // Where the subject has names alone: a repository may move to an owner who came back under the old name.
          [`${issuer}:repository_owner_id`]: String(repository["owner-id"]),
          [`${issuer}:ref`]: branches.map((branch) => `refs/heads/${branch}`),
          [`${issuer}:job_workflow_ref`]: branches.map(
            (branch) => `${repository.name}/.github/workflows/${workflow}@refs/heads/${branch}`,
          ),
        },
        ...more,
      },
    });
  return document(
    statement("Workflow", forms[subject]),
    ...(until === undefined
      ? []
      : [
          statement("WorkflowUnderItsOldSubject", forms.names, {
            DateLessThan: { "aws:CurrentTime": `${until}T23:59:59Z` },
          }),
        ]),
  );
}

/** A role for a workflow of the platform's own. */
export function workflowRole(
  place: Place,
  { organization }: Context,
  github: GitHubSettings,
  role: { name: string; workflow: string; purpose: string; rights: PolicyDocument | undefined },
): AwsRole {
  const { name, workflow, purpose, rights } = role;
  return {
    name,
    purpose,
    of: "github",
    trust: trustWorkflow(place, organization.platform.repository, workflow, github),
    ...given("rights", rights),
  };
}
