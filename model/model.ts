import type { AwsModel } from "./aws.ts";
import type { Seconds } from "./duration.ts";
import type { Retired } from "./retired.ts";
import type { AppRole, JwtRole, KubernetesRole, Policy, RateLimitQuota, VaultSettings } from "./vault.ts";

export type { Retired } from "./retired.ts";

/**
 * What is derived from the catalogue for one environment: plain data, every list ordered by `id` or `name`,
 * so that it can be compared, snapshotted and sent anywhere. It never holds a secret's value.
 *
 * Names of Vault objects join catalogue names by ".", which catalogue names cannot contain: no two entries
 * can meet in one name. The `path`s are KV v2 logical paths without the mount and without "data/".
 */
export interface Model {
  organization: string;
  environment: string;
  /** The environment whose evidence this one waits for (R25), if any. */
  after?: string;
  /** How that environment's evidence is read. */
  promotion?: Promotion;
  /** The repository whose workflows deploy, rotate, check drift and enrol. */
  platform: { repository: Repository };
  vault: VaultSettings;
  github: GitHubSettings;
  people: Person[];
  groups: Group[];
  systems: System[];
  services: Service[];
  secrets: Secret[];
  databases: Database[];
  encryptionKeys: EncryptionKey[];
  ciJobs: CiJob[];
  /** Every ACL policy of the environment: services', CI jobs', groups' and the platform's own. */
  policies: Policy[];
  jwtRoles: JwtRole[];
  appRoles: AppRole[];
  kubernetesRoles: KubernetesRole[];
  quotas: RateLimitQuota[];
  /** Age recipients of the Git bootstrap (public halves), by the person who holds the other half (R4). */
  recipients: { person: string; age: string }[];
  contacts: { security: string; onCall: string };
  /** Defaults and toggles that are no secrets; the Git bootstrap holds them beside `vault:` references (R3). */
  settings: Setting[];
  /** Secure defaults that are turned off on purpose; whoever judges checks `expires` against the day. */
  exceptions: Exception[];
  /** Names of the stack parts that build the systems, ordered. */
  parts: string[];
  rotation: RotationSettings;
  aws?: AwsModel;
}

/** What a rotation reads: secrets, and the services and databases that they are for; nothing of people. */
export type RotationModel = Pick<
  Model,
  | "organization"
  | "environment"
  | "promotion"
  | "vault"
  | "services"
  | "ciJobs"
  | "secrets"
  | "databases"
  | "encryptionKeys"
  | "appRoles"
  | "kubernetesRoles"
  | "settings"
  | "rotation"
>;

/** Where an earlier environment keeps evidence of its rotations, and the role that may read it and nothing else (R25). */
export interface Promotion {
  environment: string;
  /** Of its Vault. */
  address: string;
  mounts: { kv: string; transit: string; github: string };
  /** Role on its GitHub mount, for this environment's rotate workflow. */
  role: string;
  audience: string;
  evidenceKey: string;
}

/** When and how much may rotate at once, in this environment. */
export interface RotationSettings {
  /** Rotations under way at once: those that touch one service, and all of them. */
  concurrent: { perService: number; total: number };
  /** A due date is spread over so long a time, by a hash of the secret's id. */
  jitter: Seconds;
  /** Nothing begins in these (what is under way goes on); `days` 0 is Sunday, times are minutes after midnight UTC. */
  blackouts: { days: number[]; from: number; to: number; reason: string }[];
  /** How long error rates are watched after the signers have the new value. */
  watch: Seconds;
  /** How long evidence of a rotation lets the next environment follow (R25). */
  evidence: Seconds;
}

export interface Setting {
  system: string;
  /** The variable. */
  name: string;
  value: string;
  class: "plain" | "sensitive";
  /** Ids of the services that get it. */
  services: string[];
}

export interface Exception {
  name: string;
  rule: string;
  /** The entry that it is about, e.g. titan/ledger. */
  appliesTo: string;
  owner: string;
  reason: string;
  /** The last day on which it holds, YYYY-MM-DD. */
  expires: string;
}

export interface GitHubSettings {
  /** Issuer of the OIDC tokens; its discovery document lies at `<issuer>/.well-known/openid-configuration`. */
  issuer: string;
  /** PEM of the CA of the issuer, where it is not a public one. */
  issuerCertificate?: string;
  audience: string;
  /** GitHub environment of this environment's jobs and the branches that its rule admits. */
  environment: string;
  branches: string[];
}

export interface Repository {
  /** owner/name */
  name: string;
  id: number;
  ownerId: number;
}

export interface Person {
  name: string;
  email: string;
  groups: string[];
}

export interface Group {
  name: string;
  purpose: string;
  members: string[];
  policies: string[];
}

export interface System {
  name: string;
  owner: string;
  /** The stack part that builds it, where the environment is built in parts. */
  part: string;
  repository?: Repository;
  retired?: Retired;
}

export interface Service {
  /** system/service */
  id: string;
  system: string;
  name: string;
  runsOn: "compose" | "kubernetes" | "supervisor" | "paas";
  /** Numeric uid or user name on the host; owner of the rendered files (R45). */
  user?: number | string;
  reload: "restart" | "watch" | { signal: string };
  /** How long it takes at most to run what it was brought, where nobody can see what it runs. */
  settles: Seconds;
  /** Kubernetes only: exact names for the auth role. */
  kubernetes?: { namespace: string; serviceAccount: string };
  policy: string;
  /** How its values arrive, in order. */
  deliver: Delivery[];
  /** Where it can be looked at: base URL of each instance; a path of Prometheus metrics below it; a log file. */
  /** `pattern`: a regular expression (flag u) of the lines of `log` that are errors, in the place of the usual words. */
  observe?: { instances: string[]; metrics?: string; log?: string; pattern?: string };
  /** The catalogue says `observe: none`: nobody can look at it here, and probes are not asked of it. */
  unobserved?: true;
  retired?: Retired;
}

/** A target of delivery; names are the target's own. */
export type Delivery =
  /** Files in `folder` beside a Compose overlay, mounted under `mount` (R40). */
  | { to: "compose-secrets"; overlay: string; beside: string; folder: string; mount: string }
  /** Vault Agent renders files below `folder` and reloads (R41). */
  | { to: "vault-agent"; folder: string }
  | { to: "env-file"; path: string }
  | { to: "files"; folder: string }
  | { to: "kubernetes-secret"; namespace: string; secret: string }
  | { to: "vault-secrets-operator"; namespace: string; secret: string }
  | { to: "railway"; project: string; service: string }
  | { to: "fly"; app: string }
  | { to: "render"; service: string }
  | { to: "heroku"; app: string }
  /** Of the repository, or of its GitHub environment (R44). */
  | { to: "github-actions"; repository: string; environment?: string };

export type SecretKind =
  | "hmac"
  | "api-key"
  | "token"
  | "password"
  | "postgres-password"
  | "nats"
  | "jwt"
  | "fernet"
  | "s3"
  | "webhook"
  | "file"
  | "certificate";

export interface Secret {
  /** system/secret */
  id: string;
  system: string;
  name: string;
  owner: string;
  class: "critical" | "sensitive";
  kind: SecretKind;
  /** Field names of a stored version, ordered as declared by kind or catalogue. */
  fields: string[];
  description?: string;
  /** Who issues it, where it is not made here. */
  provider?: {
    name: string;
    rotateWithin?: Seconds;
    api: boolean;
    /** How its API is spoken to; `rest` where absent. */
    adapter?: "rest" | "openai" | "bybit" | "aws" | "slack";
    /** How often it may be asked, where it says so. */
    rate?: { requests: number; per: Seconds };
    /** Base URL of its API in this environment; without one it cannot rotate here. */
    address?: string;
    /** Id of the secret that the API is called with; the secret itself where absent. */
    credential?: string;
  };
  /** The NATS servers whose users it holds (kind nats). */
  nats?: NatsTarget;
  /** Ciphertext under this key (kind fernet), re-encrypted before the old key goes (R23). */
  stored: StoredCiphertext[];
  /**
   * How a first or next value is made; `hand` has no generator: `keyplane set`; `provider` is made by the
   * provider's API when it rotates, its first value is set by hand.
   */
  generator:
    | { by: "machine"; bytes: number; encoding: "hex" | "base64" | "base64url" | "fernet" | "es256" }
    | { by: "hand" }
    | { by: "provider"; provider: string };
  rotate: {
    by: "machine" | "hand";
    every?: Seconds;
    overlap: Seconds;
    onCompromise: boolean;
    method?: "alternating" | "single";
  };
  idle?:
    | { source: "metric"; metric: string }
    | { source: "audit" | "provider" | "sessions" | "sinks" | "none" };
  probe?: { log: string } | { http: string } | { command: string[] };
  /** What a rotation does to people, said before it happens (R49). */
  impact?: string;
  /** Path that only the engine reads and writes. */
  source: string;
  /** The rotation's journal, written with check-and-set. */
  journal: string;
  /** Where evidence of a rotation that stayed healthy is written for the next environment (R25). */
  evidence: string;
  /**
   * Static database user whose password this is: the database's id, and the login names, of which the first
   * holds the first password; two that take turns where the method is alternating (R31).
   */
  databaseUser?: { database: string; user: string; memberOf: string; logins: string[] };
  /**
   * Assembled fields: field name → template over the others, e.g. "postgresql://{user}:{password}@db:5432/app".
   * {host}, {port} and {database} of a database user are already filled in.
   */
  templates: Record<string, string>;
  consumers: Consumer[];
  retired?: Retired;
}

/** A nats-server whose users stand in a file that its configuration includes. */
export interface NatsTarget {
  /** nats:// or tls:// URLs. */
  servers: string[];
  /** The included file, which the engine writes: `users = [ … ]` with bcrypt hashes. */
  usersFile: string;
  /** The file with the server's process id, which gets SIGHUP to read it again. */
  pidFile: string;
  /** Base URL of its monitoring, which lists connections by user. */
  monitor?: string;
}

/** A column of ciphertext; batches go by its table's unique, ordered column `key`. */
export interface StoredCiphertext {
  /** system/database */
  database: string;
  schema: string;
  table: string;
  key: string;
  column: string;
}

export interface Consumer {
  /** system/service, or system/ci/job for a CI job. */
  id: string;
  kind: "service" | "ci";
  name: string;
  role: "listener" | "signer" | "reader";
  /** The consumer's own path, which it alone reads. */
  path: string;
  /** Variable → field. A variable that ends in _FILE names a file with the field's value. */
  as: Record<string, string>;
  /** File name of each _FILE variable, without a folder. */
  files: Record<string, string>;
}

export interface Database {
  /** system/database */
  id: string;
  system: string;
  name: string;
  engine: "postgres";
  /** Vault connection name. */
  connection: string;
  host: string;
  port: number;
  /** Database name inside the server. */
  database: string;
  tls: "disable" | "verify-full";
  /**
   * The role that Vault logs in as. It may call the functions that make, extend and drop users and has no other right.
   * Its bootstrap password dies in the same update.
   */
  manager: string;
  /**
   * How the rotation engine manages static users: it logs in with short credentials of the Vault role `role` and acts
   * as the Postgres role `actsAs`, which has CREATEROLE, administers the groups and is no superuser.
   */
  rotation: { role: string; actsAs: string };
  /** `GRANT <grant> TO "<name>"` is a statement for each. */
  groups: { name: string; grants: string[] }[];
  users: DynamicUser[];
  retired?: Retired;
}

export interface DynamicUser {
  /** Vault database role. */
  role: string;
  /** system/service that may ask for credentials. */
  service: string;
  memberOf: string;
  ttl: Seconds;
  maxTtl: Seconds;
  creationStatements: string[];
  renewStatements: string[];
  revocationStatements: string[];
}

export interface EncryptionKey {
  /** system/key */
  id: string;
  system: string;
  name: string;
  /** Transit key name. */
  key: string;
  type: "aes256-gcm96";
  owner: string;
  autoRotate: Seconds;
  retain: Seconds;
  consumers: { id: string; may: ("encrypt" | "decrypt" | "rewrap")[] }[];
  /** What is encrypted with it, rewrapped before an old version stops to decrypt (R23). */
  stored: StoredCiphertext[];
  /** The rotation's journal, written with check-and-set. */
  journal: string;
  /** Where evidence of a rotation that stayed healthy is written for the next environment (R25). */
  evidence: string;
  retired?: Retired;
}

export interface CiJob {
  /** system/ci/job */
  id: string;
  system: string;
  name: string;
  workflow: string;
  /** Ids of the secrets it reads. */
  reads: string[];
  policy: string;
  /** Targets to which its values are pushed; empty where it reads Vault itself. */
  deliver: Delivery[];
}
