import assert from "node:assert/strict";
import { test } from "node:test";
import * as machines from "../../../policies/vault/machines.ts";
import * as places from "../../../policies/vault/places.ts";
import * as tokens from "../../../policies/vault/tokens.ts";
import { vault } from "../../../policies/vault/types.ts";
import { changed, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

const ci = shipped(vault.jwtRole, "titan.ci.deploy");
const deploy = shipped(vault.jwtRole, "keyplane.deploy");
const host = shipped(vault.appRole);
const pod = shipped(vault.kubernetesRole, "trading-bot.bot");

ruleSuite(tokens.loginFits, ci, {
  "a job that logs in as a service": [
    { roleName: "titan.titan-brain" },
    ["a CI job logs in as titan.titan-brain"],
  ],
  "no name": [{ roleName: undefined }, ["a CI job logs in as nobody"]],
});
ruleSuite(tokens.loginFits, host, {
  "a host that logs in as a job": [{ roleName: "titan.ci.deploy" }, ["a service logs in as titan.ci.deploy"]],
});
ruleSuite(tokens.tokenBounded, deploy, {
  unset: [
    { tokenTtl: undefined, tokenMaxTtl: undefined, tokenExplicitMaxTtl: undefined },
    [
      "tokenTtl is not between 1 and 14400 s",
      "tokenMaxTtl is not between 1 and 14400 s",
      "tokenExplicitMaxTtl is not between 1 and 14400 s",
    ],
  ],
  "Vault's default": [
    { tokenMaxTtl: 0 },
    ["tokenMaxTtl is not between 1 and 14400 s", "tokenTtl is over tokenMaxTtl"],
  ],
  "a second too long": [
    { tokenExplicitMaxTtl: 14_401 },
    ["tokenExplicitMaxTtl is not between 1 and 14400 s"],
  ],
  "longer than it can be": [{ tokenTtl: 14_400, tokenMaxTtl: 60 }, ["tokenTtl is over tokenMaxTtl"]],
});
ruleSuite(tokens.tokenBounded, host, {
  "a service's token of two days": [{ tokenMaxTtl: 172_800 }, ["tokenMaxTtl is not between 1 and 86400 s"]],
});
ruleSuite(tokens.tokenBounded, shipped(vault.jwtRole, "people-oidc"), {
  "a person's token of a day": [{ tokenMaxTtl: 86_400 }, ["tokenMaxTtl is not between 1 and 28800 s"]],
});
ruleSuite(tokens.tokenNotPeriodic, host, { "a period": [{ tokenPeriod: 3600 }, ["tokenPeriod is set"]] });
ruleSuite(tokens.tokenKindFits, ci, {
  "the mount decides": [
    { tokenType: "default" },
    ["tokenType is neither service nor batch, so the mount decides"],
  ],
  unset: [{ tokenType: undefined }, ["tokenType is neither service nor batch, so the mount decides"]],
  "a batch token of an hour": [{ tokenMaxTtl: 3600 }, ["a batch token lives for more than 15 minutes"]],
});
ruleSuite(tokens.tokenKindFits, host, {
  "a host's batch token": [
    { tokenType: "batch" },
    ["a batch token cannot be revoked when this login is compromised"],
  ],
});
ruleSuite(tokens.tokenPoliciesNamed, host, {
  unset: [{ tokenPolicies: undefined }, ["tokenPolicies is not set"]],
  root: [
    { tokenPolicies: ["root"] },
    ["tokenPolicies names root or nothing", "tokenPolicies names a policy that is not the role's own"],
  ],
  "another's": [
    { tokenPolicies: ["titan.grafana"] },
    ["tokenPolicies names a policy that is not the role's own"],
  ],
});
ruleSuite(tokens.tokenPoliciesNamed, shipped(vault.jwtRole, "people-oidc"), {
  "a policy for everyone": [
    { tokenPolicies: ["keyplane.group.platform"] },
    ["everyone who logs in gets keyplane.group.platform"],
  ],
});
ruleSuite(tokens.mountBounded, shipped(vault.mount, "database"), {
  unset: [
    { defaultLeaseTtlSeconds: undefined, maxLeaseTtlSeconds: undefined },
    ["the default lease is not between 1 and 3600 s", "the longest lease is not between 1 and 3600 s"],
  ],
  "two hours": [{ maxLeaseTtlSeconds: 7200 }, ["the longest lease is not between 1 and 3600 s"]],
});
ruleSuite(tokens.mountBounded, shipped(vault.auth, "kubernetes"), {
  "a month": [{ "tune.maxLeaseTtl": "768h" }, ["the longest lease is not between 1 and 86400 s"]],
  "batch tokens by default": [{ "tune.tokenType": "default-batch" }, ["tokenType is not default-service"]],
  "what is no time": [{ "tune.defaultLeaseTtl": "soon" }, ["the default lease is not between 1 and 86400 s"]],
});
ruleSuite(tokens.mountHidden, shipped(vault.auth, "approle"), {
  shown: [{ "tune.listingVisibility": "unauth" }, ["listingVisibility is not hidden"]],
  unset: [{ "tune.listingVisibility": undefined }, ["listingVisibility is not hidden"]],
});
ruleSuite(machines.appRoleNetworkBound, host, {
  unset: [{ secretIdBoundCidrs: undefined }, ["secretIdBoundCidrs is not set: it works from anywhere"]],
  anywhere: [
    { tokenBoundCidrs: ["0.0.0.0/0"] },
    ["tokenBoundCidrs has 0.0.0.0/0, which is wider than one network of hosts"],
  ],
  "anywhere, in two halves": [
    { tokenBoundCidrs: ["0.0.0.0/1", "128.0.0.0/1"] },
    [
      "tokenBoundCidrs has 0.0.0.0/1, which is wider than one network of hosts",
      "tokenBoundCidrs has 128.0.0.0/1, which is wider than one network of hosts",
    ],
  ],
  "a provider's whole range": [
    { tokenBoundCidrs: ["8.8.0.0/16"] },
    ["tokenBoundCidrs has 8.8.0.0/16, which is a wide public network"],
  ],
  "no network": [{ tokenBoundCidrs: ["hosts"] }, ['tokenBoundCidrs has "hosts", which is no network']],
});
ruleSuite(machines.appRoleSecretIdBounded, host, {
  "no secret id": [
    { bindSecretId: false },
    ["bindSecretId is not true: the role id alone, which is no secret, logs in"],
  ],
  "one that never ends": [{ secretIdTtl: 0 }, ["secretIdTtl is not between 1 s and 7 d"]],
  "any number of times": [{ secretIdNumUses: 0 }, ["secretIdNumUses is not between 1 and 100"]],
  unset: [
    { secretIdTtl: undefined, secretIdNumUses: undefined },
    ["secretIdTtl is not between 1 s and 7 d", "secretIdNumUses is not between 1 and 100"],
  ],
  "a role id that someone chose": [{ roleId: "titan" }, ["roleId is chosen; Vault's own is random"]],
});
ruleSuite(machines.podAccountExact, pod, {
  "any account": [{ boundServiceAccountNames: ["*"] }, ['boundServiceAccountNames admits "*"']],
  "any namespace": [{ boundServiceAccountNamespaces: ["*"] }, ['boundServiceAccountNamespaces admits "*"']],
  unset: [{ boundServiceAccountNames: undefined }, ["boundServiceAccountNames has 0 names"]],
  "the account of everyone": [
    { boundServiceAccountNames: ["default"] },
    ["boundServiceAccountNames admits default, which every pod without an account of its own has"],
  ],
  "the cluster's own namespace": [
    { boundServiceAccountNamespaces: ["kube-system"] },
    ["boundServiceAccountNamespaces admits kube-system, which is the cluster's own"],
  ],
  "namespaces by label": [
    { boundServiceAccountNamespaceSelector: "{}" },
    ["a selector of labels admits namespaces unseen"],
  ],
});
ruleSuite(machines.podTokenForVault, pod, {
  "a token for anyone": [
    { audience: undefined },
    ["audience is not set: a token for any other system logs in"],
  ],
  "the token that every pod has": [
    { audience: "https://kubernetes.default.svc.cluster.local" },
    [
      "\"https://kubernetes.default.svc.cluster.local\" is the cluster's own API: any pod's token for it logs in",
    ],
  ],
  "an account of the same name": [
    { aliasNameSource: "serviceaccount_name" },
    ["aliasNameSource is not serviceaccount_uid"],
  ],
});
test(`pod-account-own: refuses that a service account logs in as two services`, () => {
  assert.deepEqual(findings(machines.podAccountOwn, everything()), []);
  assert.deepEqual(
    findings(
      machines.podAccountOwn,
      everythingBut(vault.kubernetesRole, { boundServiceAccountNames: ["bot"] }, "alerter"),
    ),
    ["trading-bot/bot logs in as trading-bot.alerter already"],
  );
});
ruleSuite(machines.clusterVerified, shipped(vault.kubernetes), {
  "plain HTTP": [{ kubernetesHost: "http://kubernetes" }, ["kubernetesHost is not an https address"]],
  unset: [{ kubernetesHost: undefined }, ["kubernetesHost is not an https address"]],
  "a reviewer's token in the state": [
    { tokenReviewerJwt: "x" },
    ["tokenReviewerJwt is a credential in the state; write it outside the program"],
  ],
  "a certificate beside the pod's own": [
    { kubernetesCaCert: "-----BEGIN CERTIFICATE-----" },
    ["disableLocalCaJwt is not true beside a certificate: Vault looks for a pod's own token first"],
  ],
});
ruleSuite(places.placeRight, host, { "another mount": [{ backend: "hosts" }, ["backend is not approle"]] });
ruleSuite(places.placeRight, shipped(vault.mount, "kv"), {
  "another path": [{ path: "secret" }, ["path is not kv"]],
  "a kind that nobody uses": [
    { type: "ssh" },
    ["a mount of ssh is none that the platform uses", "path is not ssh"],
  ],
});
ruleSuite(places.mountEverywhere, shipped(vault.mount, "kv"), {
  "one cluster only": [{ local: true }, ["local is not false"]],
  unset: [{ local: undefined }, ["local is not false"]],
});
ruleSuite(places.nameExact, host, {
  "no name": [{ roleName: undefined }, ["it has no name"]],
  "a pattern": [{ roleName: "titan*" }, ['"titan*" is no plain name']],
  "another path": [{ roleName: "a/b" }, ['"a/b" is no plain name']],
});

test("batch-revokes-nothing: refuses a batch login whose policy makes database users", () => {
  const all = everything();
  assert.deepEqual(findings(tokens.batchRevokesNothing, all), []);
  const wider = all.map((example) =>
    example.props.name === "titan.ci.deploy"
      ? changed(example, {
          policy: 'path "database/creds/titan.ledger.ci" {\n  capabilities = ["read"]\n}\n',
        })
      : example,
  );
  assert.deepEqual(findings(tokens.batchRevokesNothing, wider), [
    "the policy titan.ci.deploy makes database users, which a batch token cannot end",
  ]);
});
