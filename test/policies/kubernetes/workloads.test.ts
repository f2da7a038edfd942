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
  "after 9999 seconds": [{ "spec.refreshAfter": "9999s" }, ["spec.refreshAfter is not at most 1h"]],
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
  ...Object.fromEntries(
    ["ENCRYPTION_KEY", "SA01_CRYPTO_FERNET_KEY", "PGPASSWORD", "DB_PASS", "MYSQL_PWD"].map((name) => [
      name,
      [within({ env: [{ name, value: "planted" }] }), [`${name} stands in plain text`]] as [object, string[]],
    ]),
  ),
  "an argument": [within({ args: ["--api-key=planted"] }), ["an argument holds a secret"]],
});
ruleSuite(
  rules.noPlainSecret,
  { type: kubernetes.configMap, props: { metadata, data: { LOG_LEVEL: "info" } } },
  {
    "a ConfigMap": [{ "data.API_KEY": "planted" }, ["data.API_KEY is the name of a live value"]],
    "a line of a file": [{ "data.config": "pass=planted" }, ["data.config has a line with a live value"]], // pragma: allowlist secret
    "what nobody can read": [
      { binaryData: { "service.pem": "cGxhbnRlZA==" } },
      ["binaryData.service.pem cannot be read"],
    ],
  },
);
test("kubernetes-no-plain-secret: leaves alone a key's id, a public key, and a line that names where a value is", () => {
  const env = [
    { name: "TITAN_HMAC_KEY_ID", value: "k1" },
    { name: "JWT_PUBLIC_KEY", value: "x" },
    { name: "KEYCLOAK_URL", value: "https://id.acme.example" },
  ];
  assert.deepEqual(findings(rules.noPlainSecret, [changed(deployment, within({ env }))]), []);
  const data = { config: "password: vault:kv/titan\ntoken_file=/run/secrets/token\nkeep = true" };
  const map = { type: kubernetes.configMap, props: { metadata, data } };
  assert.deepEqual(findings(rules.noPlainSecret, [map]), []);
});
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
  "rights of the kernel": [
    within({
      securityContext: {
        ...container.securityContext,
        capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE", "SYS_ADMIN"] },
      },
    }),
    ["capabilities adds SYS_ADMIN"],
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
  "somebody else": [
    { rules: [{ apiGroups: [""], resources: ["users", "groups"], verbs: ["impersonate"] }] },
    ["it may impersonate, and so take any right"],
  ],
  "rights that it does not have": [
    {
      rules: [
        {
          apiGroups: ["rbac.authorization.k8s.io"],
          resources: ["clusterroles"],
          verbs: ["bind", "escalate"],
        },
      ],
    },
    ["it may bind, escalate, and so take any right"],
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
    "everyone of a namespace, and who has not logged in": [
      {
        subjects: [
          { kind: "Group", name: "system:serviceaccounts:trading-bot" },
          { kind: "User", name: "system:anonymous" },
        ],
      },
      ["it binds everyone in system:serviceaccounts:trading-bot", "it binds system:anonymous"],
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

test("kubernetes-network-closed: takes one object for each direction as one for both", () => {
  const each = ["Ingress", "Egress"].map((type) => changed(closed, { "spec.policyTypes": [type] }));
  assert.deepEqual(findings(rules.networkClosed, [deployment, ...each]), []);
  assert.deepEqual(findings(rules.networkClosed, [deployment, ...each.slice(1)]), [
    "no network policy closes the namespace trading-bot",
  ]);
});

test("kubernetes-network-closed: refuses a rule that names everybody in other words, and takes one that names somebody", () => {
  const named = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "vault" } } };
  const judged = (patch: Record<string, unknown>) =>
    findings(rules.networkClosed, [deployment, changed(closed, patch)]);
  assert.deepEqual(judged({ "spec.egress": [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] }), [
    "a rule is for the whole network",
  ]);
  assert.deepEqual(judged({ "spec.egress": [{ to: [{ ipBlock: { cidr: "::/0" } }] }] }), [
    "a rule is for the whole network",
  ]);
  assert.deepEqual(judged({ "spec.ingress": [{ from: [{ namespaceSelector: {} }] }] }), [
    "a rule is for every namespace",
  ]);
  assert.deepEqual(judged({ "spec.egress": [{ ports: [{ port: 443 }] }] }), [
    "a rule lets everything through",
  ]);
  assert.deepEqual(
    judged({
      "spec.egress": [{ to: [named, { ipBlock: { cidr: "10.1.2.0/24" } }] }],
      "spec.ingress": [{ from: [{ podSelector: {} }] }],
    }),
    [],
  );
});
