import assert from "node:assert/strict";
import { test } from "node:test";
import { kubernetes } from "../../../policies/kubernetes/types.ts";
import * as rules from "../../../policies/kubernetes/workloads.ts";
import { changed, type Example, findings, ruleSuite } from "../suite.ts";

const metadata = { name: "bot", namespace: "trading-bot" };
const container = {
  name: "bot",
  env: [
    { name: "DB_PASSWORD_FILE", value: "/run/secrets/password" },
    { name: "TOKEN", valueFrom: { secretKeyRef: {} } },
  ],
  securityContext: { allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: { drop: ["ALL"] } },
};
const pod = { serviceAccountName: "bot", automountServiceAccountToken: false, containers: [container] };
const deployment: Example = {
  type: kubernetes.deployment,
  props: { metadata, spec: { template: { spec: pod } } },
};
const spec = (more: object) => ({ "spec.template.spec": { ...pod, ...more } });
const within = (more: object) => spec({ containers: [{ ...container, ...more }] });

const sync: Example = {
  type: kubernetes.staticSecret,
  props: {
    metadata,
    spec: {
      vaultAuthRef: "bot",
      mount: "kv",
      path: "services/trading-bot/bot/exchange",
      refreshAfter: "60s",
      destination: { name: "trading-bot-secrets" },
      rolloutRestartTargets: [{ kind: "Deployment", name: "bot" }],
    },
  },
};
ruleSuite(rules.syncRestarts, sync, {
  unset: [
    { "spec.rolloutRestartTargets": undefined },
    ["rolloutRestartTargets is not set: pods go on with the old value"],
  ],
  "a target without a name": [
    { "spec.rolloutRestartTargets": [{ kind: "Deployment" }] },
    ["a target has no kind or name"],
  ],
});
ruleSuite(rules.syncExact, sync, {
  "the operator's own auth": [{ "spec.vaultAuthRef": undefined }, ["spec.vaultAuthRef is not set"]],
  "a pattern": [{ "spec.path": "services/*" }, ["spec.path is a pattern"]],
  "after a day": [{ "spec.refreshAfter": "24h" }, ["spec.refreshAfter is not at most 1h"]],
  "the raw answer": [
    { "spec.destination.transformation": { excludeRaw: false } },
    ["the raw answer is copied into the secret"],
  ],
});
ruleSuite(
  rules.vaultVerified,
  { type: kubernetes.vaultConnection, props: { spec: { address: "https://vault.acme.example" } } },
  {
    unset: [{ spec: undefined }, ["spec.address is not an https address"]],
    "a certificate of anyone": [{ "spec.skipTLSVerify": true }, ["the certificate is not verified"]],
  },
);
ruleSuite(
  rules.vaultVerified,
  {
    type: kubernetes.vaultAuth,
    props: {
      spec: {
        method: "kubernetes",
        kubernetes: { role: "trading-bot.bot", serviceAccount: "bot", audiences: ["vault"] },
      },
    },
  },
  {
    "the default account": [
      { "spec.kubernetes.serviceAccount": "default" },
      ["spec.kubernetes.serviceAccount is no account of its own"],
    ],
    "a token for anyone": [
      { "spec.kubernetes.audiences": undefined },
      ["spec.kubernetes.audiences is not set"],
    ],
    "every namespace": [{ "spec.allowedNamespaces": ["*"] }, ["every namespace may use it"]],
  },
);
ruleSuite(
  rules.noInlineSecret,
  { type: kubernetes.secret, props: { metadata, type: "Opaque" } },
  {
    data: [{ data: { key: "cGxhbnRlZA==" } }, ["data is a live value in the state"]],
    text: [{ stringData: { key: "planted" } }, ["stringData is a live value in the state"]],
    "a token for ever": [
      { type: "kubernetes.io/service-account-token" },
      ["a token of an account that never ends"],
    ],
  },
);
ruleSuite(rules.noPlainSecret, deployment, {
  "a variable": [
    within({ env: [{ name: "DB_PASSWORD", value: "planted" }] }),
    ["DB_PASSWORD stands in plain text"],
  ],
  "an argument": [within({ args: ["--api-key=planted"] }), ["an argument holds a secret"]],
});
ruleSuite(
  rules.noPlainSecret,
  { type: kubernetes.configMap, props: { metadata, data: { LOG_LEVEL: "info" } } },
  {
    "a ConfigMap": [{ "data.API_KEY": "planted" }, ["data.API_KEY is the name of a live value"]],
  },
);
ruleSuite(rules.ownAccount, deployment, {
  unset: [spec({ serviceAccountName: undefined }), ["it runs as default"]],
  default: [spec({ serviceAccountName: "default" }), ["it runs as default"]],
});
ruleSuite(rules.tokenBound, deployment, {
  unset: [spec({ automountServiceAccountToken: undefined }), ["automountServiceAccountToken is not false"]],
  "for anyone, for a day": [
    spec({ volumes: [{ projected: { sources: [{ serviceAccountToken: { expirationSeconds: 86_400 } }] } }] }),
    ["a projected token has no audience", "a projected token lives for more than an hour"],
  ],
});
ruleSuite(
  rules.tokenBound,
  { type: kubernetes.serviceAccount, props: { metadata, automountServiceAccountToken: false } },
  {
    "a token that never ends": [
      { secrets: [{ name: "bot-token" }] },
      ["the account has tokens that never end"],
    ],
  },
);
ruleSuite(rules.notPrivileged, deployment, {
  root: [
    within({ securityContext: { ...container.securityContext, runAsNonRoot: false } }),
    ["runAsNonRoot is not true"],
  ],
  unset: [
    within({ securityContext: undefined }),
    ["allowPrivilegeEscalation is not false", "runAsNonRoot is not true", "capabilities are not dropped"],
  ],
  "the host's network": [spec({ hostNetwork: true }), ["hostNetwork is on"]],
  "the host's files": [spec({ volumes: [{ hostPath: { path: "/" } }] }), ["a folder of the host is mounted"]],
});
const role: Example = {
  type: kubernetes.role,
  props: { rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["bot"], verbs: ["get"] }] },
};
ruleSuite(rules.rightsExact, role, {
  "every Secret": [
    { rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }] },
    ["it reads every Secret"],
  ],
  "a list, which names cannot bound": [
    { rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["bot"], verbs: ["list"] }] },
    ["it reads every Secret"],
  ],
  everything: [{ rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }] }, ["a rule has a *"]],
});
ruleSuite(
  rules.rightsExact,
  {
    type: kubernetes.roleBinding,
    props: { roleRef: { name: "bot" }, subjects: [{ kind: "ServiceAccount", name: "bot" }] },
  },
  {
    administrator: [{ "roleRef.name": "cluster-admin" }, ["it binds to a role with every right"]],
    everyone: [
      { subjects: [{ kind: "Group", name: "system:authenticated" }] },
      ["it binds everyone in system:authenticated"],
    ],
  },
);
ruleSuite(rules.namespaceNamed, deployment, {
  unset: [{ "metadata.namespace": undefined }, ["it lies in default"]],
  "the system's": [{ "metadata.namespace": "kube-system" }, ["it lies in kube-system"]],
});

const closed: Example = {
  type: kubernetes.networkPolicy,
  props: { metadata, spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] } },
};
test("kubernetes-network-closed: refuses a workload in an open namespace, and a rule for everything", () => {
  assert.deepEqual(findings(rules.networkClosed, [deployment, closed]), []);
  assert.deepEqual(findings(rules.networkClosed, [deployment]), [
    "no network policy closes the namespace trading-bot",
  ]);
  assert.deepEqual(
    findings(rules.networkClosed, [deployment, changed(closed, { "spec.policyTypes": ["Ingress"] })]),
    ["no network policy closes the namespace trading-bot"],
  );
  assert.deepEqual(findings(rules.networkClosed, [deployment, changed(closed, { "spec.egress": [{}] })]), [
    "a rule lets everything through",
  ]);
});
