/** A job on GitHub, by what is so on GitHub; its token says it. */
export interface Job {
  owner: Named;
  repository: Named;
  /** How its repository writes subjects. */
  form: "immutable" | "names" | "customised";
  /** GitHub environment, where it has one. */
  environment: string | undefined;
  ref: string;
  /** As job_workflow_ref names it. */
  workflow: string;
  audience: string;
  /** Something that stands between GitHub and AWS, or a policy that is read too kindly, writes the subject otherwise. */
  distorted: (subject: string) => string;
}

interface Named {
  name: string;
  id: number;
}

/** The one job that a role is for. */
export interface Own {
  owner: Named;
  repository: Named;
  environment: string;
  branch: string;
  /** File below .github/workflows */
  workflow: string;
}

/** Claims of the job's token. https://docs.github.com/actions/reference/security/oidc */
export function claimsOf(job: Job): Record<string, string> {
  return {
    aud: job.audience,
    sub: job.distorted(subjectOf(job)),
    repository: `${job.owner.name}/${job.repository.name}`,
    repository_id: String(job.repository.id),
    repository_owner_id: String(job.owner.id),
    ref: job.ref,
    job_workflow_ref: job.workflow,
  };
}

function subjectOf({ owner, repository, form, environment, ref }: Job): string {
  const where =
    environment !== undefined
      ? `environment:${environment}`
      : ref.startsWith("refs/pull/")
        ? "pull_request"
        : `ref:${ref}`;
  if (form === "customised") return `repository_id:${repository.id}:${where}`;
  return form === "immutable"
    ? `repo:${owner.name}@${owner.id}/${repository.name}@${repository.id}:${where}`
    : `repo:${owner.name}/${repository.name}:${where}`;
}

/** Whether a job is that one, by the facts alone: what a token or a policy says is not looked at. */
export function isOwn(job: Job, own: Own): boolean {
  const same = (a: Named, b: Named) => a.name === b.name && a.id === b.id;
  return (
    same(job.owner, own.owner) &&
    same(job.repository, own.repository) &&
    job.environment === own.environment &&
    job.ref === `refs/heads/${own.branch}` &&
    job.workflow === workflowRef(own, own) &&
    job.audience === "sts.amazonaws.com" &&
    job.distorted(subjectOf(job)) === subjectOf(job)
  );
}

function workflowRef(
  { owner, repository }: Pick<Own, "owner" | "repository">,
  { workflow, branch }: Pick<Own, "workflow" | "branch">,
): string {
  return `${owner.name}/${repository.name}/.github/workflows/${workflow}@refs/heads/${branch}`;
}

/** What may be so instead, for each part of a job. */
function grammar(own: Own): { [Part in keyof Job]: Job[Part][] } {
  const { owner, repository, environment, branch, workflow } = own;
  const names = ({ name, id }: Named): Named[] => [
    { name, id: id + 1 },
    { name, id: 7 },
    { name: `${name}-fork`, id: 9 },
    { name: `${name}x`, id },
    { name: name.toUpperCase(), id },
    { name: `${name[0]?.toUpperCase()}${name.slice(1)}`, id: 11 },
    { name: "*", id },
    { name: `${name}*`, id: 12 },
    { name: `${name.slice(0, -1)}?`, id },
    { name: `${name}@${id}`, id: 15 },
    { name: "evil", id: 13 },
  ];
  const evil = { name: "evil", id: 13 };
  return {
    owner: [owner, ...names(owner)],
    repository: [repository, ...names(repository)],
    form: ["immutable", "names", "customised"],
    environment: [
      environment,
      undefined,
      "staging",
      "production",
      environment.toUpperCase(),
      `${environment} `,
      `${environment}-eu`,
      `${environment}:ref:refs/heads/${branch}`,
      `${environment}%3A`,
      "",
      "*",
    ],
    ref: [
      ...[`refs/heads/${branch}`, `refs/heads/${branch}2`, `refs/heads/${branch.toUpperCase()}`, branch],
      ...[`refs/heads/feature/${branch}`, `refs/tags/${branch}`, "refs/tags/v1.0.0", "refs/pull/7/merge"],
      ...["refs/heads/*", "*", ""],
    ],
    workflow: [
      workflowRef(own, own),
      workflowRef({ owner: evil, repository }, own),
      workflowRef({ owner, repository: { name: "shared", id: 14 } }, own),
      workflowRef(own, { workflow: `x-${workflow}`, branch }),
      workflowRef(own, { workflow: workflow.toUpperCase(), branch }),
      workflowRef(own, { workflow, branch: `${branch}2` }),
      workflowRef(own, own).replace("refs/heads/", "refs/tags/"),
      workflowRef(own, own).replace(/@.*/, ""),
      `${owner.name}/${repository.name}/.github/workflows/*@refs/heads/${branch}`,
      "*",
    ],
    audience: [
      "sts.amazonaws.com",
      `https://github.com/${owner.name}`,
      "sts.amazonaws.com.evil.example",
      "*",
    ],
    distorted: [
      asItIs,
      (subject) => subject.toUpperCase(),
      (subject) => `${subject} `,
      (subject) => `${subject}:actor:eve`,
      (subject) => ` ${subject}`,
      (subject) => subject.replace("environment:", "Environment:"),
      (subject) => subject.replace(/@\d+\//, "/"),
      (subject) => subject.replaceAll(/@\d+/g, "@*"),
      (subject) => subject.replace(/[^:]+$/, "*"),
      (subject) => subject.replace("repo:", "repo:evil/"),
      () => "*",
    ],
  };
}

function asItIs(subject: string): string {
  return subject;
}

/**
 * A job that is the own one but for some of its parts: none in one of four, else one to three, so that most are foreign by
 * little.
 * @param random numbers in [0, 1)
 */
export function generateJob(own: Own, form: Job["form"], random: () => number): Job {
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const ways = grammar(own);
  const job: Job = {
    owner: own.owner,
    repository: own.repository,
    form,
    environment: own.environment,
    ref: `refs/heads/${own.branch}`,
    workflow: workflowRef(own, own),
    audience: "sts.amazonaws.com",
    distorted: asItIs,
  };
  const changes = oneOf([0, 0, 1, 1, 1, 1, 2, 3]);
  for (let count = 0; count < changes; count++) {
    const part = oneOf(Object.keys(ways) as (keyof Job)[]);
    Object.assign(job, { [part]: oneOf<unknown>(ways[part]) });
  }
  return job;
}
