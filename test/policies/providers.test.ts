import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { judge } from "../../policies/judge.ts";
import { providerDefault, providerOwn } from "../../policies/providers.ts";
import { seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";
import { findings, ruleSuite } from "./suite.ts";

ruleSuite(
  providerOwn,
  {
    type: "pulumi:providers:vault",
    props: { address: "https://vault.acme.example", skipChildToken: "true", version: "7.8.0" },
  },
  {
    "TLS that is not verified": [{ skipTlsVerify: "true" }, ["skipTlsVerify is set"]],
    "plain HTTP": [
      { address: "http://vault.acme.example" },
      ["address is no https address of the environment's"],
    ],
    "another user's name in the address": [
      { address: "https://a:b@vault.acme.example" },
      ["address is no https address of the environment's"],
    ],
    "this machine, in production": [
      { address: "https://127.0.0.1:8200" },
      ["address is no https address of the environment's"],
    ],
    "a token": [{ token: "x" }, ["token is set"]],
    "a login": [{ authLoginUserpass: { username: "x" } }, ["authLoginUserpass is set"]],
    "a plugin from elsewhere": [{ pluginDownloadURL: "https://evil.example" }, ["pluginDownloadURL is set"]],
  },
);
ruleSuite(
  providerOwn,
  {
    type: "pulumi:providers:aws",
    props: { region: "eu-west-1", skipCredentialsValidation: "false", skipMetadataApiCheck: "true" },
  },
  {
    "another endpoint": [{ endpoints: '[{"iam":"https://evil.example"}]' }, ["endpoints is set"]],
    "a static key": [{ accessKey: "x", secretKey: "y" }, ["accessKey is set", "secretKey is set"]],
    "a proxy": [{ httpsProxy: "http://evil.example" }, ["httpsProxy is set"]],
    "credentials that nobody checks": [
      { skipCredentialsValidation: "true" },
      ["skipCredentialsValidation is set"],
    ],
  },
);
ruleSuite(
  providerOwn,
  { type: "pulumi:providers:kubernetes", props: { context: "production" } },
  { "a cluster's credentials": [{ kubeconfig: "apiVersion: v1" }, ["kubeconfig is set"]] },
);

suite("provider-own on the local stack", () => {
  const local = (type: string, inputs: Record<string, unknown>) =>
    judge(
      [providerOwn],
      [
        seen({
          urn: `urn:pulumi:local::keyplane::${type}::default`,
          type,
          name: "default",
          inputs,
          protect: false,
        }),
      ],
    ).map(({ message }) => message);
  test("takes addresses of this machine", () => {
    assert.deepEqual(local("pulumi:providers:vault", { address: "https://127.0.0.1:8200" }), []);
    assert.deepEqual(local("pulumi:providers:aws", { endpoints: [{ iam: "http://127.0.0.1:4566" }] }), []);
  });
  test("refuses others", () => {
    assert.deepEqual(local("pulumi:providers:vault", { address: "https://vault.acme.example" }), [
      "address is not of this machine",
    ]);
    assert.deepEqual(local("pulumi:providers:aws", { endpoints: [{ iam: "https://evil.example" }] }), [
      "endpoints are not all of this machine",
    ]);
  });
});

const typeJudged = rules.find(({ name }) => name === "state-type-judged");
for (const type of ["pulumi:pulumi:StackReference", "keyplane:evil:Thing", "pulumi:providers:random"]) {
  test(`state-type-judged: refuses ${type}`, () => {
    assert.ok(typeJudged);
    assert.deepEqual(findings(typeJudged, [{ type, props: {} }]), [`no rule judges ${type}`]);
  });
}

test("provider-default: refuses a second Vault, whose address the program says", () => {
  const named = (name: string) =>
    judge(
      [providerDefault],
      [
        seen({
          urn: `urn:pulumi:production::keyplane::pulumi:providers:vault::${name}`,
          type: "pulumi:providers:vault",
          name,
          inputs: { address: "https://vault.other.example" },
          protect: false,
        }),
      ],
    ).map(({ message }) => message);
  assert.deepEqual(named("default_7_8_0"), []);
  assert.deepEqual(named("default"), []);
  assert.deepEqual(named("other"), ["the program declares a provider of its own"]);
});
