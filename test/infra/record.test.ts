import assert from "node:assert/strict";
import { test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi";
import { AuthBackend } from "@pulumi/vault/authBackend.js";
import { MfaLoginEnforcement } from "@pulumi/vault/identity/mfaLoginEnforcement.js";
import { Policy } from "@pulumi/vault/policy.js";
import { record, unknown } from "../../infra/record.ts";

test("records type, name, arguments, options and parents as the engine would number them", async () => {
  const [component, policy] = await record("staging", () => {
    class Group extends ComponentResource {}
    const parent = new Group("keyplane:test:Group", "group", {});
    new Policy(
      "reader",
      { name: "reader", policy: "" },
      { parent, protect: true, retainOnDelete: true, ignoreChanges: ["policy"] },
    );
  });
  assert.equal(component?.urn, "urn:pulumi:staging::keyplane::keyplane:test:Group::group");
  assert.deepEqual(policy, {
    urn: "urn:pulumi:staging::keyplane::keyplane:test:Group$vault:index/policy:Policy::reader",
    type: "vault:index/policy:Policy",
    name: "reader",
    parent: component?.urn,
    inputs: { name: "reader", policy: "" },
    secrets: [],
    protect: true,
    retainOnDelete: true,
    ignoreChanges: ["policy"],
  });
});

test("what only an update makes known is unknown, inside a list too", async () => {
  const [, enforcement] = await record("staging", () => {
    const mount = new AuthBackend("people", { path: "people", type: "userpass" });
    new MfaLoginEnforcement("mfa", {
      name: "mfa",
      mfaMethodIds: ["one"],
      authMethodAccessors: [mount.accessor],
    });
  });
  assert.deepEqual(enforcement?.inputs, {
    name: "mfa",
    mfaMethodIds: ["one"],
    authMethodAccessors: [unknown],
  });
});

test("a secret argument is known by its path", async () => {
  const [policy] = await record("staging", () => {
    new Policy("reader", { name: "reader", policy: secret("planted") });
  });
  assert.deepEqual([policy?.inputs.policy, policy?.secrets], ["planted", ["policy"]]);
});

test("two resources of one URN are refused, as the engine refuses them", async () => {
  await assert.rejects(
    record("staging", () => {
      new Policy("reader", { name: "reader", policy: "" });
      new Policy("reader", { name: "reader", policy: "" });
    }),
    { message: "declared twice: urn:pulumi:staging::keyplane::vault:index/policy:Policy::reader" },
  );
});

test("what the program throws comes through", async () => {
  await assert.rejects(
    record("staging", () => {
      throw new Error("no such part");
    }),
    { message: "no such part" },
  );
});
