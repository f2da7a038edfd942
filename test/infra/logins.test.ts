import assert from "node:assert/strict";
import { test } from "node:test";
import { platform } from "../../infra/index.ts";
import { declared } from "./declared.ts";
import { smallModel } from "./model.ts";

const jwtRole = "vault:jwt/authBackendRole:AuthBackendRole";
const model = smallModel();
const all = await declared(() => platform(model, { part: "all", bootstrapPasswords: {} }));

const hashed = { auditNonHmacRequestKeys: [], auditNonHmacResponseKeys: [] };

test("lets GitHub's tokens in by discovery, for its issuer and RS256 alone (R11)", () => {
  assert.deepEqual(all.one("vault:jwt/authBackend:AuthBackend", "github").inputs, {
    path: "github",
    type: "jwt",
    description: "GitHub Actions jobs, by their OIDC tokens.",
    oidcDiscoveryUrl: "https://127.0.0.1:8300",
    oidcDiscoveryCaPem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    boundIssuer: "https://127.0.0.1:8300",
    jwtSupportedAlgs: ["RS256"],
    local: false,
    tune: {
      defaultLeaseTtl: "15m",
      maxLeaseTtl: "4h",
      listingVisibility: "hidden",
      tokenType: "default-service",
      ...hashed,
    },
  });
});

test("binds a CI job to exact claims, for minutes, with nothing but its policy (R11)", () => {
  assert.deepEqual(all.one(jwtRole, "titan.ci.deploy").inputs, {
    backend: "github",
    roleName: "titan.ci.deploy",
    roleType: "jwt",
    userClaim: "repository_id",
    boundAudiences: ["https://github.com/acme"],
    boundClaims: {
      repository_id: "821093847",
      repository_owner_id: "5544123",
      environment: "local",
      job_workflow_ref:
        "acme/titan/.github/workflows/deploy.yml@refs/heads/main,acme/titan/.github/workflows/deploy.yml@refs/heads/stable",
    },
    boundClaimsType: "string",
    claimMappings: {
      aud: "aud",
      repository: "repository",
      repository_owner_id: "repository_owner_id",
      environment: "environment",
      event_name: "event_name",
      ref: "ref",
      sha: "sha",
      workflow: "workflow",
      job_workflow_ref: "job_workflow_ref",
      run_id: "run_id",
      actor: "actor",
    },
    clockSkewLeeway: 10,
    expirationLeeway: -1,
    notBeforeLeeway: -1,
    tokenPolicies: ["titan.ci.deploy"],
    tokenType: "batch",
    tokenTtl: 600,
    tokenMaxTtl: 600,
    tokenExplicitMaxTtl: 600,
    tokenNoDefaultPolicy: true,
  });
});

test("refuses a claim whose value would be read as two, or as none (R11)", async () => {
  for (const value of ["refs/heads/a,b", "", " main"]) {
    const jwtRoles = model.jwtRoles.map((role) => ({ ...role, boundClaims: { ref: [value] } }));
    await assert.rejects(
      declared(() => platform(smallModel({ jwtRoles }), { part: "platform", bootstrapPasswords: {} })),
      { message: /^The role "keyplane.deploy" must bind claim "ref" to values without commas/ },
    );
  }
});

test("refuses a role that outlives its mount (R13)", async () => {
  const jwtRoles = model.jwtRoles.map((role) => ({ ...role, maxTtl: 14_401 }));
  await assert.rejects(
    declared(() => platform(smallModel({ jwtRoles }), { part: "platform", bootstrapPasswords: {} })),
    { message: /^The role "keyplane.deploy" asks for tokens of up to 14401 s/ },
  );
});

test("binds a host's role to its addresses and to secret ids that run out", () => {
  assert.deepEqual(all.one("vault:appRole/authBackendRole:AuthBackendRole", "titan.quant").inputs, {
    backend: "approle",
    roleName: "titan.quant",
    bindSecretId: true,
    secretIdBoundCidrs: ["127.0.0.1/32"],
    secretIdNumUses: 1,
    secretIdTtl: 86_400,
    tokenBoundCidrs: ["127.0.0.1"],
    tokenPolicies: ["titan.quant"],
    tokenType: "service",
    tokenTtl: 3600,
    tokenMaxTtl: 86_400,
    tokenExplicitMaxTtl: 86_400,
  });
});

test("binds a pod's role to one service account of one namespace (R38)", () => {
  assert.deepEqual(all.one("vault:kubernetes/authBackendRole:AuthBackendRole", "soma.gateway").inputs, {
    backend: "kubernetes",
    roleName: "soma.gateway",
    boundServiceAccountNames: ["gateway"],
    boundServiceAccountNamespaces: ["soma"],
    audience: "vault",
    aliasNameSource: "serviceaccount_uid",
    tokenPolicies: ["soma.gateway"],
    tokenType: "service",
    tokenTtl: 3600,
    tokenMaxTtl: 86_400,
    tokenExplicitMaxTtl: 86_400,
  });
});

test("declares no Kubernetes login where the environment has no Kubernetes", async () => {
  const { kubernetes: _, ...vault } = model.vault;
  const without = await declared(() =>
    platform(smallModel({ vault }), { part: "all", bootstrapPasswords: {} }),
  );
  assert.deepEqual(
    without.resources.filter(({ urn }) => urn.includes("kubernetes")),
    [],
  );
});

test("asks people, and people only, for a second factor (R50)", () => {
  assert.deepEqual(all.one("vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "people-mfa").inputs, {
    name: "people",
    mfaMethodIds: ["people-totp-method"],
    authMethodAccessors: ["vault:index/authBackend:AuthBackend-accessor"],
  });
  assert.deepEqual(all.one("vault:identity/mfaTotp:MfaTotp", "people-totp").inputs, {
    issuer: "Keyplane acme local",
    algorithm: "SHA1",
    digits: 6,
    period: 30,
    skew: 1,
    keySize: 20,
    maxValidationAttempts: 5,
  });
});

test("makes nobody anyone before their login asks for a second factor (R50)", () => {
  const { urn } = all.one("vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "people-mfa");
  const people = all.resources.filter(({ type }) =>
    ["entity:Entity", "entityAlias:EntityAlias", "group:Group"].includes(type.replace("vault:identity/", "")),
  );
  assert.equal(people.length, 5);
  assert.deepEqual(
    people.filter(({ dependsOn }) => !dependsOn.includes(urn)).map((person) => person.urn),
    [],
  );
});

test("makes each person an entity whose login is that of the environment (R59)", async () => {
  assert.deepEqual(all.one("vault:identity/entity:Entity", "ada").inputs, {
    name: "ada",
    metadata: { email: "ada@acme.example" },
    policies: [],
  });
  assert.deepEqual(all.one("vault:identity/entity:Entity", "ada").ignoreChanges, ["disabled"]);
  assert.equal(all.one("vault:identity/entityAlias:EntityAlias", "ada").inputs.name, "ada");
  const auth = { ...model.vault.auth, human: "oidc" as const };
  const oidc = { discoveryUrl: "https://login.acme.example", clientId: "vault" };
  const real = await declared(() =>
    platform(smallModel({ vault: { ...model.vault, auth, oidc } }), {
      part: "platform",
      bootstrapPasswords: {},
    }),
  );
  assert.equal(real.one("vault:identity/entityAlias:EntityAlias", "ada").inputs.name, "ada@acme.example");
  assert.deepEqual(real.one(jwtRole, "people-oidc").inputs, {
    backend: "oidc",
    roleName: "people",
    roleType: "oidc",
    userClaim: "email",
    oidcScopes: ["email"],
    boundAudiences: ["vault"],
    allowedRedirectUris: [
      "http://localhost:8250/oidc/callback",
      "https://127.0.0.1:8200/ui/vault/auth/oidc/oidc/callback",
    ],
    tokenTtl: 3600,
    tokenMaxTtl: 28_800,
    tokenExplicitMaxTtl: 28_800,
    tokenType: "service",
  });
});

test("gives a group exactly its members and policies (R59)", () => {
  assert.deepEqual(all.one("vault:identity/group:Group", "platform").inputs, {
    name: "platform",
    type: "internal",
    policies: ["group.platform"],
    memberEntityIds: ["ada-id"],
  });
});

test("refuses a group with a member who is nobody", async () => {
  const groups = model.groups.map((group) => ({ ...group, members: ["eve"] }));
  await assert.rejects(
    declared(() => platform(smallModel({ groups }), { part: "all", bootstrapPasswords: {} })),
    { message: 'The group "platform" has a member "eve" who is not among the people' },
  );
});
