import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { bounded, text } from "../value.ts";
import { aclPath, meets, within } from "./acl-path.ts";
import { AclPlaces } from "./acl-places.ts";
import { aclIn, aclOf } from "./acl-policy.ts";
import type { AclRule } from "./acl-text.ts";
import { AclTextError } from "./acl-tokens.ts";
import { beyond, type Duty, dutiesOf } from "./duties.ts";
import { mounts, vault } from "./types.ts";

const isPattern = (path: string) => path.includes("*") || path.includes("+");

const placesOf = (...paths: string[]) => new AclPlaces(paths.map((path) => ({ at: aclPath(path) })));

/** Whether a path, exact or a pattern, may be for something in one of the places. */
function liesIn({ requests }: AclRule, places: ReturnType<typeof placesOf>): boolean {
  return places.near(requests).some(({ at }) => meets(requests, at));
}

export const policyReadable: ResourceRule = {
  name: "policy-readable",
  sentence: "A Vault policy is a text of paths and capabilities that reviewers and rules can read.",
  severity: "critical",
  fix: 'Write it as blocks of path "…" { capabilities = […] }; the model renders it so.',
  controls: ["NIST-800-53r5/AC-3", "R7"],
  isAbsolute: true,
  types: [vault.policy],
  *judge({ props }) {
    if (text(props.name) === undefined) yield "the policy has no name";
    if (text(props.policy) === undefined) {
      yield "the policy has no text";
      return;
    }
    const acl = aclIn(props);
    if (acl instanceof AclTextError) yield `the policy cannot be read: ${acl.message}`;
  },
};

const capabilities = new Set(["create", "read", "update", "patch", "delete", "list", "sudo", "deny"]);

export const policyCapabilitiesKnown: ResourceRule = {
  name: "policy-capabilities-known",
  sentence: "Every path of a Vault policy names capabilities that Vault has, and no policy gives everything.",
  severity: "critical",
  fix: "Name the capabilities that are needed, and a path below a mount.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    for (const { path, capabilities: has } of aclOf(props)?.rules ?? []) {
      if (!has.every((capability) => capabilities.has(capability))) {
        const odd = has.filter((capability) => !capabilities.has(capability));
        yield `"${path}" has ${odd.join(", ")}, which Vault does not know`;
      }
      if (has.length === 0) yield `"${path}" has no capability`;
      // A pattern that begins at the root or right below a mount of Vault itself takes in the whole of it.
      if (/^(\/|\*|\+|(sys|auth|identity|kv|transit|database|secret)\/?[*+]*$)/.test(path)) {
        yield `"${path}" takes in a whole mount`;
      }
    }
  },
};

export const consumerNoSudo: ResourceRule = {
  name: "consumer-no-sudo",
  sentence: "The policy of a service or CI job never has sudo.",
  severity: "critical",
  fix: "Remove sudo; what needs it belongs to one of the platform's own roles.",
  controls: ["NIST-800-53r5/AC-6(10)", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl?.holder !== "consumer") return;
    for (const { path, capabilities: has } of acl.rules) if (has.includes("sudo")) yield `sudo on "${path}"`;
  },
};

export const consumerExactPaths: ResourceRule = {
  name: "consumer-exact-paths",
  sentence: "The policy of a service or CI job names exact paths, no pattern.",
  severity: "critical",
  fix: "Name each path that the consumer needs; the model does, from `consumers` and `reads`.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl?.holder !== "consumer") return;
    for (const { path } of acl.rules) {
      if (isPattern(path)) yield `"${path}" is a pattern`;
      if (path.includes("{{")) yield `"${path}" depends on who logs in`;
    }
  },
};

export const consumerOwnPaths: ResourceRule = {
  name: "consumer-own-paths",
  sentence:
    "The policy of a service or CI job reaches only what is its own: its values, its database users, keys of its system.",
  severity: "critical",
  fix: "Deliver a value to a path of the consumer's own instead of letting it read another's.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl?.holder !== "consumer") return;
    const own = ownPaths(acl.name);
    for (const { path, capabilities: has } of acl.rules) {
      const may = own(path);
      if (may === undefined) yield `"${path}" is not the consumer's own`;
      else if (has.some((capability) => capability !== may)) {
        yield `"${path}" may ${has.filter((capability) => capability !== may).join(", ")} beside ${may}`;
      }
    }
  },
};

/** Where consumers find what is their system's: what its path begins with before the system's name, and the form of the rest. */
const ofTheirSystem = [
  // A database's rotation login has a longer name and is nobody's own.
  { below: "database/creds/", form: /^[\w-]+\.[\w-]+$/, may: "read" },
  ...["encrypt", "decrypt", "rewrap"].map((use) => ({
    below: `transit/${use}/`,
    form: /^[\w-]+$/,
    may: "update",
  })),
];

/**
 * What `system.service` or `system.ci.job` may do at a path of its own; nothing at another's. The function that rotates
 * a database's users in Secrets Manager has a policy of the database's name, and its login alone.
 */
function ownPaths(name: string): (path: string) => string | undefined {
  const database = /^([\w-]+\.[\w-]+)\.keyplane\.rotate-postgres$/.exec(name)?.[1];
  if (database !== undefined) {
    const login = `database/creds/${database}.keyplane.rotate`;
    return (path) => (path === login ? "read" : undefined);
  }
  const named = /^([\w-]+)\.(?:ci\.([\w-]+)|([\w-]+))$/.exec(name);
  if (named === null) return () => undefined;
  const [, system, job, service] = named;
  const values = `kv/data/${job === undefined ? `services/${system}/${service}` : `ci/${system}/${job}`}/`;
  return (path) => {
    if (path.startsWith(values)) return /^[\w.-]+$/.test(path.slice(values.length)) ? "read" : undefined;
    // A job reads values and nothing else.
    const place = job === undefined ? ofTheirSystem.find(({ below }) => path.startsWith(below)) : undefined;
    if (place === undefined || !path.startsWith(`${system}.`, place.below.length)) return undefined;
    return place.form.test(path.slice(`${place.below}${system}.`.length)) ? place.may : undefined;
  };
}

/** Where Vault itself demands sudo and the platform has a use for it. https://developer.hashicorp.com/vault/docs/concepts/policies#root-protected-api-endpoints */
const needsSudo = [
  /^auth\/token\/accessors$/,
  /^sys\/audit$/,
  // The catalogue may name a device that no policy in force knows yet.
  /^sys\/audit\/(\+|[\w.-]+)$/,
  /^sys\/auth\/[\w.-]+(\/tune)?$/,
  /^sys\/leases\/revoke-prefix\/database\/creds\/[\w.-]+$/,
  /^sys\/leases\/lookup\/database\/creds\/[\w.-]+$/,
];

export const sudoExact: ResourceRule = {
  name: "sudo-exact",
  sentence: "Sudo stands only where Vault demands it, at exact paths.",
  severity: "critical",
  fix: "Name the path that Vault refuses without sudo, or drop sudo.",
  controls: ["NIST-800-53r5/AC-6(1)", "NIST-800-53r5/AC-6(5)", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    for (const { path, capabilities: has } of aclOf(props)?.rules ?? []) {
      if (has.includes("sudo") && !needsSudo.some((exact) => exact.test(path))) {
        yield `sudo on "${path}", which is not one of the paths that the platform needs it for`;
      }
    }
  },
};

/** The one role that handles values. */
const engine = "keyplane.rotate";

export const valuesReadByFew: ResourceRule = {
  name: "values-read-by-few",
  sentence: "Of the platform's own roles, the rotation engine alone reaches secret values.",
  severity: "critical",
  fix: "Take the paths below kv/data, database/creds and transit/decrypt out of this policy.",
  controls: ["NIST-800-53r5/AC-5", "NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl?.holder !== "platform" || acl.name === engine) return;
    for (const rule of acl.rules) {
      if (liesIn(rule, values) && !holdsNoValue(rule)) yield `"${rule.path}" reaches values`;
    }
  },
};

const whereValuesAre = [
  "kv/data/*",
  ...["database/creds/*", "database/static-creds/*"],
  ...["transit/decrypt/*", "transit/datakey/*", "transit/export/*", "transit/backup/*"],
];
const values = placesOf(...whereValuesAre);

const journals = placesOf("kv/data/rotation/*", "kv/data/evidence/*");

/** Journals and evidence of rotations: names, versions and times. */
function holdsNoValue({ requests }: AclRule): boolean {
  return journals.near(requests).some(({ at }) => within(requests, at));
}

export const noPatternAcrossSystems: ResourceRule = {
  name: "no-pattern-across-systems",
  sentence:
    "No policy of people, CI or services reads values by a pattern that reaches from one system into another.",
  severity: "critical",
  fix: "Name each secret's path; the model does, from `reads` and `operates` of the group.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl === undefined || acl.name === engine) return;
    for (const rule of acl.rules) {
      if (!isPattern(rule.path) || holdsNoValue(rule)) continue;
      if (liesIn(rule, ofSystems)) yield `"${rule.path}" reaches every system`;
    }
  },
};

const ofSystems = placesOf(...whereValuesAre, "transit/encrypt/*", "transit/rewrap/*");

export const policyOfItsDuty: ResourceRule = {
  name: "policy-of-its-duty",
  sentence:
    "The platform's own roles and its groups of people may do what their duty needs, at its places, and nothing else.",
  severity: "critical",
  fix: "Take the right out of the policy; a new duty is written down in policies/vault/duties.ts, which reviewers read.",
  controls: ["NIST-800-53r5/AC-5", "NIST-800-53r5/AC-6", "NIST-800-53r5/AC-6(1)", "R7", "R59"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    const duties = acl === undefined ? undefined : dutiesOf(acl.name);
    if (acl === undefined || duties === undefined) return;
    if (duties.length === 0) yield "the platform has no role of this name";
    // Of several duties, that of which it leaves out least.
    const [least = []] = duties
      .map((duty) => acl.rules.flatMap((rule) => excess(duty, rule)))
      .sort((one, other) => one.length - other.length);
    for (const { rule, more } of least) yield `"${rule.path}" may ${more.join(", ")}`;
  },
};

function excess(duty: Duty, rule: AclRule): { rule: AclRule; more: string[] }[] {
  const more = beyond(duty, rule);
  return more.length === 0 ? nowhere : [{ rule, more }];
}
const nowhere: [] = [];

export const policiesWrittenByDeploy: ResourceRule = {
  name: "policies-written-by-deploy",
  sentence: "The deploy role alone writes policies, logins and roles: who writes them can take any right.",
  severity: "critical",
  fix: "Leave the change to keyplane.deploy, which reviewers hold.",
  controls: ["NIST-800-53r5/AC-5", "NIST-800-53r5/AC-6(1)", "NIST-800-53r5/CM-5", "R7", "R59"],
  types: [vault.policy],
  *judge({ props }) {
    const acl = aclOf(props);
    if (acl === undefined || acl.name === "keyplane.deploy") return;
    for (const rule of acl.rules) {
      const { path, capabilities: has, parameters } = rule;
      if (!has.some((capability) => ["create", "update", "patch", "delete"].includes(capability))) continue;
      const named = parameters?.every((parameter) => !/polic|role|member|token|ttl/i.test(parameter));
      if (named !== true && liesIn(rule, rights)) yield `"${path}" can be written`;
    }
  },
};

/** Paths whose content decides what somebody may do. */
const rights = placesOf(
  ...["policy", "policies", "auth", "mounts", "audit", "raw", "rekey", "generate-root", "plugins"].flatMap(
    (place) => [`sys/${place}`, `sys/${place}/*`],
  ),
  ...["sys/remount", "sys/seal", "sys/step-down", "sys/namespaces/*", "sys/storage/*", "sys/config/*"],
  ...["auth/token/create", "auth/token/create/*", "auth/token/create-orphan", "auth/token/roles/*"],
  ...["auth/+/config", "auth/+/config/*", "auth/+/users/*", "auth/+/map/*", "auth/+/groups/*"],
  ...["auth/+/role/+", "auth/+/role/+/policies", "auth/+/role/+/token-policies"],
  ...["entity", "group", "entity-alias", "group-alias", "oidc"].flatMap((place) => [
    `identity/${place}`,
    `identity/${place}/*`,
  ]),
  ...["identity/mfa/login-enforcement/*", "identity/mfa/method/totp"],
  ...["database/roles/*", "database/static-roles/*", "database/config/*", "transit/keys/+"],
);

const selfService = [
  "auth/token/lookup-self",
  "auth/token/renew-self",
  "auth/token/revoke-self",
  "cubbyhole/*",
  "identity/entity/id/{{identity.entity.id}}",
  "identity/entity/name/{{identity.entity.name}}",
  "sys/capabilities-self",
  "sys/internal/ui/resultant-acl",
  "sys/leases/lookup",
  "sys/leases/renew",
  "sys/wrapping/lookup",
  "sys/wrapping/unwrap",
  "sys/wrapping/wrap",
];

export const defaultPolicySelf: ResourceRule = {
  name: "default-policy-self",
  sentence: "The policy that every token carries lets it look after itself and nothing else.",
  severity: "high",
  fix: "Give the right to the policy of who needs it.",
  controls: ["NIST-800-53r5/AC-6", "R7"],
  types: [vault.policy],
  *judge({ props, protect }) {
    const acl = aclOf(props);
    if (acl?.holder !== "default") return;
    if (!protect) yield "it is not protected, and Vault refuses to delete it";
    for (const { path, capabilities: has } of acl.rules) {
      if (!selfService.includes(path) || has.includes("sudo"))
        yield `"${path}" is more than a token's own affairs`;
    }
  },
};

export const defaultPolicyDeclared: StackRule = {
  name: "default-policy-declared",
  sentence:
    "The policy that every token carries is declared: Vault's own text of it reaches beyond a token's own affairs.",
  severity: "medium",
  fix: "Declare the policy `default` where the mounts are declared; the model does.",
  controls: ["NIST-800-53r5/AC-6", "R7"],
  *judgeStack(resources) {
    // The mounts are declared by the stack that declares the platform's policies; a part with systems alone has neither.
    if (!mounts.some((type) => ofType(resources, type).length > 0)) return;
    if (ofType(resources, vault.policy).some(({ props }) => text(props.name) === "default")) return;
    yield {
      message:
        "the policy default is not declared: every token may hash by sys/tools and ask every OIDC provider of this Vault",
    };
  },
};

export const secretIdsWrapped: ResourceRule = {
  name: "secret-ids-wrapped",
  sentence: "Who hands over a host's secret id gets it wrapped for an hour at most, never in clear.",
  severity: "high",
  fix: "Set min_wrapping_ttl, and max_wrapping_ttl of at most 1h, on the path.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.1-creation", "R57"],
  types: [vault.policy],
  *judge({ props }) {
    for (const { path, capabilities: has, wrapped, longestWrap } of aclOf(props)?.rules ?? []) {
      if (!/^auth\/[^/]+\/role\/[^/]+\/(custom-)?secret-id$/.test(path)) continue;
      const makes = has.some((capability) => capability === "create" || capability === "update");
      if (!makes) continue;
      if (!wrapped || longestWrap === undefined) yield `"${path}" answers in clear`;
      else if (!bounded(longestWrap, 3600)) yield `"${path}" answers wrapped for over an hour`;
    }
  },
};
