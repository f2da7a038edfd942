import assert from "node:assert/strict";
import { test } from "node:test";
import * as people from "../../../policies/vault/people.ts";
import { vault } from "../../../policies/vault/types.ts";
import {
  changed,
  everything,
  everythingBut,
  everythingOf,
  findings,
  ruleSuite,
  shipped,
  without,
} from "../examples.ts";

ruleSuite(people.groupsClosed, shipped(vault.group, "administrators"), {
  "another system decides": [
    { type: "external" },
    ["the group is not internal: another system decides who is in it"],
  ],
  "members are left to others": [
    { externalMemberEntityIds: true },
    ["members or policies that someone else adds are left alone"],
  ],
  "no policy": [{ policies: [] }, ["the group has no policy"]],
  "another group's policy": [
    { policies: ["keyplane.group.platform"] },
    ["the group gets keyplane.group.platform, which is not its own"],
  ],
});
ruleSuite(people.rightsThroughGroups, shipped(vault.entity, "ada"), {
  "a policy of one's own": [{ policies: ["keyplane.deploy"] }, ["the person has keyplane.deploy directly"]],
  unsaid: [{ policies: undefined }, ["policies that someone attaches go unnoticed"]],
});
ruleSuite(people.mfaEnforced, shipped(vault.enforcement), {
  "no method": [{ mfaMethodIds: [] }, ["mfaMethodIds is empty"]],
  "no login": [{ authMethodAccessors: undefined }, ["authMethodAccessors is empty"]],
  unprotected: [{ "@protect": false }, ["the enforcement is not protected: without it a password is enough"]],
});
ruleSuite(people.mfaGuessesBounded, shipped(vault.totp), {
  "four digits": [{ digits: 4 }, ["digits is not between 6 and 8"]],
  "any number of tries": [
    { maxValidationAttempts: undefined },
    ["maxValidationAttempts is not between 1 and 5"],
  ],
  "minutes of codes": [{ skew: 5 }, ["skew is not between 0 and 1"]],
});

test("two-administrators: refuses one administrator, and no such group", () => {
  assert.deepEqual(findings(people.twoAdministrators, everything()), []);
  assert.deepEqual(
    findings(people.twoAdministrators, everythingOf(vault.group, { memberEntityIds: ["one"] })),
    ["1 administrator(s)"],
  );
  assert.deepEqual(findings(people.twoAdministrators, without(vault.group)), [
    "there is no group administrators",
  ]);
});

test("everyone-in-a-group: refuses who is in none, and a member who cannot log in", () => {
  assert.deepEqual(findings(people.everyoneInAGroup, everything()), []);
  const stranger = { ...shipped(vault.alias), props: { name: "zed", canonicalId: "zed" } };
  assert.deepEqual(findings(people.everyoneInAGroup, [...everything(), stranger]), [
    "the person is in no group",
  ]);
  const group = { ...shipped(vault.group), props: { memberEntityIds: ["nobody"] } };
  assert.deepEqual(findings(people.everyoneInAGroup, [...everything(), group]), [
    "a member is nobody who can log in",
  ]);
});

test("mfa-for-people: refuses a human login without, a machine's with, and a method that is not ours (R50)", () => {
  assert.deepEqual(findings(people.mfaForPeople, everything()), []);
  assert.deepEqual(findings(people.mfaForPeople, without(vault.enforcement)), [
    "no enforcement asks for a second factor",
  ]);
  assert.deepEqual(
    findings(
      people.mfaForPeople,
      everythingOf(vault.enforcement, { authMethodAccessors: ["accessor-of-github"] }),
    ),
    [
      "no enforcement names its accessor",
      "it names a login that is not people's: a machine could never log in",
    ],
  );
  assert.deepEqual(
    findings(people.mfaForPeople, everythingOf(vault.enforcement, { mfaMethodIds: ["other"] })),
    ["a method that it names is none of ours"],
  );
});

test("alias-of-login: refuses a name by a pattern and a login of machines", () => {
  assert.deepEqual(findings(people.aliasOfLogin, everything()), []);
  const login = everything().filter(({ type }) => type === vault.auth || type === vault.entity);
  assert.deepEqual(
    findings(people.aliasOfLogin, [...login, changed(shipped(vault.alias), { name: "*@acme.example" })]),
    ["the alias has no exact name"],
  );
  assert.deepEqual(
    findings(people.aliasOfLogin, [
      ...login,
      changed(shipped(vault.alias), { mountAccessor: "accessor-of-approle" }),
    ]),
    ["mountAccessor is of no login of people"],
  );
});

test("alias-of-login: refuses that somebody logs in by another's name, or by nobody's", () => {
  const as = (name: string) => findings(people.aliasOfLogin, everythingBut(vault.alias, { name }, "ada"));
  assert.deepEqual(as("ben@acme.example"), ["ben@acme.example logs in as somebody else already"]);
  assert.deepEqual(as("eve@acme.example"), ["eve@acme.example is neither a person's name nor address"]);
});
