import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { CustomResource, type Output } from "@pulumi/pulumi";
import { Mount } from "@pulumi/vault/mount.js";
import { Policy } from "@pulumi/vault/policy.js";
import type { AwsModel, PolicyDocument, PolicyStatement } from "../../../model/aws.ts";
import type { Model } from "../../../model/model.ts";
import { aws } from "../../../policies/aws/types.ts";
import { kubernetes } from "../../../policies/kubernetes/types.ts";
import { vault } from "../../../policies/vault/types.ts";
import { realState } from "../../policies/real.ts";
import { KubernetesObject } from "./previews.ts";

/** Documents of AWS with one statement told otherwise. */
function reworded(document: PolicyDocument, change: (statement: PolicyStatement) => object): PolicyDocument {
  return {
    ...document,
    Statement: document.Statement.map((each) => ({ ...each, ...change(each) }) as PolicyStatement),
  };
}

const withAws = (change: (aws: AwsModel) => Partial<AwsModel>) => (model: Model) =>
  model.aws === undefined ? model : { ...model, aws: { ...model.aws, ...change(model.aws) } };

/** What one subject's rules refuse: a change of the model, or something that is declared beside it. */
export const wrong: Record<string, [rule: string, change: (model: Model) => Model, beside?: () => void]> = {
  audit: [
    "audit-values-hashed",
    (model) => ({
      ...model,
      vault: {
        ...model.vault,
        audit: model.vault.audit.map((device) => ({
          ...device,
          options: { ...device.options, log_raw: "true" },
        })),
      },
    }),
  ],
  policies: [
    "consumer-own-paths",
    (model) => ({
      ...model,
      policies: model.policies.map((policy) =>
        policy.name === "titan.titan-brain"
          ? { ...policy, rules: [{ path: "kv/data/services/soma/gateway/x", capabilities: ["read"] }] }
          : policy,
      ),
    }),
  ],
  "github logins": [
    "jwt-claims-exact",
    (model) => ({
      ...model,
      jwtRoles: model.jwtRoles.map((role) => ({
        ...role,
        boundClaims: { ...role.boundClaims, ref: ["refs/heads/*"] },
      })),
    }),
  ],
  machines: [
    "approle-network-bound",
    (model) => ({ ...model, appRoles: model.appRoles.map((role) => ({ ...role, cidrs: ["0.0.0.0/0"] })) }),
  ],
  tokens: [
    "token-policies-named",
    (model) => ({ ...model, appRoles: model.appRoles.map((role) => ({ ...role, policies: ["root"] })) }),
  ],
  databases: [
    "database-revocation",
    (model) => ({
      ...model,
      databases: model.databases.map((database) => ({
        ...database,
        users: database.users.map((user) => ({ ...user, revocationStatements: [] })),
      })),
    }),
  ],
  encryption: [
    "key-rotates",
    (model) => ({
      ...model,
      encryptionKeys: model.encryptionKeys.map((key) => ({ ...key, autoRotate: 91 * 86_400 })),
    }),
  ],
  people: [
    "everyone-in-a-group",
    (model) => ({
      ...model,
      groups: model.groups.map((group) => ({ ...group, members: group.members.slice(1) })),
    }),
  ],
  quotas: ["quota-everywhere", (model) => ({ ...model, quotas: model.quotas.slice(1) })],
  "AWS roles": [
    "aws-oidc-trust-exact",
    withAws(({ roles }) => ({
      roles: roles.map((role) =>
        role.of === "github"
          ? { ...role, trust: reworded(role.trust, () => ({ Condition: undefined })) }
          : role,
      ),
    })),
  ],
  "AWS rights": [
    "aws-iam-no-full-rights",
    withAws(({ roles }) => ({
      roles: roles.map((role) =>
        role.of === "function" && role.rights !== undefined
          ? { ...role, rights: reworded(role.rights, () => ({ Action: "*", Resource: "*" })) }
          : role,
      ),
    })),
  ],
  "AWS people": [
    "aws-group-mfa-required",
    withAws(({ people }) => ({
      people: { ...people, policy: reworded(people.policy, () => ({ Condition: undefined })) },
    })),
  ],
  "AWS keys": [
    "aws-kms-policy-narrow",
    withAws(({ keys }) => ({
      keys: keys.map((key) => ({ ...key, policy: reworded(key.policy, () => ({ Principal: "*" })) })),
    })),
  ],
  "AWS logs": ["aws-logs-kept", withAws(({ trail }) => ({ trail: { ...trail, retention: 30 } }))],
  "AWS buckets": [
    "aws-bucket-tls",
    withAws(({ trail }) => ({
      trail: { ...trail, bucketPolicy: reworded(trail.bucketPolicy, () => ({ Effect: "Allow" })) },
    })),
  ],
  "AWS alarms": ["aws-alarms", withAws(({ alarms }) => ({ alarms: alarms.slice(1) }))],
  "AWS messages": [
    "aws-topic-narrow",
    withAws(({ topic }) => ({
      topic: {
        ...topic,
        policy: reworded(topic.policy, () => ({ Action: ["sns:Publish", "sns:Subscribe"] })),
      },
    })),
  ],
  "AWS functions": [
    "aws-lambda-bounded",
    withAws(({ functions }) => ({ functions: functions.map((each) => ({ ...each, timeout: 1 })) })),
  ],
  "AWS schedules": [
    "aws-schedule-often",
    withAws(({ schedules }) => ({
      schedules: schedules.map((schedule) => ({ ...schedule, expression: "rate(1 day)" })),
    })),
  ],
  "AWS secrets": [
    "aws-secret-rotation",
    withAws(({ secrets }) => ({ secrets: secrets.map((secret) => ({ ...secret, every: 365 })) })),
  ],
  "Kubernetes workloads": [
    "kubernetes-no-plain-secret",
    (model) => model,
    () =>
      new KubernetesObject(kubernetes.deployment, "bot", {
        metadata: { name: "bot", namespace: "trading-bot" },
        spec: {
          template: { spec: { containers: [{ name: "bot", env: [{ name: "API_KEY", value: "planted" }] }] } },
        },
      }),
  ],
  "what a state holds": [
    "state-data-protected",
    (model) => model,
    () => new Mount("extra", { path: "extra", type: "kv" }),
  ],
};

/** Something of each subject that is wrong by a value which only the making of something else makes known. */
export const late: Record<string, [rule: string, what: RegExp, declare: (made: Output<string>) => void]> = {
  Vault: [
    "consumer-no-sudo",
    /Policy titan\.extra: sudo on "kv\/data\/source\/titan\.first"/,
    (made) =>
      new Policy("titan.extra", {
        name: "titan.extra",
        policy: made.apply((id) => `path "kv/data/source/${id}" {\n  capabilities = ["read", "sudo"]\n}\n`),
      }),
  ],
  AWS: [
    "aws-logs-kept",
    /LogGroup extra: logs go after 30 days/,
    (made) =>
      new LogGroup(
        "extra",
        {
          name: "/keyplane/local/extra",
          kmsKeyId: "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-0000-0000-000000000000",
          retentionInDays: made.apply(() => 30),
        },
        { protect: true },
      ),
  ],
  Kubernetes: [
    "kubernetes-namespace-named",
    /ServiceAccount extra: it lies in default/,
    (made) =>
      new KubernetesObject(kubernetes.serviceAccount, "extra", {
        metadata: { name: "extra", namespace: made.apply(() => "default") },
        automountServiceAccountToken: false,
      }),
  ],
  "a state": [
    "state-no-live-value",
    /Policy titan\.extra: policy holds a Vault token/,
    (made) =>
      new Policy("titan.extra", {
        name: "titan.extra",
        policy: made.apply(
          (id) =>
            `# hvs.${"x".repeat(30)}\npath "kv/data/services/titan/extra/${id}" {\n  capabilities = ["read"]\n}\n`,
        ),
      }),
  ],
};

/** A resource of the shipped program, of which one argument is known only once something else is made, and then wrong. */
const shipped = await realState("local");
class Shipped extends CustomResource {
  constructor(type: string, argument: string, value: Output<unknown>) {
    const found = shipped.find((resource) => resource.type === type);
    if (found === undefined) throw new Error(`the local stack has no ${type}`);
    super(type, "titan.extra", { ...found.inputs, [argument]: value }, { protect: found.protect });
  }
}

/** The same subject by subject: what is shipped, with one argument that turns out wrong. */
export const lateOf: typeof late = Object.fromEntries(
  (
    [
      ["github logins", "jwt-claims-exact", vault.jwtRole, "boundClaims", { repository_id: "*" }],
      ["machines", "approle-network-bound", vault.appRole, "tokenBoundCidrs", ["0.0.0.0/0"]],
      ["tokens", "token-policies-named", vault.appRole, "tokenPolicies", ["root"]],
      ["encryption", "key-rotates", vault.key, "autoRotatePeriod", 91 * 86_400],
      ["AWS account", "aws-password-policy", aws.passwordPolicy, "minimumPasswordLength", 6],
    ] as const
  ).map(([subject, rule, type, argument, value]) => [
    subject,
    [
      rule,
      /titan\.extra/,
      (made) =>
        void new Shipped(
          type,
          argument,
          made.apply(() => value),
        ),
    ],
  ]),
);

const document = (statement: object) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "*", Resource: "*", ...statement }],
  });

/** Of the shipped program, what turns out wrong of one resource, where that resource needs all of the others. */
export const lateWithin: Record<string, [rule: string, type: string, argument: string, value: unknown]> = {
  audit: ["audit-values-hashed", vault.audit, "options", { file_path: "/var/log/x", log_raw: "true" }],
  people: ["mfa-guesses-bounded", vault.totp, "period", 3600],
  databases: ["database-revocation", vault.databaseRole, "revocationStatements", []],
  quotas: ["quota-bounds", vault.quota, "rate", 1_000_000],
  "AWS roles": ["aws-document-readable", aws.role, "assumeRolePolicy", "{}"],
  "AWS rights": ["aws-iam-no-full-rights", aws.rolePolicy, "policy", document({})],
  "AWS people": ["aws-group-mfa-required", aws.groupPolicy, "policy", document({})],
  "AWS keys": ["aws-kms-policy-narrow", aws.key, "policy", document({ Principal: "*" })],
  "AWS buckets": ["aws-bucket-tls", aws.bucketPolicy, "policy", document({ Principal: "*" })],
  "AWS alarms": ["aws-alarm-rings", aws.alarm, "threshold", 1000],
  "AWS messages": ["aws-topic-narrow", aws.topicPolicy, "policy", document({ Principal: "*" })],
  "AWS functions": ["aws-lambda-bounded", aws.function, "timeout", 1],
  "AWS schedules": ["aws-schedule-often", aws.schedule, "scheduleExpression", "rate(1 day)"],
  "AWS secrets": [
    "aws-secret-rotation",
    aws.secretRotation,
    "rotationRules",
    { automaticallyAfterDays: 365 },
  ],
};
