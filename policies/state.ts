import { isToBeDeleted } from "./aws/secrets.ts";
import { ofType } from "./resource.ts";
import type { Resource, ResourceRule, Rule, StackRule } from "./rule.ts";
import { unknownProperty } from "./unknown.ts";
import { record, text } from "./value.ts";
import { vault } from "./vault/types.ts";

/** Ends of names of properties that hold a live value and nothing else, in any provider. */
const liveNames =
  /(password|passwd|passphrase|private_?key(_?pem)?|secret|secret_?id|secret_?key|secret_?access_?key|secret_?string|secret_?binary|client_?secret|token|token_?reviewer_?jwt|service_?account_?jwt|credentials|data_json_wo|api_?key|bindpass|hmac(_?key)?|signing_?key|encryption_?key|unseal_?key|recovery_?key|master_?key)$/i;

const secretRotation = "aws:secretsmanager/secretRotation:SecretRotation";

/** No form of a live value is shorter. */
const shortest = 8;

/** Forms of values that are live wherever they stand. Each is published by who issues them. */
const forms: [RegExp, string][] = [
  [/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/, "a private key"],
  // The same in base64: PRIVATE KEY, and those of RSA, EC, OPENSSH and ENCRYPTED.
  [/LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0EgUFJJ|BFQyBQUklW|BPUEVOU1NI|BFTkNSWVBU)/, "a private key"],
  [/AGE-SECRET-KEY-1[0-9A-Z]{20,}/, "a private age key"],
  [/\bhv[sbr]\.[A-Za-z0-9_-]{20,}/, "a Vault token"],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, "an AWS access key"],
  [/\bgh[oprsu]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}/, "a GitHub token"],
  [/\bxox[abeprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com\/services\/T\w+\/B\w+\/\w+/, "a Slack token"],
  [/\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}/, "an API key"],
  [/\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}/, "a Stripe key"],
  [/\bglpat-[\w-]{20,}|\bdop_v1_[0-9a-f]{64}\b|\bhf_[A-Za-z]{30,}/, "an access token"],
  [/\bAIza[\w-]{35}/, "a Google API key"],
  [/\bSG\.[\w-]{16,}\.[\w-]{16,}/, "a SendGrid key"],
  [/\bxapp-\d-[A-Z0-9]+-\d+-[0-9a-f]+/, "a Slack token"],
  [/-----BEGIN PGP PRIVATE KEY BLOCK-----/, "a private key"], // pragma: allowlist secret
  [/\bAccountKey=[A-Za-z0-9+/]{40,}/, "a key of a storage account"],
  [/\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/, "a JSON web token"],
  [/\bpul-[0-9a-f]{40}\b|\bnpm_[A-Za-z0-9]{36}\b/, "an access token"],
  [/\bgAAAAA[A-Za-z0-9_-]{60,}/, "a Fernet token"],
  [/:\/\/[^\s:/@]+:(?!\{\{?\w+\}\}?@)[^\s:/@]{3,}@/, "a URL with a password"],
  // As a parameter of a URL, or in the words of a database's client.
  [/password=(?!\{\{?\w+\}\}?)[^\s&;]{3,}/, "a password of a connection"],
];

export const noLiveValue: ResourceRule = {
  name: "state-no-live-value",
  sentence:
    "No resource's input or output holds a live value or key material, encrypted in the state or not.",
  severity: "critical",
  fix: "Declare the place and let the rotation engine, or `keyplane set`, write the value.",
  controls: [
    "NIST-800-53r5/IA-5(7)",
    "NIST-800-53r5/SC-28",
    "NIST-800-57p1r5/6.2.2",
    "OWASP-Secrets/2.7.1-creation",
    "R53",
    "R54",
    "R55",
  ],
  isAbsolute: true,
  types: [],
  judgesOutputs: true,
  *judge({ type, props }) {
    // Judged by `state-bootstrap-ends`: it is dead when the update ends.
    const bootstrap = type === vault.connection ? "postgresql.password" : undefined;
    if (!mayBeLive(props)) return;
    for (const [path, name, value] of leaves(props, "", "")) {
      // Secrets Manager's name of a secret, whose value Pulumi never sees.
      if (path === bootstrap || (path === "secretId" && type === secretRotation)) continue;
      // What a login asks for or is named after is no value: such a property is a flag or a number. A provider's is a text.
      if (isLiveName(name) && typeof value === "string" && !["", "true", "false"].includes(value))
        yield `${path} is the name of a live value`;
      if (typeof value !== "string" || value.length < shortest) continue;
      for (const [form, what] of forms) if (form.test(value)) yield `${path} holds ${what}`;
    }
  },
};

/** Nearly every resource has nothing that could be: this asks once, without the paths that a finding needs. */
function mayBeLive(props: Resource["props"]): boolean {
  try {
    return isSuspect(props, "");
  } catch (error) {
    // Not known yet; what is found before it is still said.
    if (unknownProperty(error) !== undefined) return true;
    throw error;
  }
}

const anyForm = new RegExp(forms.map(([form]) => form.source).join("|"));

/** One of these stands in whatever has a form: looking for them alone is twice as fast. */
const anyMark =
  /PRIVATE KEY|LS0tLS1CRUdJTi|AGE-SECRET-KEY|hvs\.|hvb\.|hvr\.|AKIA|ASIA|ghp_|gho_|ghr_|ghs_|ghu_|github_pat_|xox|xapp-|hooks\.slack|sk-|sk_|rk_|whsec_|glpat-|dop_v1_|hf_|AIza|SG\.|AccountKey=|eyJ|pul-|npm_|gAAAAA|password=|:\/\//;

function hasForm(value: string): boolean {
  return anyMark.test(value) && anyForm.test(value);
}

function isSuspect(value: unknown, name: string): boolean {
  if (typeof value === "string") {
    if (value === "") return false;
    return isLiveName(name) || (value.length >= shortest && hasForm(value));
  }
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (isSuspect(value[index], name)) return true;
    return false;
  }
  const isLive = isLiveName(name);
  for (const key in value) {
    if (isSuspect((value as Record<string, unknown>)[key], isLive ? name : key)) return true;
  }
  return false;
}

/** Names come again with every resource of a type. */
const known = new Map<string, boolean>();

function isLiveName(name: string): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  const isLive = liveNames.test(name);
  if (known.size >= 10_000) known.clear();
  known.set(name, isLive);
  return isLive;
}

function* leaves(
  value: unknown,
  path: string,
  name: string,
): Generator<[path: string, name: string, value: unknown]> {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) yield* leaves(value[index], `${path}[${index}]`, name);
  } else if (typeof value === "object" && value !== null) {
    for (const key of Object.keys(value)) {
      const within = path === "" ? key : `${path}.${key}`;
      // What stands below the name of a live value is one, whatever it is called itself.
      yield* leaves((value as Record<string, unknown>)[key], within, isLiveName(name) ? name : key);
    }
  } else yield [path, name, value];
}

export const bootstrapEnds: StackRule = {
  name: "state-bootstrap-ends",
  sentence:
    "A password that must pass through a resource is replaced in the same update, by one that nobody knows.",
  severity: "critical",
  fix: "Declare a rotate-root call for the connection; infra/vault/databases.ts does.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.2-rotation", "R53"],
  *judgeStack(resources) {
    const connections = ofType(resources, vault.connection);
    const calls = ofType(resources, vault.endpoint);
    const rotated = new Set(calls.map(({ props }) => text(props.path)));
    for (const { urn, props } of connections) {
      const path = `${text(props.backend) ?? ""}/rotate-root/${text(props.name) ?? ""}`;
      if (!rotated.has(path))
        yield { urn, message: `nothing writes ${path}: its first password stays alive` };
      if (record(props.postgresql).rotationPeriod !== undefined)
        yield { urn, message: "rotationPeriod is of Vault Enterprise" };
    }
  },
};

/** Types whose deletion loses data, or locks people out. */
export const dataHolding: readonly string[] = [
  vault.mount,
  vault.auth,
  vault.jwt,
  vault.key,
  vault.connection,
  vault.totp,
  vault.enforcement,
  "aws:kms/key:Key",
  "aws:secretsmanager/secret:Secret",
  "aws:s3/bucket:Bucket",
  "aws:s3/bucketV2:BucketV2",
  "aws:cloudtrail/trail:Trail",
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:rds/instance:Instance",
  "aws:rds/cluster:Cluster",
];

export const dataProtected: ResourceRule = {
  name: "state-data-protected",
  sentence: "What holds data is protected: no update without its entry and no `destroy` removes it.",
  severity: "critical",
  fix: "Pass dataHolding() among its options; retired: { delete: true } in the catalogue lifts it.",
  controls: ["NIST-800-53r5/SI-12", "R22"],
  types: dataHolding,
  *judge(resource) {
    if (!resource.protect && !retired(resource)) yield "it is not protected";
  },
};

/**
 * What a reviewed change has given up loses its protection by the same change: a key that may be deleted, a database of which
 * nobody gets a user any more, a secret that says so. A log group that is never deleted needs none.
 */
function retired({ type, props }: Resource): boolean {
  if (type === vault.key) return props.deletionAllowed === true;
  if (type === vault.connection) return isEmpty(props.allowedRoles);
  if (type === "aws:secretsmanager/secret:Secret") return isToBeDeleted(props);
  return type === "aws:cloudwatch/logGroup:LogGroup" && props.skipDestroy === true;
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Components of infra/, which declare nothing by themselves. */
const components: ReadonlySet<string> = new Set([
  ...["AuditDevices", "DatabaseCredentials", "HumanLogin"].map((name) => `keyplane:vault:${name}`),
  ...["AuditTrail", "DatabaseUserSecret", "RotationFunction"].map((name) => `keyplane:aws:${name}`),
]);

/** Refuses what none of the other rules looks at. */
export function typeJudged(rules: readonly Rule[]): ResourceRule {
  const judged = new Set(rules.flatMap(({ types }) => types ?? []));
  return {
    name: "state-type-judged",
    sentence: "Every resource is of a type that a rule looks at: nothing new comes in unseen.",
    severity: "high",
    fix: "Write rules for the type in policies/, or declare it by one that has them.",
    controls: ["NIST-800-53r5/CM-4", "R7"],
    isAbsolute: true,
    types: [],
    *judge({ type }) {
      if (type !== "pulumi:pulumi:Stack" && !components.has(type) && !judged.has(type))
        yield `no rule judges ${type}`;
    },
  };
}
