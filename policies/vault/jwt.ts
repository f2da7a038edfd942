import { isLocal } from "../aws/place.ts";
import type { Props, ResourceRule } from "../rule.ts";
import { number, record, text, texts } from "../value.ts";
import { vault } from "./types.ts";

/** Roles of machines; people's come by `oidc`. What has no type is one of a machine's and must say so. */
const ofMachines = ({ roleType }: Props) => roleType !== "oidc";

const claims = (props: Props) => record(props.boundClaims);

/** The values of a bound claim: the SDK joins several by commas. */
function claim(props: Props, name: string): string[] {
  const value = text(claims(props)[name]);
  return value === undefined ? [] : value.split(",");
}

/**
 * Of github.com, with an enterprise's name where it has its own; of GitHub with data residency; of GitHub Enterprise Server.
 * https://docs.github.com/en/actions/concepts/security/openid-connect
 */
const ofGitHub =
  /^https:\/\/(token\.actions\.githubusercontent\.com(\/[\w-]+)?|token\.actions\.[a-z0-9-]+\.ghe\.com|[a-z0-9-]+(\.[a-z0-9-]+)+\/_services\/token)$/;

export const jwtMountTrusted: ResourceRule = {
  name: "jwt-mount-trusted",
  sentence: "A JWT mount takes tokens of exactly one issuer, over TLS, with public-key signatures.",
  severity: "critical",
  fix: "Set oidcDiscoveryUrl to GitHub's issuer and boundIssuer to the same, and jwtSupportedAlgs to RS256.",
  controls: ["NIST-800-53r5/IA-13(2)", "NIST-800-53r5/SC-8", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwt],
  *judge({ urn, props }) {
    const discovery = text(props.oidcDiscoveryUrl);
    if (discovery === undefined || !discovery.startsWith("https://"))
      yield "oidcDiscoveryUrl is not an https address";
    // On this machine an issuer of our own stands for GitHub.
    else if (!isLocal(urn) && !ofGitHub.test(discovery)) yield `${discovery} is no issuer of GitHub's`;
    if (discovery === undefined || props.boundIssuer !== discovery)
      yield "boundIssuer is not the issuer of oidcDiscoveryUrl";
    const algorithms = texts(props.jwtSupportedAlgs);
    if (algorithms.length === 0) yield "jwtSupportedAlgs is not set";
    const weak = algorithms.filter((algorithm) => !/^(RS|ES|PS)(256|384|512)$|^EdDSA$/.test(algorithm));
    if (weak.length > 0) yield `jwtSupportedAlgs admits ${weak.join(", ")}`;
    if (props.defaultRole !== undefined) yield "defaultRole lets a job log in without naming its role";
    if (discovery === "https://token.actions.githubusercontent.com" && props.oidcDiscoveryCaPem !== undefined)
      yield "oidcDiscoveryCaPem lets somebody else than GitHub be GitHub";
    for (const name of ["jwksUrl", "jwtValidationPubkeys", "oidcClientSecret"]) {
      if (props[name] !== undefined) yield `${name} is set beside the issuer`;
    }
  },
};

export const jwtAudienceBound: ResourceRule = {
  name: "jwt-audience-bound",
  sentence: "A JWT or OIDC role accepts tokens of one exact audience.",
  severity: "critical",
  fix: "Set boundAudiences to the audience that the job asks for.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/IA-13(3)", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwtRole],
  *judge({ props }) {
    const audiences = texts(props.boundAudiences);
    if (audiences.length !== 1) yield `${audiences.length} audiences are bound; a token is for one`;
    if (audiences.some((audience) => audience === "" || /[*?]/.test(audience)))
      yield "an audience is empty or a pattern";
    // What a job asks for to take a role of AWS would open Vault as well, for whoever gets hold of it on the way.
    if (audiences.includes("sts.amazonaws.com"))
      yield "the audience is AWS': a token for AWS would log in here";
  },
};

export const jwtRepositoryBound: ResourceRule = {
  name: "jwt-repository-bound",
  sentence: "A CI role binds the ids of one repository and of its owner, which outlive a rename.",
  severity: "critical",
  fix: "Bind repository_id and repository_owner_id to one number each.",
  controls: ["NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (!ofMachines(props)) return;
    if (props.roleType !== "jwt") yield "roleType is not said";
    for (const name of ["repository_id", "repository_owner_id"]) {
      const values = claim(props, name);
      if (values.length !== 1 || !/^\d+$/.test(values[0] ?? ""))
        yield `the claim ${name} is not bound to one number`;
    }
  },
};

export const jwtWorkflowBound: ResourceRule = {
  name: "jwt-workflow-bound",
  sentence:
    "A CI role binds workflow files with their branches, the branch it runs for and the GitHub environment.",
  severity: "critical",
  fix: "Bind job_workflow_ref to owner/repository/.github/workflows/file.yml@refs/heads/branch, and environment and ref.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (!ofMachines(props)) return;
    const workflows = claim(props, "job_workflow_ref");
    const exact = /^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[\w.-]+\.ya?ml@refs\/heads\/[\w./-]+$/;
    if (workflows.length === 0) yield "job_workflow_ref is not bound: any workflow of the repository logs in";
    for (const workflow of workflows)
      if (!exact.test(workflow)) yield `job_workflow_ref admits "${workflow}"`;
    if (claim(props, "environment").length !== 1) yield "environment is not bound to one GitHub environment";
    const branches = claim(props, "ref");
    if (branches.length === 0) yield "ref is not bound: any branch logs in";
    for (const branch of branches)
      if (!/^refs\/heads\/[\w./-]+$/.test(branch)) yield `ref admits "${branch}"`;
  },
};

export const jwtClaimsExact: ResourceRule = {
  name: "jwt-claims-exact",
  sentence: "Bound claims are compared as they are, never by a pattern.",
  severity: "critical",
  fix: "Set boundClaimsType to string and name every value.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (ofMachines(props) && props.boundClaimsType !== "string") yield "boundClaimsType is not string";
    for (const name of Object.keys(claims(props))) {
      const values = claim(props, name);
      if (values.length === 0 || values.some((value) => value.trim() === ""))
        yield `the claim ${name} admits an empty value`;
      if (values.some((value) => /[*?]/.test(value))) yield `the claim ${name} admits a pattern`;
    }
    const subject = text(props.boundSubject);
    if (subject !== undefined && /[*?]/.test(subject)) yield "boundSubject is a pattern";
  },
};

export const jwtEventBound: ResourceRule = {
  name: "jwt-event-bound",
  sentence:
    "A CI role admits jobs that a push, a release, a schedule or a person started, never a pull request or a comment.",
  severity: "critical",
  fix: "Bind event_name to push, release, schedule and workflow_dispatch, as far as they are needed.",
  controls: ["NIST-800-53r5/AC-3", "OWASP-Secrets/3-ci-cd", "R11"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (!ofMachines(props)) return;
    const events = claim(props, "event_name");
    if (events.length === 0) yield "event_name is not bound: a pull request's code could log in";
    const others = events.filter(
      (event) => !["push", "schedule", "workflow_dispatch", "release"].includes(event),
    );
    if (others.length > 0) yield `event_name admits ${others.join(", ")}`;
  },
};

export const jwtUserClaimStable: ResourceRule = {
  name: "jwt-user-claim-stable",
  sentence:
    "Who logs in is named by a claim that stays: the repository's id, or a person's address or subject.",
  severity: "high",
  fix: "Set userClaim to repository_id for CI and to email or sub for people.",
  controls: ["NIST-800-53r5/IA-4", "R11", "R52"],
  types: [vault.jwtRole],
  *judge({ props }) {
    const stable = ofMachines(props) ? ["repository_id"] : ["email", "sub", "oid"];
    const claimed = text(props.userClaim);
    if (claimed === undefined) yield "userClaim is not set";
    else if (!stable.includes(claimed))
      yield `userClaim is ${claimed}, which is another one each time or can be reused`;
  },
};

export const jwtClaimsAudited: ResourceRule = {
  name: "jwt-claims-audited",
  sentence: "What the audit log needs to name a job is mapped from its token, as single texts.",
  severity: "medium",
  fix: "Map aud and every bound claim to metadata of its own name.",
  controls: ["NIST-800-53r5/AU-3", "OWASP-Secrets/2.6-auditing", "R52"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (!ofMachines(props)) return;
    const mapped = record(props.claimMappings);
    // The user claim is the alias' name, so it is on record and single anyway.
    const wanted = new Set([...alwaysMapped, ...Object.keys(claims(props))]);
    wanted.delete(text(props.userClaim) ?? "");
    for (const name of wanted) {
      if (mapped[name] !== name)
        yield `${name} is not mapped: a list that merely contains the value would do`;
    }
  },
};

const alwaysMapped = ["aud", "repository", "workflow", "run_id", "sha", "actor"];

export const jwtTimesStrict: ResourceRule = {
  name: "jwt-times-strict",
  sentence: "A CI role takes a token's own end and beginning, with at most a minute for clocks that differ.",
  severity: "high",
  fix: "Set expirationLeeway and notBeforeLeeway to -1 and clockSkewLeeway to at most 60.",
  controls: ["NIST-800-53r5/IA-13(3)", "R13"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (!ofMachines(props)) return;
    // Unset or 0 means Vault's 150 seconds each.
    for (const name of ["expirationLeeway", "notBeforeLeeway"])
      if (props[name] !== -1) yield `${name} is not -1`;
    const skew = number(props.clockSkewLeeway);
    if (skew === undefined || skew === 0 || skew > 60) yield "clockSkewLeeway is not between 1 and 60";
  },
};

/** To Vault's own user interface at the mount, or to the command that waits for it. */
const returning =
  /^(https:\/\/[a-z0-9.-]+(:\d+)?\/ui\/vault\/auth\/oidc\/oidc\/callback|http:\/\/(localhost|127\.0\.0\.1):\d+\/oidc\/callback)$/;

export const oidcRedirectsExact: ResourceRule = {
  name: "oidc-redirects-exact",
  sentence: "A person's login returns to this Vault over TLS, or to a port on their own machine.",
  severity: "high",
  fix: "Name the https address of the user interface and http://localhost:8250/oidc/callback.",
  controls: ["NIST-800-53r5/SC-8", "NIST-800-53r5/SC-23", "R50"],
  types: [vault.jwtRole],
  *judge({ props }) {
    if (ofMachines(props)) return;
    const uris = texts(props.allowedRedirectUris);
    if (uris.length === 0) yield "allowedRedirectUris is not set";
    for (const uri of uris) {
      if (!returning.test(uri)) {
        yield `allowedRedirectUris admits "${uri}"`;
      }
    }
    const scopes = texts(props.oidcScopes);
    if (!scopes.includes(text(props.userClaim) ?? "") && props.userClaim !== "sub") {
      yield "oidcScopes does not ask for the claim that names the person";
    }
    if (scopes.some((scope) => !["openid", "email", "profile"].includes(scope)))
      yield "oidcScopes asks for more than who it is";
  },
};
