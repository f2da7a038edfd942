import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as declared from "../../../policies/aws/declared.ts";
import { aws } from "../../../policies/aws/types.ts";
import type { StackRule } from "../../../policies/rule.ts";
import { vault } from "../../../policies/vault/types.ts";
import * as whole from "../../../policies/vault/whole.ts";
import { everything, findings } from "../examples.ts";

/** Production without any resource of a type: a new account or Vault in which it was forgotten. */
const without = (rule: StackRule, type: string) =>
  findings(
    rule,
    everything().filter((each) => each.type !== type),
  );

suite("what an account and a Vault cannot be without", () => {
  for (const rule of [
    whole.platformWhole,
    whole.databaseConnected,
    declared.trailDeclared,
    declared.keysDeclared,
  ]) {
    test(`${rule.name} passes the shipped program`, () => assert.deepEqual(findings(rule, everything()), []));
  }
  const cases: [rule: StackRule, type: string, messages: string[]][] = [
    [declared.trailDeclared, aws.trail, ["there are 0 trails"]],
    [whole.platformWhole, vault.jwt, ["jobs have no login"]],
    [
      whole.platformWhole,
      vault.mount,
      ["nothing is mounted for kv", "nothing is mounted for transit", "nothing is mounted for database"],
    ],
    [whole.platformWhole, vault.entity, ["no person is declared"]],
    [
      whole.platformWhole,
      vault.jwtRole,
      ["deploy", "drift", "enrol", "rotate"].map((role) => `nobody logs in as keyplane.${role}`),
    ],
    [whole.platformWhole, vault.key, ["there is no key that values are hashed by"]],
    [
      whole.platformWhole,
      vault.auth,
      [
        "hosts have no login",
        "people have no login",
        "its login of kubernetes is not declared",
        "its login of aws is not declared",
      ],
    ],
  ];
  for (const [rule, type, messages] of cases) {
    test(`${rule.name} refuses a program without any ${type}`, () =>
      assert.deepEqual(without(rule, type), messages));
  }
  test("aws-keys-declared refuses aliases without keys", () =>
    assert.match(without(declared.keysDeclared, aws.key).join(), /^\d+ aliases are of 0 keys$/));
  test("database-connected refuses roles without their connection", () =>
    assert.equal(
      without(whole.databaseConnected, vault.connection).length,
      everything().filter(({ type }) => type === vault.databaseRole).length,
    ));
  test("platform-whole leaves a part with systems alone", () =>
    assert.deepEqual(
      findings(
        whole.platformWhole,
        everything().filter(({ type }) => type === vault.databaseRole),
      ),
      [],
    ));
});
