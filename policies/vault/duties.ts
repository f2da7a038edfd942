import type { Capability } from "../../model/vault.ts";
import { type AclPath, aclPath, within } from "./acl-path.ts";
import { AclPlaces } from "./acl-places.ts";
import type { AclRule } from "./acl-text.ts";

/** Something that has to be done in Vault: where, and what may be done there. */
interface Work {
  places: readonly Place[];
  may: readonly Capability[];
  /** The only parameters that a request for it may carry. */
  parameters?: readonly string[];
}

interface Place {
  at: AclPath;
  /** For paths without a pattern: what they look like, all of them below `at`. */
  form?: RegExp;
}

/** All that somebody has to do. */
export type Duty = AclPlaces<Place & { work: Work }>;

/** Paths without a pattern, by what goes on below a place. */
function exactly(below: string, rest: RegExp): Place {
  return { at: aclPath(`${below}*`), form: new RegExp(`^${below}${rest.source}$`) };
}

/** Places are paths as policies write them, or exact ones of some form. */
function work(
  may: readonly Capability[],
  places: readonly (string | Place)[],
  parameters?: readonly string[],
): Work {
  return {
    places: places.map((place) => (typeof place === "string" ? { at: aclPath(place) } : place)),
    may,
    ...(parameters !== undefined && { parameters }),
  };
}

function duty(...works: readonly Work[]): Duty {
  return new AclPlaces(works.flatMap((work) => work.places.map((place) => ({ ...place, work }))));
}

const change = ["create", "read", "update", "delete"] as const;
/** What stays: its settings may be made, and it is never taken away. */
const settle = ["create", "read", "update"] as const;

/** To see how Vault is set up, and of values their versions and times. Vault demands sudo for some of it. */
const look: readonly Work[] = [
  work(["read", "list", "sudo"], ["auth/token/accessors", "sys/audit", "sys/auth/+", "sys/auth/+/tune"]),
  work(
    ["read", "list"],
    [
      ...["sys/auth", "sys/mounts", "sys/mounts/+", "sys/mounts/+/tune"],
      ...["sys/policies/acl", "sys/policies/acl/*", "sys/quotas/rate-limit", "sys/quotas/rate-limit/+"],
      ...["auth/+/config", "auth/+/config/client", "auth/+/role", "auth/+/role/+", "auth/+/role/+/role-id"],
      ...["auth/userpass/users", "auth/userpass/users/+"],
      ...["identity/entity/*", "identity/entity-alias/*", "identity/group/*", "identity/group-alias/*"],
      ...["identity/mfa/login-enforcement", "identity/mfa/login-enforcement/+"],
      ...["identity/mfa/method/totp", "identity/mfa/method/totp/+"],
      ...["database/config", "database/config/+", "database/roles", "database/roles/+"],
      ...["transit/keys", "transit/keys/+", "kv/config", "kv/metadata/*"],
    ],
  ),
];

/** To make what the catalogue declares: who may log in, what they may do, where things lie. Nothing in it is a value. */
const build: readonly Work[] = [
  ...look,
  work([...settle, "sudo"], ["sys/auth/+", "sys/auth/+/tune"]),
  work(["create", "update", "delete", "sudo"], ["sys/audit/+"]),
  work(settle, ["sys/mounts/+", "sys/mounts/+/tune", "sys/mounts/auth/+/tune"]),
  work(change, ["sys/policies/acl/*", "sys/quotas/rate-limit/+"]),
  work(settle, ["auth/github/config", "auth/kubernetes/config", "auth/oidc/config", "kv/config"]),
  work(change, ["auth/aws/config/client", "database/config/+", "database/roles/+", "transit/keys/+"]),
  work(
    change,
    ["github", "approle", "kubernetes", "aws", "oidc"].map((mount) => `auth/${mount}/role/+`),
  ),
  work(change, ["identity/entity/id/+", "identity/entity-alias/id/+", "identity/entity/name/+"]),
  work(change, ["identity/group/id/+", "identity/group-alias/id/+", "identity/group/name/+"]),
  work(change, ["identity/mfa/method/totp/+", "identity/mfa/login-enforcement/+"]),
  work(
    ["create", "update"],
    [
      ...["identity/entity", "identity/entity-alias", "identity/group", "identity/group-alias"],
      ...["identity/lookup/entity", "identity/lookup/group", "identity/mfa/method/totp"],
      ...["database/rotate-root/+", "transit/keys/+/config"],
    ],
  ),
];

const held = ["source", "services", "ci"];

/** To make values, bring them to consumers and end old ones; what is deleted is a version, never a path. */
const rotate: readonly Work[] = [
  work(
    settle,
    [...held, "rotation", "evidence"].map((root) => `kv/data/${root}/*`),
  ),
  work(
    [...settle, "patch", "list"],
    [...held, "rotation", "evidence"].map((root) => `kv/metadata/${root}/*`),
  ),
  work(
    ["create", "update"],
    held.map((root) => `kv/destroy/${root}/*`),
  ),
  work(["update"], [exactly("transit/", /(hmac|verify)\/keyplane\.(fingerprint|evidence)(\/sha2-256)?/)]),
  work(
    ["read"],
    ["transit/keys/+", "database/config/+", exactly("database/creds/", /[\w.-]+\.keyplane\.rotate/)],
  ),
  work(["create", "update"], ["transit/keys/+/config"], ["min_decryption_version", "min_encryption_version"]),
  work(["update"], ["transit/keys/+/trim"], ["min_available_version"]),
  work(["update"], ["transit/keys/+/rotate", "transit/rewrap/+"]),
  work(["update"], ["database/rotate-root/+", "sys/leases/lookup", "sys/leases/renew"]),
  work(["update"], ["sys/leases/revoke/database/creds/+/+"]),
  work(["update", "sudo"], [exactly("sys/leases/revoke-prefix/database/creds/", /[\w.-]+/)]),
  work(["list", "sudo"], [exactly("sys/leases/lookup/database/creds/", /[\w.-]+/)]),
];

/** To hand a named host its next secret id; that it is wrapped, `secret-ids-wrapped` sees to. */
const handOver: readonly Work[] = [
  work(["read"], [exactly("auth/approle/role/", /[\w.-]+\/role-id/)]),
  work(["update"], [exactly("auth/approle/role/", /[\w.-]+\/secret-id/)]),
];

/** To let a person or a host in. A password and nothing else: a policy given with it would be anybody's. */
const enrol: readonly Work[] = [
  ...handOver,
  work(["create", "update", "delete"], ["auth/userpass/users/+"], ["password"]),
  work(["read", "list"], ["auth/userpass/users", "sys/auth", "identity/entity/name/+"]),
  work(["read", "list"], ["identity/mfa/method/totp", "identity/mfa/method/totp/+"]),
  work(
    ["create", "update"],
    ["identity/mfa/method/totp/admin-generate", "identity/mfa/method/totp/admin-destroy"],
  ),
  work(["update"], ["identity/lookup/entity", "sys/wrapping/wrap"]),
];

/** To learn, from the environment after this one, what stayed healthy here. */
const promote: readonly Work[] = [
  work(["read"], ["kv/data/evidence/*", "kv/metadata/source/*", "transit/keys/+"]),
  work(["update"], ["transit/verify/keyplane.evidence"]),
];

/** To stop at once what has leaked: a token, a person, a host, the users of a database. */
const stop: readonly Work[] = [
  work(["update"], ["auth/token/revoke-accessor"]),
  work(["update"], [exactly("identity/entity/name/", /[\w.-]+/)], ["disabled"]),
  work(["list"], [exactly("auth/approle/role/", /[\w.-]+\/secret-id/)]),
  work(["update"], [exactly("auth/approle/role/", /[\w.-]+\/secret-id-accessor\/destroy/)]),
  work(["update", "sudo"], [exactly("sys/leases/revoke-prefix/database/creds/", /[\w.-]+/)]),
];

/** To set the values of systems by hand, see how their rotation goes and, where the catalogue says so, read them. */
const operate: readonly Work[] = [
  ...handOver,
  work(settle, [exactly("kv/data/source/", /[\w.-]+\/[\w.-]+/)]),
  work(
    ["read"],
    [exactly("kv/metadata/source/", /[\w.-]+\/[\w.-]+/), exactly("kv/data/rotation/", /[\w.-]+\/[\w.-]+/)],
  ),
];

const administrator = duty(...look, ...handOver, ...stop);
const member = [duty(...look), duty(...operate)];

const roles: Readonly<Record<string, Duty>> = {
  "keyplane.deploy": duty(...build),
  "keyplane.rotate": duty(...rotate),
  "keyplane.drift": duty(...look),
  "keyplane.enrol": duty(...enrol),
  "keyplane.promotion": duty(...promote),
};

/**
 * What the holder of a policy has to do, by the policy's name: one of these duties and not two, since who sees everything
 * changes nothing. None where the platform has no such role; undefined for a service, a CI job and `default`.
 */
export function dutiesOf(name: string): readonly Duty[] | undefined {
  if (name === "keyplane.group.administrators") return [administrator];
  if (name.startsWith("keyplane.group.")) return member;
  if (!name.startsWith("keyplane.")) return undefined;
  const duty = roles[name];
  return duty === undefined ? [] : [duty];
}

/** The capabilities that a path has and a duty does not need there. */
export function beyond(duty: Duty, { path, requests, capabilities, parameters }: AclRule): string[] {
  const here = duty
    .near(requests)
    .filter(({ at, form }) => (form === undefined ? within(requests, at) : form.test(path)));
  return capabilities.filter(
    (capability) => capability !== "deny" && !here.some(({ work }) => needs(work, capability, parameters)),
  );
}

function needs(work: Work, capability: string, parameters: readonly string[] | undefined): boolean {
  if (!work.may.some((may) => may === capability)) return false;
  if (work.parameters === undefined) return true;
  return parameters?.every((name) => work.parameters?.includes(name)) === true;
}
