import { BlockList, isIP } from "node:net";
import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { bounded, number, text, texts } from "../value.ts";
import { vault } from "./types.ts";

export const appRoleNetworkBound: ResourceRule = {
  name: "approle-network-bound",
  sentence: "A host's secret id and token work from its own network alone.",
  severity: "high",
  fix: "Name the hosts' addresses or their private network in vault.cidrs of the environment.",
  controls: ["NIST-800-53r5/AC-2(11)", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [vault.appRole],
  *judge({ props }) {
    for (const name of ["secretIdBoundCidrs", "tokenBoundCidrs"]) {
      const networks = texts(props[name]);
      if (networks.length === 0) yield `${name} is not set: it works from anywhere`;
      for (const network of networks) {
        const wrong = wideNetwork(network);
        if (wrong !== undefined) yield `${name} has ${wrong}`;
      }
    }
  },
};

/** What is wrong with a network that should be one organization's hosts; nothing where it is right. */
export function wideNetwork(network: string): string | undefined {
  const [address = "", bits] = network.split("/");
  const family = isIP(address);
  if (family === 0) return `"${network}", which is no network`;
  const size = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
  if (!Number.isInteger(size) || size < (family === 4 ? 16 : 48))
    return `${network}, which is wider than one network of hosts`;
  if (size < (family === 4 ? 24 : 64) && !own.check(address, family === 4 ? "ipv4" : "ipv6")) {
    return `${network}, which is a wide public network`;
  }
  return undefined;
}

const own = new BlockList();
own.addSubnet("10.0.0.0", 8);
own.addSubnet("172.16.0.0", 12);
own.addSubnet("192.168.0.0", 16);
own.addSubnet("127.0.0.0", 8);
own.addSubnet("100.64.0.0", 10);
own.addSubnet("fc00::", 7, "ipv6");

export const appRoleSecretIdBounded: ResourceRule = {
  name: "approle-secret-id-bounded",
  sentence: "A host needs a secret id, which ends within a week and after a number of logins.",
  severity: "high",
  fix: "Set bindSecretId, secretIdTtl of at most 7 d and secretIdNumUses.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.4-expiration", "R13"],
  types: [vault.appRole],
  *judge({ props }) {
    if (props.bindSecretId !== true)
      yield "bindSecretId is not true: the role id alone, which is no secret, logs in";
    if (!bounded(props.secretIdTtl, 7 * 86_400)) yield "secretIdTtl is not between 1 s and 7 d";
    const uses = number(props.secretIdNumUses);
    if (uses === undefined || uses < 1 || uses > 100) yield "secretIdNumUses is not between 1 and 100";
    if (props.roleId !== undefined) yield "roleId is chosen; Vault's own is random";
  },
};

export const podAccountExact: ResourceRule = {
  name: "pod-account-exact",
  sentence: "A pod's login role admits one named service account of one named namespace.",
  severity: "critical",
  fix: "Set boundServiceAccountNames and boundServiceAccountNamespaces to one name each, not default.",
  controls: ["CIS-Kubernetes-1.9/5.1.5", "NIST-800-53r5/AC-6", "NIST-800-53r5/IA-9", "R7"],
  types: [vault.kubernetesRole],
  *judge({ props }) {
    for (const name of ["boundServiceAccountNames", "boundServiceAccountNamespaces"]) {
      const names = texts(props[name]);
      if (names.length !== 1) yield `${name} has ${names.length} names`;
      for (const each of names) {
        if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(each)) yield `${name} admits "${each}"`;
        if (each === "default")
          yield `${name} admits default, which every pod without an account of its own has`;
        if (/^kube-/.test(each)) yield `${name} admits ${each}, which is the cluster's own`;
      }
    }
    if (props.boundServiceAccountNamespaceSelector !== undefined)
      yield "a selector of labels admits namespaces unseen";
  },
};

export const podTokenForVault: ResourceRule = {
  name: "pod-token-for-vault",
  sentence:
    "A pod logs in with a token that is for Vault, as the account that it is and not one of its name.",
  severity: "high",
  fix: "Set audience, and aliasNameSource to serviceaccount_uid.",
  controls: ["NIST-800-53r5/IA-4", "NIST-800-53r5/IA-13(3)", "R7"],
  types: [vault.kubernetesRole],
  *judge({ props }) {
    const audience = text(props.audience);
    if (audience === undefined) yield "audience is not set: a token for any other system logs in";
    else if (!/^[\w.:/-]+$/.test(audience)) yield `"${audience}" is no exact audience`;
    // Every pod has a token for it, which whatever it talks to may keep.
    else if (/^(https:\/\/)?kubernetes(\.default(\.svc)?)?(\.[\w.-]+)?$|^api$/.test(audience))
      yield `"${audience}" is the cluster's own API: any pod's token for it logs in`;
    if (props.aliasNameSource !== "serviceaccount_uid") yield "aliasNameSource is not serviceaccount_uid";
  },
};

export const podAccountOwn: StackRule = {
  name: "pod-account-own",
  sentence: "A service account is one service's: no other role lets it in as somebody else.",
  severity: "critical",
  fix: "Give each service a service account of its own, and write it under kubernetes of the service.",
  controls: ["CIS-Kubernetes-1.9/5.1.5", "NIST-800-53r5/AC-6", "NIST-800-53r5/IA-9", "R7"],
  *judgeStack(resources) {
    const accounts = new Map<string, string>();
    for (const { urn, props } of ofType(resources, vault.kubernetesRole)) {
      const role = text(props.roleName) ?? "";
      for (const namespace of texts(props.boundServiceAccountNamespaces)) {
        for (const name of texts(props.boundServiceAccountNames)) {
          const other = accounts.get(`${namespace}/${name}`);
          if (other !== undefined && other !== role)
            yield { urn, message: `${namespace}/${name} logs in as ${other} already` };
          else accounts.set(`${namespace}/${name}`, role);
        }
      }
    }
  },
};

export const clusterVerified: ResourceRule = {
  name: "cluster-verified",
  sentence: "Vault asks the cluster's API over TLS whether a token is right.",
  severity: "critical",
  fix: "Give kubernetes.host an https address, and a certificate with disableLocalCaJwt where Vault runs outside the cluster.",
  controls: ["NIST-800-53r5/SC-8", "NIST-800-53r5/SC-23", "R53"],
  types: [vault.kubernetes],
  *judge({ props }) {
    if (!/^https:\/\/[\w.:[\]-]+\/?$/.test(text(props.kubernetesHost) ?? "")) {
      yield "kubernetesHost is not an https address";
    }
    const certificate = text(props.kubernetesCaCert);
    if (certificate !== undefined && !certificate.includes("BEGIN CERTIFICATE"))
      yield "kubernetesCaCert is no certificate";
    if (certificate !== undefined && props.disableLocalCaJwt !== true) {
      yield "disableLocalCaJwt is not true beside a certificate: Vault looks for a pod's own token first";
    }
    if (props.tokenReviewerJwt !== undefined)
      yield "tokenReviewerJwt is a credential in the state; write it outside the program";
  },
};
