import { ofType } from "../resource.ts";
import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { text } from "../value.ts";
import { mounts, vault } from "./types.ts";

/** Where each kind of thing lies: the mounts have fixed names, which policies and roles refer to. */
const places: Record<string, { property: string; at: readonly string[] }> = {
  [vault.kv]: { property: "mount", at: ["kv"] },
  [vault.jwtRole]: { property: "backend", at: ["github", "oidc"] },
  [vault.appRole]: { property: "backend", at: ["approle"] },
  [vault.kubernetes]: { property: "backend", at: ["kubernetes"] },
  [vault.kubernetesRole]: { property: "backend", at: ["kubernetes"] },
  [vault.awsRole]: { property: "backend", at: ["aws"] },
  [vault.awsClient]: { property: "backend", at: ["aws"] },
  [vault.connection]: { property: "backend", at: ["database"] },
  [vault.databaseRole]: { property: "backend", at: ["database"] },
  [vault.key]: { property: "backend", at: ["transit"] },
};

const engines = ["kv", "transit", "database"];
const logins = ["approle", "kubernetes", "aws", "userpass", "oidc"];
export const placeRight: ResourceRule = {
  name: "place-right",
  sentence: "Everything lies at the mount of its kind, where policies and roles look for it.",
  severity: "high",
  fix: "Leave mount paths as they are: kv, transit, database, github, approle, kubernetes, aws, userpass, oidc.",
  controls: ["NIST-800-53r5/AC-3", "R7"],
  types: [...Object.keys(places), ...mounts],
  *judge({ type, props }) {
    const place = places[type];
    if (place !== undefined) {
      const at = text(props[place.property]);
      if (at === undefined || !place.at.includes(at))
        yield `${place.property} is not ${place.at.join(" or ")}`;
      if (type === vault.jwtRole && (at === "oidc") !== (props.roleType === "oidc")) {
        yield "the role is of another kind than its mount";
      }
      return;
    }
    const kind = text(props.type) ?? "nothing";
    const allowed = type === vault.mount ? engines : type === vault.auth ? logins : ["jwt"];
    if (!allowed.includes(kind)) yield `a mount of ${kind} is none that the platform uses`;
    const path = type === vault.jwt ? "github" : kind;
    if (props.path !== path) yield `path is not ${path}`;
  },
};

export const mountEverywhere: ResourceRule = {
  name: "mount-everywhere",
  sentence: "A mount is not local: replication takes it to the clusters that stand beside this one.",
  severity: "medium",
  fix: "Set local to false.",
  controls: ["NIST-800-53r5/SC-36(2)"],
  types: mounts,
  *judge({ props }) {
    if (props.local !== false) yield "local is not false";
  },
};

const named = [
  vault.audit,
  vault.policy,
  vault.jwtRole,
  vault.appRole,
  vault.kubernetesRole,
  vault.awsRole,
  vault.connection,
  vault.databaseRole,
  vault.key,
  vault.entity,
  vault.group,
  vault.enforcement,
  vault.quota,
];

export const nameExact: ResourceRule = {
  name: "name-exact",
  sentence: "Everything in Vault has a plain name that no pattern of a policy or role takes for another's.",
  severity: "high",
  fix: "Write lower-case letters, digits, dots, hyphens and underscores; the model makes names so.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-4", "R7"],
  types: named,
  *judge(resource) {
    const name = nameOf(resource);
    if (name === undefined) yield "it has no name";
    else if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) yield `"${name}" is no plain name`;
  },
};

/** What a mount has one of, with the property that names the mount. */
const configured = [
  [vault.kv, "mount"],
  [vault.kubernetes, "backend"],
  [vault.awsClient, "backend"],
] as const;

export const nameOnce: StackRule = {
  name: "name-once",
  sentence: "No two things in Vault are of one name and place: the one that is written last would be both.",
  severity: "high",
  fix: "Give each its own name; the model makes them from the entry's.",
  controls: ["NIST-800-53r5/CM-8", "NIST-800-53r5/IA-4", "R7"],
  *judgeStack(resources) {
    for (const [type, at] of configured) {
      const seen = new Set<string>();
      for (const { urn, props } of ofType(resources, type)) {
        const place = text(props[at]) ?? "";
        if (seen.has(place)) yield { urn, message: `"${place}" is configured twice` };
        seen.add(place);
      }
    }
    for (const type of named) {
      const seen = new Set<string>();
      for (const resource of ofType(resources, type)) {
        const at = `${text(resource.props.backend) ?? ""} ${nameOf(resource) ?? ""}`;
        if (seen.has(at))
          yield { urn: resource.urn, message: `there are two of the name "${nameOf(resource)}"` };
        seen.add(at);
      }
    }
  },
};

function nameOf({ type, props }: Resource): string | undefined {
  if (type === vault.audit) return text(props.path);
  return text(props.roleName) ?? (type === vault.awsRole ? text(props.role) : text(props.name));
}
