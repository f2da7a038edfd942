import { ofType } from "../resource.ts";
import type { Props, Resource, ResourceRule, StackRule } from "../rule.ts";
import { bounded, record, seconds, text, texts } from "../value.ts";
import { aclOf } from "./acl-policy.ts";
import { mounts, vault } from "./types.ts";

const logins: readonly string[] = [vault.jwtRole, vault.appRole, vault.kubernetesRole, vault.awsRole];

const minute = 60;
const hour = 3600;

/** Longest life of a token: a CI run, a person's working day, a service's day. */
function longest({ type, props }: Resource): number {
  if (type === vault.awsRole) return 15 * minute;
  if (type !== vault.jwtRole) return 24 * hour;
  return props.roleType === "oidc" ? 8 * hour : 4 * hour;
}

export const tokenBounded: ResourceRule = {
  name: "token-bounded",
  sentence: "Every token that a login role gives expires, and cannot be renewed beyond a bound.",
  severity: "critical",
  fix: "Set tokenTtl, tokenMaxTtl and tokenExplicitMaxTtl: at most 4 h for CI, 8 h for people, 24 h for services, 15 min for functions.",
  controls: ["NIST-800-53r5/AC-12", "NIST-800-53r5/IA-13(3)", "OWASP-Secrets/2.7.4-expiration", "R13"],
  types: logins,
  *judge(resource) {
    const { props } = resource;
    const most = longest(resource);
    for (const name of ["tokenTtl", "tokenMaxTtl", "tokenExplicitMaxTtl"]) {
      if (!bounded(props[name], most)) yield `${name} is not between 1 and ${most} s`;
    }
    if ((seconds(props.tokenTtl) ?? 0) > (seconds(props.tokenMaxTtl) ?? 0))
      yield "tokenTtl is over tokenMaxTtl";
  },
};

export const tokenNotPeriodic: ResourceRule = {
  name: "token-not-periodic",
  sentence: "No login role gives periodic tokens, which can be renewed for ever.",
  severity: "high",
  fix: "Remove tokenPeriod.",
  controls: ["NIST-800-53r5/AC-12", "NIST-800-53r5/IA-13(3)", "OWASP-Secrets/2.7.4-expiration", "R13"],
  types: logins,
  *judge({ props }) {
    if (props.tokenPeriod !== undefined && seconds(props.tokenPeriod) !== 0) yield "tokenPeriod is set";
  },
};

export const tokenKindFits: ResourceRule = {
  name: "token-kind-fits",
  sentence:
    "Batch tokens, which nobody can revoke, are for CI jobs of minutes; everything else gets service tokens.",
  severity: "high",
  fix: "Set tokenType to service, or to batch with a TTL of at most 15 minutes on a CI job's role.",
  controls: ["NIST-800-53r5/AC-12", "NIST-800-53r5/IA-13(3)", "OWASP-Secrets/2.7.3-revocation", "R11", "R13"],
  types: logins,
  *judge({ type, props }) {
    if (props.tokenType === "service") return;
    if (props.tokenType !== "batch") yield "tokenType is neither service nor batch, so the mount decides";
    else if (type !== vault.jwtRole || props.roleType !== "jwt")
      yield "a batch token cannot be revoked when this login is compromised";
    else {
      if (!bounded(props.tokenMaxTtl, 15 * minute)) yield "a batch token lives for more than 15 minutes";
      if (props.tokenNoDefaultPolicy !== true)
        yield "a batch token carries the default policy, whose renewals it cannot use";
    }
  },
};

export const tokenPoliciesNamed: ResourceRule = {
  name: "token-policies-named",
  sentence: "A machine's login role gives named policies, never root, and people get theirs from groups.",
  severity: "critical",
  fix: "Set tokenPolicies to the policy of the role's own name; for people leave it empty.",
  controls: ["NIST-800-53r5/AC-3(7)", "NIST-800-53r5/AC-6", "R7", "R59"],
  types: logins,
  *judge({ type, props }) {
    const policies = texts(props.tokenPolicies);
    if (type === vault.jwtRole && props.roleType === "oidc") {
      if (policies.length > 0) yield `everyone who logs in gets ${policies.join(", ")}`;
      return;
    }
    if (policies.length === 0) yield "tokenPolicies is not set";
    if (policies.includes("root") || policies.includes("")) yield "tokenPolicies names root or nothing";
    if (policies.some((policy) => policy.startsWith("keyplane.group.")))
      yield "a machine gets what a group of people has";
    const name = text(type === vault.awsRole ? props.role : props.roleName) ?? "";
    // Of all roles that of promotion alone stands for several environments, keyplane.promotion.production among them.
    const own = (policy: string) =>
      policy === name || (policy === "keyplane.promotion" && name.startsWith(`${policy}.`));
    if (!policies.every(own)) yield "tokenPolicies names a policy that is not the role's own";
  },
};

export const loginFits: ResourceRule = {
  name: "login-fits",
  sentence: "A CI job logs in as a job and a service as a service: neither takes what the other reads.",
  severity: "critical",
  fix: "Name a role of GitHub's mount system.ci.job, and every other one system.service; the model does.",
  controls: ["NIST-800-53r5/AC-6", "NIST-800-53r5/IA-9", "OWASP-Secrets/3-ci-cd", "R7", "R11"],
  types: [vault.jwtRole, vault.appRole, vault.kubernetesRole],
  *judge({ type, props }) {
    if (type === vault.jwtRole && props.roleType === "oidc") return;
    const name = text(props.roleName) ?? "";
    const isJob = /^([\w-]+\.ci|keyplane)\./.test(name);
    if (type === vault.jwtRole && !isJob) yield `a CI job logs in as ${name || "nobody"}`;
    if (type !== vault.jwtRole && isJob) yield `a service logs in as ${name}`;
  },
};

export const batchRevokesNothing: StackRule = {
  name: "batch-revokes-nothing",
  sentence: "A login of batch tokens gets no right to make what must be revoked with the token.",
  severity: "high",
  fix: "Give the role service tokens, or take database/creds out of its policy.",
  controls: ["NIST-800-53r5/AC-12", "OWASP-Secrets/2.7.3-revocation", "R12", "R13"],
  *judgeStack(resources) {
    const batch = logins
      .flatMap((type) => ofType(resources, type))
      .filter(({ props }) => props.tokenType === "batch");
    if (batch.length === 0) return;
    const byName = new Map<string, Props>();
    for (const { props } of ofType(resources, vault.policy)) {
      const name = text(props.name);
      if (name !== undefined) byName.set(name, props);
    }
    for (const { urn, props } of batch) {
      for (const policy of texts(props.tokenPolicies)) {
        const declared = byName.get(policy);
        if (declared !== undefined && leases(declared))
          yield { urn, message: `the policy ${policy} makes database users, which a batch token cannot end` };
      }
    }
  },
};

/** A policy that cannot be read, which `policy-readable` refuses, counts as the worst. */
function leases(policy: Props): boolean {
  return aclOf(policy)?.rules.some(({ path }) => path.startsWith("database/creds/")) ?? true;
}

export const mountBounded: ResourceRule = {
  name: "mount-bounded",
  sentence:
    "Every mount says the default and the longest life of what it gives out, so that Vault's 32 days never apply.",
  severity: "high",
  fix: "Set the default and the maximum lease: at most 1 h for engines, 8 h for people, a day for pods, 4 h for CI, a week for hosts.",
  controls: ["NIST-800-53r5/AC-12", "OWASP-Secrets/2.7.4-expiration", "R12", "R13"],
  types: mounts,
  *judge({ type, props }) {
    const engine = type === vault.mount;
    const tune = engine ? props : record(props.tune);
    const [least, most] = engine
      ? [tune.defaultLeaseTtlSeconds, tune.maxLeaseTtlSeconds]
      : [tune.defaultLeaseTtl, tune.maxLeaseTtl];
    const bound = engine ? hour : longestOf(text(props.type));
    if (!bounded(least, bound)) yield `the default lease is not between 1 and ${bound} s`;
    if (!bounded(most, bound)) yield `the longest lease is not between 1 and ${bound} s`;
    if ((seconds(least) ?? 0) > (seconds(most) ?? 0)) yield "the default lease is over the longest";
    if (!engine && tune.tokenType !== "default-service" && tune.tokenType !== "service") {
      yield "tokenType is not default-service";
    }
  },
};

function longestOf(type: string | undefined): number {
  if (type === "jwt") return 4 * hour;
  if (type === "kubernetes") return 24 * hour;
  // A mount's maximum bounds its secret ids too, which outlive the tokens that they are exchanged for.
  return type === "approle" ? 7 * 24 * hour : 8 * hour;
}

export const mountHidden: ResourceRule = {
  name: "mount-hidden",
  sentence: "Nobody learns which mounts there are before they log in.",
  severity: "low",
  fix: "Set listingVisibility to hidden.",
  controls: ["NIST-800-53r5/AC-14"],
  types: mounts,
  *judge({ type, props }) {
    const tune = type === vault.mount ? props : record(props.tune);
    if (tune.listingVisibility !== "hidden") yield "listingVisibility is not hidden";
  },
};
