import { demanded } from "../aws/document.ts";
import { statements } from "../aws/documents.ts";
import { aws } from "../aws/types.ts";
import { ofType } from "../resource.ts";
import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { record, text, texts } from "../value.ts";
import { vault } from "./types.ts";

/** The platform's roles that log in from GitHub, each from the workflow of its name. */
const fromGitHub: readonly string[] = ["deploy", "rotate", "drift", "enrol"];

/** What the functions of AWS log in as: the engine that rotates what is due, and a database's own rotation. */
const ofFunctions = /^(keyplane\.rotate|[\w-]+\.[\w-]+\.keyplane\.rotate-postgres)$/;

const ofPlatform = (name: string) => name.startsWith("keyplane.") || name.includes(".keyplane.");

const nameOf = ({ type, props }: Pick<Resource, "type" | "props">) =>
  text(type === vault.awsRole ? props.role : props.roleName) ?? "";

const workflowsOf = ({ props }: Pick<Resource, "props">) =>
  (text(record(props.boundClaims).job_workflow_ref) ?? "").split(",");

export const platformLoginKnown: ResourceRule = {
  name: "platform-login-known",
  sentence: "Nobody logs in as the platform but its own workflows and functions, by the roles that it has.",
  severity: "critical",
  fix: "Leave the platform's names and policies to the roles that the model derives, each with its own workflow.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/AC-6(5)", "NIST-800-53r5/IA-9", "R7", "R11"],
  types: [vault.jwtRole, vault.appRole, vault.kubernetesRole, vault.awsRole],
  *judge(resource) {
    const { type, props } = resource;
    const name = nameOf(resource);
    const policies = texts(props.tokenPolicies);
    if (type === vault.awsRole) {
      if (!ofFunctions.test(name)) yield `"${name}" is no function's role`;
      return;
    }
    if (!ofPlatform(name) && !policies.some(ofPlatform)) return;
    const [, role = "", follower] = /^keyplane\.([a-z]+)(?:\.([\w-]+))?$/.exec(name) ?? [];
    // An environment that comes after this one asks here what stayed healthy, from its own rotation workflow.
    const isPromotion = role === "promotion" && follower !== undefined;
    if (type !== vault.jwtRole || !(isPromotion || (fromGitHub.includes(role) && follower === undefined))) {
      yield `"${name}" is none of the platform's roles`;
      return;
    }
    if (policies.join() !== `keyplane.${role}`) yield `it gives ${policies.join(", ")}, not keyplane.${role}`;
    const file = `${isPromotion ? "rotate" : role}.yml`;
    for (const workflow of workflowsOf(resource)) {
      if (!workflow.includes(`/.github/workflows/${file}@`))
        yield `it is not bound to ${file}: "${workflow}"`;
    }
  },
};

export const ownerOneRepository: StackRule = {
  name: "owner-one-repository",
  sentence: "The platform's workflows are of one repository, and so are those of each system.",
  severity: "critical",
  fix: "Bind repository_id, repository_owner_id and job_workflow_ref to the repository that the catalogue names.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R11"],
  *judgeStack(resources) {
    const logins = [...fromVault(resources), ...fromAws(resources)];
    for (const same of Map.groupBy(logins, ({ owner }) => owner).values()) {
      const repositories = same.map(({ repository }) => repository);
      const kinds = new Set(repositories);
      for (const { urn, repository } of same) {
        // Most of them are right, whichever comes first.
        const few = repositories.filter((each) => each === repository).length * 2 <= repositories.length;
        if (repository.split(" ").length !== 3)
          yield { urn, message: "its workflows are of more than one repository" };
        else if (few && kinds.size > 1)
          yield { urn, message: `it is of another repository than the others: ${repository}` };
      }
    }
  },
};

export const platformOneEnvironment: StackRule = {
  name: "platform-one-environment",
  sentence:
    "The platform's workflows run in one GitHub environment with reviewers, those by the clock in their own beside it, from the same branches, in Vault and in AWS.",
  severity: "critical",
  fix: "Bind environment, and the subject, to the environment's own GitHub environment, and ref to its branches.",
  controls: [
    "NIST-800-53r5/AC-3",
    "NIST-800-53r5/CM-3",
    "NIST-800-53r5/IA-9",
    "OWASP-Secrets/3-ci-cd",
    "R11",
  ],
  *judgeStack(resources) {
    const jobs = [...jobsOfVault(resources), ...jobsOfAws(resources)];
    const [reviewed, branches] = [most(jobs, "reviewed"), most(jobs, "branches")];
    for (const { urn, ...own } of jobs) {
      const environment = `${reviewed}${own.suffix}`;
      if (own.environment === "preview")
        yield { urn, message: "it is of preview, where code runs that nobody has merged" };
      else if (own.environment !== environment)
        yield {
          urn,
          message: `its environment is ${own.environment}, where that of the others asks for ${environment}`,
        };
      if (own.branches !== branches)
        yield { urn, message: `its branches are ${own.branches}, those of the others ${branches}` };
      if (own.files !== own.branches)
        yield { urn, message: `its workflow is of ${own.files}, and it runs from ${own.branches}` };
    }
  },
};

/** In which GitHub environment and from which branches somebody logs in as the platform. */
interface Job {
  urn: string;
  environment: string;
  /** What the name of its workflow adds to that of the environment with reviewers: `-drift`, `-rotate` or nothing. */
  suffix: string;
  /** The environment without it. */
  reviewed: string;
  branches: string;
  /** The branches that its workflow's file may be of. */
  files: string;
}

/** What most of them say is right. */
function most(jobs: readonly Job[], what: "reviewed" | "branches"): string | undefined {
  const times = [...Map.groupBy(jobs, (job) => job[what])];
  return times.sort(([, one], [, other]) => other.length - one.length)[0]?.[0];
}

const listed = (values: readonly string[]) => [...new Set(values)].sort().join(", ");
const branchOf = (workflow: string) => workflow.split("@")[1] ?? "";

/** No person waits for what runs by the clock, so it runs where none is asked. */
const byTheClock = /\/(drift|rotate)\.yml@/;

function jobOf(
  urn: string,
  said: { environment: string; branches: readonly string[]; workflows: readonly string[] },
): Job {
  const { environment, workflows } = said;
  const [, workflow] = byTheClock.exec(workflows[0] ?? "") ?? [];
  const suffix = workflow === undefined ? "" : `-${workflow}`;
  return {
    ...{ urn, environment, suffix },
    reviewed: environment.endsWith(suffix)
      ? environment.slice(0, environment.length - suffix.length)
      : environment,
    branches: listed(said.branches),
    files: listed(workflows.map(branchOf)),
  };
}

/** Who asks here what stayed healthy is of the environment that comes after. */
function jobsOfVault(resources: readonly Resource[]): Job[] {
  return ofType(resources, vault.jwtRole)
    .filter((role) => /^keyplane\.[a-z]+$/.test(nameOf(role)))
    .map((role) => {
      const { environment, ref } = record(role.props.boundClaims);
      return jobOf(role.urn, {
        environment: text(environment) ?? "",
        branches: (text(ref) ?? "").split(","),
        workflows: workflowsOf(role),
      });
    });
}

function jobsOfAws(resources: readonly Resource[]): Job[] {
  return ofType(resources, aws.role).flatMap(({ urn, type, props }) =>
    statements(type, props).flatMap((statement) => {
      const claim = (name: string) =>
        demanded(statement, `token.actions.githubusercontent.com:${name}`, "stringequals");
      return (claim("sub") ?? []).map((subject) =>
        jobOf(urn, {
          environment: subject.split(":environment:")[1] ?? "",
          branches: claim("ref") ?? [],
          workflows: claim("job_workflow_ref") ?? [],
        }),
      );
    }),
  );
}

interface Login {
  urn: string;
  /** `keyplane`, or a system. */
  owner: string;
  /** Its id, its owner's and its name. */
  repository: string;
}

const repositoryOf = (id: unknown, owner: unknown, workflows: readonly string[]) =>
  [id, owner, ...new Set(workflows.map((each) => each.split("/.github/")[0]))].join(" ");

function fromVault(resources: readonly Resource[]): Login[] {
  return ofType(resources, vault.jwtRole)
    .filter(({ props }) => props.roleType !== "oidc")
    .map((role) => {
      const { repository_id: id, repository_owner_id: owner } = record(role.props.boundClaims);
      const repository = repositoryOf(id, owner, workflowsOf(role));
      return { urn: role.urn, owner: nameOf(role).split(".")[0] ?? "", repository };
    });
}

/** Whoever takes a role of AWS from GitHub is the platform. */
function fromAws(resources: readonly Resource[]): Login[] {
  return ofType(resources, aws.role).flatMap(({ urn, type, props }) =>
    statements(type, props).flatMap((statement) => {
      const claim = (name: string) =>
        demanded(statement, `token.actions.githubusercontent.com:${name}`, "stringequals");
      const id = claim("repository_id");
      if (id === undefined) return [];
      const repository = repositoryOf(id, claim("repository_owner_id"), claim("job_workflow_ref") ?? []);
      return [{ urn, owner: "keyplane", repository }];
    }),
  );
}

export const functionLoginOwn: StackRule = {
  name: "function-login-own",
  sentence: "A function's login in Vault is of the role of AWS that this function runs as.",
  severity: "critical",
  fix: "Bind the login to the role of the function whose KEYPLANE_VAULT names it.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "R7"],
  *judgeStack(resources) {
    const logins = ofType(resources, vault.awsRole);
    if (logins.length === 0) return;
    const runsAs = new Map<string, string[]>();
    for (const { props } of ofType(resources, "aws:lambda/function:Function")) {
      const login = loginOf(record(record(props.environment).variables).KEYPLANE_VAULT);
      runsAs.set(login, [...(runsAs.get(login) ?? []), text(props.role) ?? ""]);
    }
    for (const { urn, type, props } of logins) {
      const own = runsAs.get(nameOf({ type, props })) ?? [];
      for (const arn of texts(props.boundIamPrincipalArns)) {
        if (!own.includes(arn)) yield { urn, message: `no function that logs in so runs as ${arn}` };
      }
    }
  },
};

const loginOf = (settings: unknown) => text(settingsIn(settings).role) ?? "";

/** What a function is told of Vault; nothing where it cannot be read, which `aws-lambda-settings` refuses. */
function settingsIn(settings: unknown): { readonly [key: string]: unknown } {
  try {
    return record(JSON.parse(text(settings) ?? "{}"));
  } catch {
    return {};
  }
}

export const vaultOne: StackRule = {
  name: "vault-one-address",
  sentence:
    "Functions log in to the Vault that takes logins signed for it, and people's login returns there and nowhere else.",
  severity: "critical",
  fix: "Take the host of vault.address of the environment, as the model does: in KEYPLANE_VAULT and in allowedRedirectUris.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/SC-23", "R50", "R59"],
  *judgeStack(resources) {
    const here = text(ofType(resources, vault.awsClient)[0]?.props.iamServerIdHeaderValue);
    if (here === undefined) return;
    for (const { urn, props } of ofType(resources, "aws:lambda/function:Function")) {
      const there = text(settingsIn(record(record(props.environment).variables).KEYPLANE_VAULT).serverId);
      if (there !== here) yield { urn, message: `it calls ${there ?? "no Vault"}, and this one is ${here}` };
    }
    for (const { urn, props } of ofType(resources, vault.jwtRole)) {
      for (const uri of texts(props.allowedRedirectUris)) {
        const there = /^https:\/\/([^/]*)/.exec(uri)?.[1];
        if (there !== undefined && there !== here)
          yield { urn, message: `a login returns to ${there}, and this Vault is ${here}` };
      }
    }
  },
};

export const groupPolicyHeld: StackRule = {
  name: "group-policy-held",
  sentence: "A policy of a group of people is there because that group is.",
  severity: "high",
  fix: "Declare the group under `groups` of the catalogue; its policy follows.",
  controls: ["NIST-800-53r5/AC-2", "NIST-800-53r5/AC-6", "R7", "R59"],
  *judgeStack(resources) {
    const groups = new Set(ofType(resources, vault.group).map(({ props }) => text(props.name) ?? ""));
    for (const { urn, props } of ofType(resources, vault.policy)) {
      const group = /^keyplane\.group\.(.+)$/.exec(text(props.name) ?? "")?.[1];
      if (group !== undefined && !groups.has(group)) yield { urn, message: `there is no group ${group}` };
    }
  },
};
