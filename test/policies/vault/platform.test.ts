import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { aws } from "../../../policies/aws/types.ts";
import { nameOnce } from "../../../policies/vault/places.ts";
import * as platform from "../../../policies/vault/platform.ts";
import { tokenPoliciesNamed } from "../../../policies/vault/tokens.ts";
import { vault } from "../../../policies/vault/types.ts";
import { changed, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";
import { of } from "./policy.ts";

const deploy = shipped(vault.jwtRole, "keyplane.deploy");
const other = "acme/secrets/.github/workflows/other.yml@refs/heads/main";

ruleSuite(platform.platformLoginKnown, deploy, {
  "a role that the platform does not have": [
    { roleName: "keyplane.deploy.evil" },
    ['"keyplane.deploy.evil" is none of the platform\'s roles'],
  ],
  "a role of a name that only begins so": [
    { roleName: "keyplane.deployer" },
    ['"keyplane.deployer" is none of the platform\'s roles'],
  ],
  "another role's policy": [
    { tokenPolicies: ["keyplane.rotate"] },
    ["it gives keyplane.rotate, not keyplane.deploy"],
  ],
  "another workflow": [
    { "boundClaims.job_workflow_ref": other },
    [`it is not bound to deploy.yml: "${other}"`],
  ],
});
ruleSuite(platform.platformLoginKnown, shipped(vault.jwtRole, "titan.ci.deploy"), {
  "a job that deploys the platform": [
    { tokenPolicies: ["keyplane.deploy"] },
    ['"titan.ci.deploy" is none of the platform\'s roles'],
  ],
  "a job that is a function": [
    { tokenPolicies: ["titan.ledger.keyplane.rotate-postgres"] },
    ['"titan.ci.deploy" is none of the platform\'s roles'],
  ],
});
ruleSuite(platform.platformLoginKnown, shipped(vault.appRole), {
  "a host that rotates": [
    { roleName: "keyplane.rotate", tokenPolicies: ["keyplane.rotate"] },
    ['"keyplane.rotate" is none of the platform\'s roles'],
  ],
});
ruleSuite(platform.platformLoginKnown, shipped(vault.kubernetesRole), {
  "a pod that deploys": [
    { roleName: "keyplane.deploy" },
    ['"keyplane.deploy" is none of the platform\'s roles'],
  ],
});
ruleSuite(platform.platformLoginKnown, shipped(vault.awsRole, "keyplane.rotate"), {
  "a function that deploys": [{ role: "keyplane.deploy" }, ['"keyplane.deploy" is no function\'s role']],
});
test("token-policies-named: a role whose name only begins with a policy's does not get it", () =>
  assert.deepEqual(findings(tokenPoliciesNamed, [changed(deploy, { roleName: "keyplane.deploy.evil" })]), [
    "tokenPolicies names a policy that is not the role's own",
  ]));

suite(`platform-one-environment: ${platform.platformOneEnvironment.sentence}`, () => {
  const login = (patch: Record<string, unknown>) =>
    findings(platform.platformOneEnvironment, everythingBut(vault.jwtRole, patch, "keyplane.rotate"));
  const files = (...branches: string[]) =>
    branches.map((branch) => `acme/secrets/.github/workflows/rotate.yml@refs/heads/${branch}`).join();
  const trust = (from: string, to: string) => {
    const role = shipped(aws.role, "keyplane-production-deploy");
    const assumeRolePolicy = String(role.props.assumeRolePolicy).replaceAll(from, to);
    return findings(
      platform.platformOneEnvironment,
      everythingBut(aws.role, { assumeRolePolicy }, "keyplane-production-deploy"),
    );
  };
  test("passes the shipped program", () =>
    assert.deepEqual(findings(platform.platformOneEnvironment, everything()), []));
  test("refuses a login in Vault from preview, where nobody has reviewed", () =>
    assert.deepEqual(login({ "boundClaims.environment": "preview" }), [
      "it is of preview, where code runs that nobody has merged",
    ]));
  test("refuses a login in Vault from another GitHub environment than the others", () =>
    assert.deepEqual(login({ "boundClaims.environment": "staging" }), [
      "its environment is staging, where that of the others asks for production-rotate",
    ]));
  test("refuses what runs by the clock where people are asked, and the clock's environment for what they are asked for", () => {
    assert.deepEqual(login({ "boundClaims.environment": "production" }), [
      "its environment is production, where that of the others asks for production-rotate",
    ]);
    assert.deepEqual(trust(":environment:production", ":environment:production-rotate"), [
      "its environment is production-rotate, where that of the others asks for production",
    ]);
  });
  test("refuses a login in Vault from one branch more", () =>
    assert.deepEqual(
      login({
        "boundClaims.ref": "refs/heads/main,refs/heads/any",
        "boundClaims.job_workflow_ref": files("main", "any"),
      }),
      ["its branches are refs/heads/any, refs/heads/main, those of the others refs/heads/main"],
    ));
  test("refuses a workflow of another branch than the job's", () =>
    assert.deepEqual(login({ "boundClaims.job_workflow_ref": files("any") }), [
      "its workflow is of refs/heads/any, and it runs from refs/heads/main",
    ]));
  test("refuses a role of AWS for preview, and one for one branch more", () => {
    assert.deepEqual(trust(":environment:production", ":environment:preview"), [
      "it is of preview, where code runs that nobody has merged",
    ]);
    assert.deepEqual(trust('["refs/heads/main"]', '["refs/heads/main","refs/heads/any"]'), [
      "its branches are refs/heads/any, refs/heads/main, those of the others refs/heads/main",
      "its workflow is of refs/heads/main, and it runs from refs/heads/any, refs/heads/main",
    ]);
  });
});

suite(`owner-one-repository: ${platform.ownerOneRepository.sentence}`, () => {
  const but = (patch: Record<string, unknown>) =>
    findings(platform.ownerOneRepository, everythingBut(vault.jwtRole, patch, "keyplane.deploy"));
  test("passes the shipped program", () =>
    assert.deepEqual(findings(platform.ownerOneRepository, everything()), []));
  for (const [claim, value, repository] of [
    ["repository_id", "999", "999 5544123 acme/secrets"],
    ["repository_owner_id", "666", "821093847 666 acme/secrets"],
    [
      "job_workflow_ref",
      "evil/secrets/.github/workflows/deploy.yml@refs/heads/main",
      "821093847 5544123 evil/secrets",
    ],
  ] as const) {
    test(`refuses a deploy role whose ${claim} is another repository's`, () =>
      assert.deepEqual(but({ [`boundClaims.${claim}`]: value }), [
        `it is of another repository than the others: ${repository}`,
      ]));
  }
  test("refuses workflows of two repositories", () =>
    assert.deepEqual(
      but({
        "boundClaims.job_workflow_ref":
          "acme/secrets/.github/workflows/deploy.yml@refs/heads/main,evil/x/.github/workflows/deploy.yml@refs/heads/main",
      }),
      ["its workflows are of more than one repository"],
    ));
});

suite(`function-login-own: ${platform.functionLoginOwn.sentence}`, () => {
  const role = "arn:aws:iam::222222222222:role/keyplane-production-administrator";
  test("passes the shipped program", () =>
    assert.deepEqual(findings(platform.functionLoginOwn, everything()), []));
  test("refuses that somebody else logs in as the engine", () =>
    assert.deepEqual(
      findings(
        platform.functionLoginOwn,
        everythingBut(vault.awsRole, { boundIamPrincipalArns: [role] }, "keyplane.rotate"),
      ),
      [`no function that logs in so runs as ${role}`],
    ));
  test("refuses a login that no function uses", () =>
    assert.equal(findings(platform.functionLoginOwn, [shipped(vault.awsRole, "keyplane.rotate")]).length, 1));
});

suite(`group-policy-held: ${platform.groupPolicyHeld.sentence}`, () => {
  test("passes the shipped program", () =>
    assert.deepEqual(findings(platform.groupPolicyHeld, everything()), []));
  test("refuses a policy of a group that there is not", () =>
    assert.deepEqual(
      findings(platform.groupPolicyHeld, [
        ...everything(),
        of("keyplane.group.evil", ["kv/data/source/titan/hmac", "read"]),
      ]),
      ["there is no group evil"],
    ));
});

suite(`name-once: ${nameOnce.sentence}`, () => {
  test("passes the shipped program", () => assert.deepEqual(findings(nameOnce, everything()), []));
  test("refuses a second policy of a name, which would be the first one's text as well", () =>
    assert.deepEqual(
      findings(nameOnce, [...everything(), of("keyplane.drift", ["kv/data/source/*", "read"])]),
      ['there are two of the name "keyplane.drift"'],
    ));
});

suite(`vault-one-address: ${platform.vaultOne.sentence}`, () => {
  const of = (resources: ReturnType<typeof everything>) => findings(platform.vaultOne, resources);
  const elsewhere = { address: "https://vault.evil.example", serverId: "vault.evil.example" };
  test("passes the shipped program", () => assert.deepEqual(of(everything()), []));
  test("refuses a function that logs in to another Vault", () =>
    assert.deepEqual(
      of(
        everythingBut(aws.function, {
          "environment.variables.KEYPLANE_VAULT": JSON.stringify({
            ...elsewhere,
            mount: "aws",
            role: "keyplane.rotate",
          }),
        }),
      ),
      ["it calls vault.evil.example, and this one is vault.acme.example"],
    ));
  test("refuses a login of people that returns to another host", () =>
    assert.deepEqual(
      of(
        everythingBut(
          vault.jwtRole,
          { allowedRedirectUris: ["https://vault.evil.example/ui/vault/auth/oidc/oidc/callback"] },
          "people-oidc",
        ),
      ),
      ["a login returns to vault.evil.example, and this Vault is vault.acme.example"],
    ));
});
