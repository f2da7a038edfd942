import type { ResourceRule } from "../rule.ts";
import { number, text, texts } from "../value.ts";
import { covers, demanded, isPattern, type Statement } from "./document.ts";
import { called, statements } from "./documents.ts";
import { purposeOf } from "./duties.ts";
import { environmentOf } from "./place.ts";
import { aws } from "./types.ts";

export const roleTrustNarrow: ResourceRule = {
  name: "aws-role-trust-narrow",
  sentence: "A role trusts named services, accounts' roles or one OIDC provider, never everyone.",
  severity: "critical",
  fix: "Name the principal, and a condition where it is a service or another account.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "R7", "R10"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const { allow, principals, notPrincipals } of statements(type, props)) {
      if (!allow) continue;
      if (notPrincipals) yield "it trusts everyone but whom it names";
      if (principals.length === 0) yield "it names no principal";
      for (const principal of principals) if (principal.includes("*")) yield `it trusts ${principal}`;
    }
  },
};

export const peopleWithMfa: ResourceRule = {
  name: "aws-role-people-mfa",
  sentence: "A role that people assume demands a second factor, given within the last hour.",
  severity: "critical",
  fix: 'Add the conditions Bool: { "aws:MultiFactorAuthPresent": "true" } and NumericLessThan: { "aws:MultiFactorAuthAge": "3600" } to its trust.',
  controls: ["CIS-AWS-4.0.1/1.10", "NIST-800-53r5/IA-2(1)", "R50"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const statement of statements(type, props).filter(isForPeople)) {
      // `IfExists` would admit a session that does not say.
      if (demanded(statement, "aws:MultiFactorAuthPresent", "bool")?.join() !== "true" || statement.lenient)
        yield "people assume it without a second factor";
      const age = Number(
        demanded(statement, "aws:MultiFactorAuthAge", "numericlessthan", "numericlessthanequals"),
      );
      if (!(age > 0 && age <= 3600)) yield "a second factor that is older than an hour is taken";
    }
  },
};

const person = /^AWS (\d{12}|arn:[\w-]+:iam::\d+:(root|user\/.+))$/;

/** Account roots and users stand for people; services and roles do not have a second factor. */
function isForPeople({ allow, principals }: Statement): boolean {
  return allow && principals.some((principal) => person.test(principal));
}

export const peopleNamed: ResourceRule = {
  name: "aws-role-people-named",
  sentence: "A role that people assume names each of them: an account alone is everybody in it.",
  severity: "critical",
  fix: "Compare aws:PrincipalArn with the people's ARNs by StringEquals.",
  controls: ["NIST-800-53r5/AC-2", "NIST-800-53r5/IA-2", "R59"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const statement of statements(type, props).filter(isForPeople)) {
      const people = demanded(statement, "aws:PrincipalArn", "stringequals", "arnequals") ?? [];
      if (people.length === 0) yield "everybody in the account may assume it";
      for (const person of people) {
        if (isPattern(person) || !/^arn:aws[\w-]*:iam::\d{12}:(user|role)\/.+$/.test(person))
          yield `"${person}" is nobody in particular`;
      }
    }
  },
};

const github = "token.actions.githubusercontent.com";

/** By whose word a role is taken. */
type Taker = "people" | `${string}.amazonaws.com` | `${string}.yml`;

/** By purpose: whom a role is there for. */
const takers: Readonly<Record<string, Taker>> = {
  administrator: "people",
  auditor: "people",
  deploy: "deploy.yml",
  drift: "drift.yml",
  rotate: "rotate.yml",
  vault: "pods.eks.amazonaws.com",
  scheduler: "scheduler.amazonaws.com",
  "trail-logs": "cloudtrail.amazonaws.com",
  "rotate-due": "lambda.amazonaws.com",
  "rotate-postgres": "lambda.amazonaws.com",
};

export const trustOfDuty: ResourceRule = {
  name: "aws-role-trust-of-its-duty",
  sentence:
    "A role is taken by whom it is for and by nobody else: by people, by the one workflow of its name, or by one service of AWS.",
  severity: "critical",
  fix: "Take out whoever else the trust names; whom a role is for stands in policies/aws/trust.ts.",
  controls: [
    "NIST-800-53r5/AC-3",
    "NIST-800-53r5/AC-5",
    "NIST-800-53r5/IA-2(1)",
    "NIST-800-53r5/IA-9",
    "R10",
    "R11",
    "R50",
  ],
  types: [aws.role],
  *judge({ urn, type, props }) {
    const name = text(props.name) ?? "";
    const purpose = purposeOf(name, environmentOf(urn)) ?? "";
    const taker = Object.hasOwn(takers, purpose) ? takers[purpose] : undefined;
    if (taker === undefined) {
      yield `"${name}" is no role that the platform has`;
      return;
    }
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      for (const principal of statement.principals) {
        if (!isBy(taker, principal))
          yield `${called(statement)} lets ${principal} take it, which is for ${taker}`;
      }
      if (!taker.endsWith(".yml")) continue;
      for (const workflow of demanded(statement, `${github}:job_workflow_ref`, "stringequals") ?? []) {
        if (!workflow.includes(`/.github/workflows/${taker}@`))
          yield `${called(statement)} lets ${workflow} take it, which is for ${taker}`;
      }
    }
  },
};

function isBy(taker: Taker, principal: string): boolean {
  if (taker === "people") return person.test(principal);
  if (taker.endsWith(".yml")) return principal.startsWith("Federated ") && principal.endsWith(`/${github}`);
  return principal === `Service ${taker}`;
}

/** A subject with an environment says no branch and no workflow, and a name can be taken again: an id cannot. */
const claims: readonly [name: string, form: RegExp][] = [
  ["repository_id", /^\d+$/],
  ["repository_owner_id", /^\d+$/],
  ["ref", /^refs\/(heads|tags)\/[^*?]+$/],
  ["job_workflow_ref", /^[^*?/]+\/[^*?/]+\/\.github\/workflows\/[^*?]+@refs\/(heads|tags)\/[^*?]+$/],
];

function* exact(statement: Statement, [name, form]: (typeof claims)[number]): Generator<string> {
  const values = demanded(statement, `${github}:${name}`, "stringequals") ?? [];
  if (values.length === 0 || values.some((value) => !form.test(value)))
    yield `${name} is not compared exactly`;
}

export const oidcTrustExact: ResourceRule = {
  name: "aws-oidc-trust-exact",
  sentence:
    "A role for GitHub Actions binds the exact subject with its GitHub environment, audience, ids of repository and owner, branch and workflow of the job's token.",
  severity: "critical",
  fix: "Compare sub, aud, repository_id, repository_owner_id, ref and job_workflow_ref of token.actions.githubusercontent.com by StringEquals, without a pattern.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R10", "R11"],
  types: [aws.role],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow || !covers(statement, "sts:AssumeRoleWithWebIdentity")) continue;
      const keys = [...statement.conditions.values()].flatMap((map) => [...map.keys()]);
      const issuer = keys.find((key) => key.endsWith(":sub"))?.replace(/:sub$/, "") ?? github;
      const subjects = demanded(statement, `${issuer}:sub`, "stringequals");
      const audiences = demanded(statement, `${issuer}:aud`, "stringequals");
      if (subjects === undefined) yield "the subject is not compared exactly";
      for (const subject of subjects ?? []) {
        if (/[*?]/.test(subject) || !/^repo:[^:]+:environment:[^:]+$/.test(subject)) {
          yield `the subject "${subject}" is no job in a GitHub environment, which has reviewers`;
        }
        if (subject.endsWith(":pull_request")) yield "pull requests may assume it";
      }
      if (audiences?.length !== 1 || audiences[0] !== "sts.amazonaws.com")
        yield "the audience is not one exact one";
      if (issuer === github) for (const claim of claims) yield* exact(statement, claim);
    }
  },
};

export const oidcProviderExact: ResourceRule = {
  name: "aws-oidc-provider-exact",
  sentence: "An OIDC provider is an https issuer with the one audience of AWS.",
  severity: "high",
  fix: "Set url with https and clientIdLists to sts.amazonaws.com.",
  controls: ["NIST-800-53r5/IA-13(2)", "NIST-800-53r5/IA-13(3)", "R11"],
  types: [aws.oidcProvider],
  *judge({ props }) {
    if (!/^https:\/\/[\w.-]+(\/[\w./-]*)?$/.test(text(props.url) ?? "")) yield "url is not an https address";
    const audiences = texts(props.clientIdLists);
    if (audiences.length !== 1 || audiences[0] !== "sts.amazonaws.com")
      yield "clientIdLists is not sts.amazonaws.com alone";
  },
};

export const roleSessionShort: ResourceRule = {
  name: "aws-role-session-short",
  sentence: "A session of a role lasts an hour at most.",
  severity: "medium",
  fix: "Leave maxSessionDuration at 3600.",
  controls: ["NIST-800-53r5/AC-12", "OWASP-Secrets/2.7.4-expiration", "R13"],
  types: [aws.role],
  *judge({ props }) {
    if (props.maxSessionDuration === undefined) return;
    const duration = number(props.maxSessionDuration);
    if (duration === undefined || duration > 3600) yield "maxSessionDuration is over 3600";
    else if (duration < 3600) yield "maxSessionDuration is under 3600, which AWS does not take";
  },
};
