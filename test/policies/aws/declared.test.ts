import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as declared from "../../../policies/aws/declared.ts";
import { aws } from "../../../policies/aws/types.ts";
import { changed, everything, findings, shipped } from "../examples.ts";

/** All of production, with a text of one resource changed. */
function rewritten(type: string, name: string, property: string, from: string, to: string) {
  const right = shipped(type, name);
  const text = String(right.props[property]);
  assert.ok(text.includes(from));
  const wrong = changed(right, { [property]: text.replace(from, to) });
  return everything().map((each) => (each.props === right.props ? wrong : each));
}

suite(`aws-source-one-account: ${declared.sourceOneAccount.sentence}`, () => {
  test("passes the shipped program", () =>
    assert.deepEqual(findings(declared.sourceOneAccount, everything()), []));
  test("refuses a role that a service takes for another account", () =>
    assert.deepEqual(
      findings(
        declared.sourceOneAccount,
        rewritten(aws.role, "scheduler", "assumeRolePolicy", '"222222222222"', '"999999999999"'),
      ),
      ["it is for the account 999999999999; the others are for 222222222222"],
    ));
  test("refuses a function that another account's service may call", () => {
    const right = shipped(aws.functionPermission);
    const wrong = changed(right, { sourceAccount: "999999999999" });
    assert.deepEqual(
      findings(
        declared.sourceOneAccount,
        everything().map((each) => (each.props === right.props ? wrong : each)),
      ),
      ["it is for the account 999999999999; the others are for 222222222222"],
    );
  });
});

suite(`aws-document-names-declared: ${declared.documentNamesDeclared.sentence}`, () => {
  test("passes the shipped program", () =>
    assert.deepEqual(findings(declared.documentNamesDeclared, everything()), []));
  test("refuses a key for a role that nobody has made yet", () =>
    assert.deepEqual(
      findings(
        declared.documentNamesDeclared,
        rewritten(
          aws.key,
          "unseal",
          "policy",
          "role/keyplane-production-vault",
          "role/keyplane-production-valut",
        ),
      ),
      ["arn:aws:iam::222222222222:role/keyplane-production-valut is not declared"],
    ));
});
