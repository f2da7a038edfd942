import type { Declared } from "../../policies/resource.ts";
import { unknown } from "../../policies/unknown.ts";

export interface Mutant {
  /** `type.property kind`: what was done, the same for every resource of a type. */
  what: string;
  /** The label of the statement that it was done to, where it was one of a document. */
  sid?: string;
  resource: Declared;
}

/**
 * Something else of the same form: another number in a text, another repository, another's policy. What only the form
 * of a value is looked at lets it pass.
 */
function another(value: unknown, policies: readonly string[]): unknown {
  if (typeof value !== "string") return undefined;
  if (/^\d+$/.test(value)) return String(BigInt(value) + 1n);
  if (/^[\w.-]+\/[\w.-]+\/\.github\//.test(value))
    return value.replace(/(^|,)([\w.-]+)\/([\w.-]+)\/\.github\//g, "$1$2/another/.github/");
  if (/^arn:[^*]*\w$/.test(value)) return `${value.slice(0, -1)}${value.endsWith("x") ? "y" : "x"}`;
  // A service of AWS that has nothing to do with any of this.
  if (/^[a-z]+(\.eks)?\.amazonaws\.com$/.test(value)) return "ec2.amazonaws.com";
  const place = policies.indexOf(value);
  return place < 0 ? undefined : policies[(place + 1) % policies.length];
}

/** What nobody wants of a service, and something else where it is allowed already. */
const worst: Readonly<Record<string, readonly string[]>> = {
  iam: ["PutRolePolicy", "CreateAccessKey"],
  secretsmanager: ["GetSecretValue", "PutSecretValue", "DeleteSecret"],
  kms: ["PutKeyPolicy", "ScheduleKeyDeletion", "Sign"],
  s3: ["DeleteObject", "PutObjectAcl"],
  lambda: ["UpdateFunctionCode", "AddLayerVersionPermission"],
  logs: ["DeleteLogGroup"],
  cloudtrail: ["StopLogging"],
  cloudwatch: ["DisableAlarmActions"],
  scheduler: ["DeleteSchedule", "TagResource"],
  sns: ["DeleteTopic"],
  sqs: ["PurgeQueue"],
  ec2: ["RunInstances"],
  sts: ["GetFederationToken"],
  "access-analyzer": ["DeleteAnalyzer"],
};

/** One more of what a statement lists: an action of the same service, somebody, a service. */
function more(value: unknown, name: string): unknown {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (name.endsWith("Statement[Allow].Action")) {
    const [service = ""] = String(list[0]).split(":");
    const action = worst[service]?.find((each) => !list.includes(`${service}:${each}`));
    return action === undefined ? undefined : [...list, `${service}:${action}`];
  }
  if (name.endsWith("Statement[Allow].Principal.AWS")) {
    const account = /:iam::(\d{12}):/.exec(String(list[0]))?.[1];
    return [...list, `arn:aws:iam::${account}:role/contractor`];
  }
  if (name.endsWith("Statement[Allow].Principal.Service")) return [...list, "ec2.amazonaws.com"];
  return undefined;
}

/** What can go wrong with a property: every place of the arguments is tried in each of these ways. */
const kinds: Record<string, (value: unknown, policies: readonly string[], name: string) => unknown> = {
  dropped: () => undefined,
  emptied: (value) =>
    Array.isArray(value) ? [] : typeof value === "object" ? {} : typeof value === "string" ? "" : undefined,
  widened: (value) => {
    if (typeof value === "number") return value * 1000 + 1;
    if (typeof value === "boolean") return !value;
    if (typeof value === "string")
      return /^\d+[smhd]$/.test(value) ? `9${value.replace(/^\d+/, "9999")}` : `${value}*`;
    if (Array.isArray(value)) return [...value, "*"];
    return undefined;
  },
  wildcard: (value) => (Array.isArray(value) ? ["*"] : typeof value === "string" ? "*" : undefined),
  zero: (value) => (typeof value === "number" ? 0 : undefined),
  unknown: () => unknown,
  another,
  more: (value, _policies, name) => more(value, name),
  // A parameter of an address, which overrides what stands before it.
  overridden: (value) =>
    typeof value === "string" && /^\w+:\/\/[^?]+\?/.test(value) ? `${value}&host=db.example` : undefined,
  // A filter's pattern that is for nothing any more.
  narrowed: (value) =>
    typeof value === "string" && /^\{ [($]/.test(value)
      ? `{ (${value.slice(2, -2)}) && ($.eventName = "Never") }`
      : undefined,
};

/**
 * Every mutant of a resource: each property, at each depth of maps, lists and JSON documents, in each way; its protection
 * taken off.
 * @param policies names of policies, of which another one is somebody else's
 */
export function mutants(resource: Declared, policies: readonly string[]): Mutant[] {
  const found: Mutant[] = [];
  const visit = (value: Branch, path: Step[], above: string, of?: string) => {
    for (const [key, inner] of Object.entries(value)) {
      const sid = of ?? sidOf(inner);
      const place = [...path, Array.isArray(value) ? Number(key) : key];
      const name = `${above}${Array.isArray(value) ? `[${effectOf(inner)}]` : above === "" ? key : `.${key}`}`;
      for (const [kind, change] of Object.entries(kinds)) {
        const changed = change(inner, policies, name);
        if (changed === undefined && kind !== "dropped") continue;
        // In a document that is known as a whole nothing is unknown.
        if (kind === "unknown" && path.includes(document)) continue;
        if (JSON.stringify(changed) === JSON.stringify(inner) && changed !== unknown) continue;
        const what = `${resource.type}.${name} ${kind}`;
        found.push({
          what,
          ...(sid !== undefined && { sid }),
          resource: { ...resource, inputs: put(resource.inputs, place, changed) as Inputs },
        });
      }
      if (typeof inner === "object" && inner !== null) visit(inner as Branch, place, name, sid);
      const parsed = documentOf(inner);
      if (parsed !== undefined) visit(parsed, [...place, document], `${name}{}`);
    }
  };
  visit(resource.inputs, [], "");
  const add = (what: string, place: string[], value: unknown) =>
    found.push({
      what: `${resource.type}.${what} added`,
      resource: { ...resource, inputs: put(resource.inputs, place, value) as Inputs },
    });
  // What nobody declares today and an author might.
  add("password", ["password"], "planted");
  if (/^vault:.*Role$/.test(resource.type)) add("tokenPeriod", ["tokenPeriod"], 3600);
  if (resource.type.endsWith(":Audit")) {
    add("options.log_raw", ["options", "log_raw"], "true");
    add("options.hmac_accessor", ["options", "hmac_accessor"], "false");
    add("options.filter", ["options", "filter"], "mount_type == kv");
  }
  for (const property of ["policy", "assumeRolePolicy"]) {
    const document = documentOf(resource.inputs[property]) as { Statement?: unknown[] } | undefined;
    if (document?.Statement === undefined) continue;
    const everyone = { Effect: "Allow", Action: "*", Principal: "*", Resource: "*" };
    const wider = { ...document, Statement: [...document.Statement, everyone] };
    add(`${property}{} everything for everyone`, [property], JSON.stringify(wider));
  }
  if (resource.type === "aws:iam/role:Role") {
    add("managedPolicyArns", ["managedPolicyArns"], ["arn:aws:iam::aws:policy/AdministratorAccess"]);
    const policy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    });
    add("inlinePolicies", ["inlinePolicies"], [{ name: "more", policy }]);
  }
  if (resource.type === "aws:lambda/function:Function") {
    add("layers", ["layers"], ["arn:aws:lambda:eu-west-1:123456789012:layer:x:1"]);
    add("AWS_ENDPOINT_URL", ["environment", "variables", "AWS_ENDPOINT_URL"], "https://aws.example");
  }
  if (typeof resource.inputs.policy === "string" && resource.type.startsWith("vault:")) {
    for (const [what, text] of Object.entries(policyMutants(resource.inputs.policy))) {
      if (text !== resource.inputs.policy) add(what, ["policy"], text);
    }
  }
  found.push({
    what: `${resource.type} left as it is`,
    resource: { ...resource, ignoreChanges: ["*"] },
  });
  if (!resource.retainOnDelete) {
    found.push({ what: `${resource.type} retained`, resource: { ...resource, retainOnDelete: true } });
  }
  found.push({
    what: `${resource.type} retyped`,
    resource: { ...resource, type: "vault:index/token:Token" },
  });
  if (resource.protect) {
    found.push({ what: `${resource.type} unprotected`, resource: { ...resource, protect: false } });
  }
  return found;
}

/** An ACL policy that says more than it should. */
function policyMutants(policy: string): Record<string, string> {
  return {
    "sudo on the last path": policy.replace(/capabilities = \[(?=[^[]*$)/, 'capabilities = ["sudo", '),
    "every capability": policy.replace(/capabilities = \[[^\]]*\](?=[^[]*$)/, 'capabilities = ["all"]'),
    "the old word for rights": policy.replace(/capabilities = (?=[^[]*\[[^[]*$)/, 'policy = "sudo"\n  $&'),
    "root path": `${policy}\npath "*" {\n  capabilities = ["read"]\n}\n`,
    "every system's values": `${policy}\npath "kv/data/+/+/x" {\n  capabilities = ["read"]\n}\n`,
    "every source": `${policy}\npath "kv/data/source/*" {\n  capabilities = ["read"]\n}\n`,
    "policy writing": `${policy}\npath "sys/policies/acl/x" {\n  capabilities = ["update"]\n}\n`,
    "no wrapping": policy.replace(/\n {2}m(in|ax)_wrapping_ttl = "[^"]*"/g, ""),
    "no parameters": policy.replace(/\n {2}allowed_parameters = \{[^}]*\}/g, ""),
    "an unread block": `${policy}\nimport "x"\n`,
  };
}

type Inputs = Declared["inputs"];
type Branch = { readonly [key: string]: unknown } | readonly unknown[];
/** A key of a map, a place in a list, or what is inside a text of JSON. */
type Step = string | number | typeof document;
const document = Symbol("document");

/** What is denied and what is allowed are not the same list; else which one of a list makes no difference to its name. */
function effectOf(item: unknown): string {
  const { Effect } = (typeof item === "object" && item !== null ? item : {}) as { Effect?: unknown };
  return typeof Effect === "string" ? Effect : "";
}

/** What a statement is called. */
function sidOf(item: unknown): string | undefined {
  const { Effect, Sid } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
  return typeof Effect === "string" && typeof Sid === "string" ? Sid : undefined;
}

/** IAM documents and their like. */
function documentOf(value: unknown): Branch | undefined {
  if (typeof value !== "string" || !/^\s*[{[]/.test(value)) return undefined;
  try {
    return JSON.parse(value) as Branch;
  } catch {
    return undefined;
  }
}

function put(value: unknown, [step, ...rest]: readonly Step[], to: unknown): unknown {
  if (step === undefined) return to;
  if (step === document) return JSON.stringify(put(JSON.parse(String(value)), rest, to));
  if (Array.isArray(value)) {
    const inner = put(value[Number(step)], rest, to);
    return inner === undefined ? value.toSpliced(Number(step), 1) : value.with(Number(step), inner);
  }
  const { [String(step)]: before, ...others } = value as { readonly [key: string]: unknown };
  const inner = put(before, rest, to);
  return inner === undefined ? others : { ...(value as object), [String(step)]: inner };
}
