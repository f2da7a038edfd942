import { ofType } from "../resource.ts";
import type { Props, Resource, ResourceRule, StackRule } from "../rule.ts";
import { bounded, number, record, records, text, texts } from "../value.ts";
import { kubernetes } from "./types.ts";

const workloads: readonly string[] = [kubernetes.deployment, kubernetes.statefulSet, kubernetes.daemonSet];
const syncs: readonly string[] = [kubernetes.staticSecret, kubernetes.dynamicSecret];

const metadata = ({ props }: Resource) => record(props.metadata);
const namespaceOf = (resource: Resource) => text(metadata(resource).namespace);
const podOf = (props: Props) => record(record(record(props.spec).template).spec);
const containersOf = (props: Props) => [
  ...records(podOf(props).initContainers),
  ...records(podOf(props).containers),
];

export const syncRestarts: ResourceRule = {
  name: "kubernetes-sync-restarts",
  sentence: "A synced secret names the workloads that are restarted when it changes.",
  severity: "high",
  fix: "Set spec.rolloutRestartTargets to the Deployments that consume it.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.2-rotation", "R34", "R38"],
  types: syncs,
  *judge({ props }) {
    const targets = records(record(props.spec).rolloutRestartTargets);
    if (targets.length === 0) yield "rolloutRestartTargets is not set: pods go on with the old value";
    for (const { kind, name } of targets) {
      if (
        !["Deployment", "StatefulSet", "DaemonSet", "argo.Rollout"].includes(text(kind) ?? "") ||
        text(name) === undefined
      ) {
        yield "a target has no kind or name";
      }
    }
  },
};

export const syncExact: ResourceRule = {
  name: "kubernetes-sync-exact",
  sentence: "A synced secret reads one path of Vault, by an auth of its own, within an hour of a change.",
  severity: "high",
  fix: "Set spec.vaultAuthRef, mount, path and refreshAfter of at most 1h.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R38"],
  types: syncs,
  *judge({ type, props }) {
    const spec = record(props.spec);
    for (const name of ["vaultAuthRef", "mount", "path"])
      if (text(spec[name]) === undefined) yield `spec.${name} is not set`;
    if (/[*+]/.test(text(spec.path) ?? "")) yield "spec.path is a pattern";
    const destination = record(spec.destination);
    if (text(destination.name) === undefined) yield "spec.destination.name is not set";
    if (record(destination.transformation).excludeRaw === false)
      yield "the raw answer is copied into the secret";
    const after = text(spec.refreshAfter) ?? "";
    if (type === kubernetes.staticSecret && !(/[smh]$/.test(after) && bounded(after, 3600)))
      yield "spec.refreshAfter is not at most 1h";
  },
};

export const vaultVerified: ResourceRule = {
  name: "kubernetes-vault-verified",
  sentence: "The operator reaches Vault over TLS that it verifies, as a named account.",
  severity: "critical",
  fix: "Give spec.address https and leave skipTLSVerify off; name role, serviceAccount and audiences of the auth.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/SC-8", "R53"],
  types: [kubernetes.vaultAuth, kubernetes.vaultConnection],
  *judge({ type, props }) {
    const spec = record(props.spec);
    if (type === kubernetes.vaultConnection) {
      if (!(text(spec.address) ?? "").startsWith("https://")) yield "spec.address is not an https address";
      if (spec.skipTLSVerify === true) yield "the certificate is not verified";
      return;
    }
    const login = record(spec.kubernetes);
    if (spec.method !== "kubernetes") yield "spec.method is not kubernetes";
    if (text(login.role) === undefined) yield "spec.kubernetes.role is not set";
    const account = text(login.serviceAccount);
    if (account === undefined || account === "default")
      yield "spec.kubernetes.serviceAccount is no account of its own";
    if (texts(login.audiences).length === 0) yield "spec.kubernetes.audiences is not set";
    if (texts(spec.allowedNamespaces).includes("*")) yield "every namespace may use it";
  },
};

export const noInlineSecret: ResourceRule = {
  name: "kubernetes-no-inline-secret",
  sentence: "No Secret is declared with its data: delivery writes it.",
  severity: "critical",
  fix: "Declare no data or stringData.",
  controls: [
    "CIS-Kubernetes-1.9/5.4.2",
    "NIST-800-53r5/IA-5(7)",
    "OWASP-Secrets/2.7.1-creation",
    "R38",
    "R53",
  ],
  types: [kubernetes.secret],
  *judge({ props }) {
    for (const name of ["data", "stringData"]) {
      if (Object.keys(record(props[name])).length > 0) yield `${name} is a live value in the state`;
    }
    if (props.type === "kubernetes.io/service-account-token") yield "a token of an account that never ends";
  },
};

/** A word of a name that says what stands there; a key's id, and what is public of it, are none. */
const secretName =
  /(^|[_.-])(pass(word|wd|phrase)?|pwd|secret|token|api[_-]?key|private[_-]?key|credentials?|dsn)([_.-]|$)|(password|passwd)$|(?<!(^|[_.-])public[_.-]?)(^|[_.-])key$/i;

/** Such a word with what it is, in the text of a file. */
const secretLine =
  /(^|[\s_.-])(pass(word|wd|phrase)?|pwd|secret|token|api[_-]?key)["']?\s*[=:]\s*["']?(?!vault:|\/|\$)[^\s"'{<]{6,}/i;

export const noPlainSecret: ResourceRule = {
  name: "kubernetes-no-plain-secret",
  sentence: "No secret stands in a container's variables, arguments or a ConfigMap.",
  severity: "critical",
  fix: "Mount a Secret, or take the variable from one by valueFrom.secretKeyRef.",
  controls: [
    "CIS-Kubernetes-1.9/5.4.1",
    "NIST-800-53r5/IA-5(7)",
    "OWASP-Secrets/5.1-injection",
    "R39",
    "R42",
    "R55",
  ],
  types: [...workloads, kubernetes.configMap],
  *judge({ type, props }) {
    if (type === kubernetes.configMap) {
      for (const [name, value] of Object.entries(record(props.data))) {
        if (secretName.test(name)) yield `data.${name} is the name of a live value`;
        else if (secretLine.test(text(value) ?? "")) yield `data.${name} has a line with a live value`;
      }
      // In base64, which no reviewer and no scanner reads.
      for (const name of Object.keys(record(props.binaryData))) yield `binaryData.${name} cannot be read`;
      return;
    }
    for (const container of containersOf(props)) {
      for (const { name, value } of records(container.env)) {
        const called = text(name) ?? "";
        if (value !== undefined && secretName.test(called) && !/_FILE$|_PATH$/.test(called))
          yield `${called} stands in plain text`;
      }
      for (const part of [...texts(container.args), ...texts(container.command)]) {
        if (/--?[\w-]*(password|secret|token|api-?key)[\w-]*[= ]./i.test(part))
          yield "an argument holds a secret";
      }
    }
  },
};

export const ownAccount: ResourceRule = {
  name: "kubernetes-own-account",
  sentence: "A workload runs as a service account of its own, never the namespace's default.",
  severity: "high",
  fix: "Set spec.template.spec.serviceAccountName.",
  controls: ["CIS-Kubernetes-1.9/5.1.5", "NIST-800-53r5/AC-6", "R7"],
  types: workloads,
  *judge({ props }) {
    const account = text(podOf(props).serviceAccountName);
    if (account === undefined || account === "default") yield "it runs as default";
  },
};

export const tokenBound: ResourceRule = {
  name: "kubernetes-token-bound",
  sentence: "A pod's token is mounted only where it asks for one with an audience and an end.",
  severity: "high",
  fix: "Set automountServiceAccountToken to false; project a serviceAccountToken with audience and expirationSeconds.",
  controls: ["CIS-Kubernetes-1.9/5.1.6", "NIST-800-53r5/IA-13(3)", "R7", "R13"],
  types: [kubernetes.serviceAccount, ...workloads],
  *judge({ type, props }) {
    const pod = podOf(props);
    const mounts =
      type === kubernetes.serviceAccount
        ? props.automountServiceAccountToken
        : pod.automountServiceAccountToken;
    if (mounts !== false) yield "automountServiceAccountToken is not false";
    if (type === kubernetes.serviceAccount) {
      if (records(props.secrets).length > 0) yield "the account has tokens that never end";
      return;
    }
    for (const volume of records(pod.volumes)) {
      for (const { serviceAccountToken } of records(record(volume.projected).sources)) {
        if (serviceAccountToken === undefined) continue;
        const { audience, expirationSeconds } = record(serviceAccountToken);
        if (text(audience) === undefined) yield "a projected token has no audience";
        const seconds = number(expirationSeconds);
        if (seconds !== undefined && seconds > 3600) yield "a projected token lives for more than an hour";
      }
    }
  },
};

export const notPrivileged: ResourceRule = {
  name: "kubernetes-not-privileged",
  sentence: "A workload that gets secrets runs without root, privileges or the host's namespaces.",
  severity: "high",
  fix: "Set runAsNonRoot, allowPrivilegeEscalation: false and drop all capabilities, of which NET_BIND_SERVICE may come back; share nothing of the host.",
  controls: [
    "CIS-Kubernetes-1.9/5.2.2",
    "CIS-Kubernetes-1.9/5.2.3",
    "CIS-Kubernetes-1.9/5.2.4",
    "CIS-Kubernetes-1.9/5.2.5",
    "CIS-Kubernetes-1.9/5.2.6",
    "CIS-Kubernetes-1.9/5.2.7",
    "NIST-800-53r5/AC-6",
    "R53",
  ],
  types: workloads,
  *judge({ props }) {
    const pod = podOf(props);
    for (const name of ["hostNetwork", "hostPID", "hostIPC"]) if (pod[name] === true) yield `${name} is on`;
    if (records(pod.volumes).some(({ hostPath }) => hostPath !== undefined))
      yield "a folder of the host is mounted";
    const containers = containersOf(props);
    if (containers.length === 0) yield "it has no container";
    for (const { securityContext } of containers) {
      const context = record(securityContext);
      if (context.privileged === true) yield "a container is privileged";
      if (context.allowPrivilegeEscalation !== false) yield "allowPrivilegeEscalation is not false";
      if ((context.runAsNonRoot ?? record(pod.securityContext).runAsNonRoot) !== true)
        yield "runAsNonRoot is not true";
      if (!texts(record(context.capabilities).drop).includes("ALL")) yield "capabilities are not dropped";
      const added = texts(record(context.capabilities).add).filter((name) => name !== "NET_BIND_SERVICE");
      if (added.length > 0) yield `capabilities adds ${added.join(", ")}`;
    }
  },
};

export const rightsExact: ResourceRule = {
  name: "kubernetes-rights-exact",
  sentence:
    "Who may read Secrets in the cluster names them; nobody has every right or binds to cluster-admin.",
  severity: "critical",
  fix: "Name verbs, resources and resourceNames; bind named accounts to a role of the namespace.",
  controls: [
    "CIS-Kubernetes-1.9/5.1.1",
    "CIS-Kubernetes-1.9/5.1.2",
    "CIS-Kubernetes-1.9/5.1.3",
    "NIST-800-53r5/AC-6",
    "R7",
  ],
  types: [kubernetes.role, kubernetes.clusterRole, kubernetes.roleBinding, kubernetes.clusterRoleBinding],
  *judge({ type, props }) {
    if (type === kubernetes.roleBinding || type === kubernetes.clusterRoleBinding) {
      if (["cluster-admin", "admin", "edit"].includes(text(record(props.roleRef).name) ?? ""))
        yield "it binds to a role with every right";
      for (const { name, kind } of records(props.subjects)) {
        // Kubernetes' own: everyone, everyone of a namespace, who has not logged in, and its components.
        if (kind !== "ServiceAccount" && (text(name) ?? "").startsWith("system:"))
          yield `it binds ${kind === "Group" ? "everyone in " : ""}${text(name) ?? ""}`;
        if (kind === "ServiceAccount" && name === "default") yield "it binds the namespace's default account";
      }
      return;
    }
    for (const rule of records(props.rules)) {
      const [verbs, resources] = [texts(rule.verbs), texts(rule.resources)];
      if (verbs.includes("*") || resources.includes("*") || texts(rule.apiGroups).includes("*"))
        yield "a rule has a *";
      const more = verbs.filter((verb) => ["impersonate", "bind", "escalate"].includes(verb));
      if (more.length > 0) yield `it may ${more.join(", ")}, and so take any right`;
      const reads = verbs.some((verb) => ["get", "list", "watch", "*"].includes(verb));
      const named =
        texts(rule.resourceNames).length > 0 && !verbs.includes("list") && !verbs.includes("watch");
      if (reads && resources.includes("secrets") && !named) yield "it reads every Secret";
      if (
        resources.some((resource) =>
          ["serviceaccounts/token", "pods/exec", "pods/attach"].includes(resource),
        ) &&
        !named
      ) {
        yield "it may act as any account or pod";
      }
    }
  },
};

export const networkClosed: StackRule = {
  name: "kubernetes-network-closed",
  sentence: "In every namespace that gets secrets, pods reach and are reached by only what is named.",
  severity: "high",
  fix: "Declare a NetworkPolicy with an empty podSelector and both policyTypes in the namespace, and name peers by labels or addresses.",
  controls: ["CIS-Kubernetes-1.9/5.3.2", "NIST-800-53r5/SC-7(5)", "R53"],
  types: [kubernetes.networkPolicy],
  *judgeStack(resources) {
    const closed = { Ingress: new Set<string | undefined>(), Egress: new Set<string | undefined>() };
    for (const resource of ofType(resources, kubernetes.networkPolicy)) {
      const { podSelector, policyTypes, ingress, egress } = record(resource.props.spec);
      const rules = [
        ...records(ingress).map(({ from }) => records(from)),
        ...records(egress).map(({ to }) => records(to)),
      ];
      for (const message of new Set(rules.flatMap(open))) yield { urn: resource.urn, message };
      if (Object.keys(record(podSelector)).length > 0) continue;
      // One object may close both directions, or two one each.
      for (const type of ["Ingress", "Egress"] as const)
        if (texts(policyTypes).includes(type)) closed[type].add(namespaceOf(resource));
    }
    for (const resource of [...workloads, ...syncs].flatMap((type) => ofType(resources, type))) {
      const namespace = namespaceOf(resource);
      if (!closed.Ingress.has(namespace) || !closed.Egress.has(namespace)) {
        yield {
          urn: resource.urn,
          message: `no network policy closes the namespace ${namespace ?? "default"}`,
        };
      }
    }
  },
};

/** What is wrong with whom a rule of a network policy names. */
function open(peers: readonly Props[]): string[] {
  if (peers.length === 0) return ["a rule lets everything through"];
  return peers.flatMap(({ ipBlock, namespaceSelector, podSelector }) => {
    if (ipBlock !== undefined) {
      const [, bits] = (text(record(ipBlock).cidr) ?? "").split("/");
      return Number(bits) >= 8 ? [] : ["a rule is for the whole network"];
    }
    if (namespaceSelector === undefined)
      return podSelector === undefined ? ["a rule lets everything through"] : [];
    const { matchLabels, matchExpressions } = record(namespaceSelector);
    const isAny = Object.keys(record(matchLabels)).length === 0 && records(matchExpressions).length === 0;
    return isAny ? ["a rule is for every namespace"] : [];
  });
}

export const namespaceNamed: ResourceRule = {
  name: "kubernetes-namespace-named",
  sentence: "Everything lies in a namespace of its system, never in default or kube-system.",
  severity: "medium",
  fix: "Set metadata.namespace to the system's.",
  controls: ["CIS-Kubernetes-1.9/5.7.1", "CIS-Kubernetes-1.9/5.7.4", "R7"],
  types: [
    ...workloads,
    ...syncs,
    kubernetes.secret,
    kubernetes.configMap,
    kubernetes.serviceAccount,
    kubernetes.vaultAuth,
  ],
  *judge(resource) {
    const namespace = namespaceOf(resource);
    if (namespace === undefined || namespace === "default" || namespace.startsWith("kube-")) {
      yield `it lies in ${namespace ?? "default"}`;
    }
  },
};
