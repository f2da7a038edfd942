import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { judgeOne } from "../../policies/judge.ts";
import { changesNotIgnored, rightsNotRetained } from "../../policies/options.ts";
import type { Declared } from "../../policies/resource.ts";
import { seen } from "../../policies/resource.ts";
import type { Rule } from "../../policies/rule.ts";
import { vault } from "../../policies/vault/types.ts";

function said(rule: Rule, type: string, options: Partial<Declared>): string[] {
  const urn = `urn:pulumi:production::keyplane::${type}::x`;
  const resource = seen({ urn, type, name: "x", inputs: {}, protect: false, ...options });
  return judgeOne([rule], resource).map(({ message }) => message);
}

suite(`${changesNotIgnored.name}: ${changesNotIgnored.sentence}`, () => {
  test("refuses a policy whose text no update would put right", () =>
    assert.deepEqual(said(changesNotIgnored, vault.policy, { ignoreChanges: ["policy"] }), [
      "changes of policy are ignored",
    ]));
  test("refuses that all of a key is left as it is", () =>
    assert.deepEqual(said(changesNotIgnored, vault.key, { ignoreChanges: ["minDecryptionVersion", "*"] }), [
      "changes of * are ignored",
    ]));
  test("passes what the rotation engine writes", () =>
    assert.deepEqual(
      said(changesNotIgnored, vault.key, { ignoreChanges: ["minDecryptionVersion", "minEncryptionVersion"] }),
      [],
    ));
});

suite(`${rightsNotRetained.name}: ${rightsNotRetained.sentence}`, () => {
  test("refuses a login that outlives its entry", () =>
    assert.deepEqual(said(rightsNotRetained, vault.appRole, { retainOnDelete: true }), [
      "it stays, with whatever it allows",
    ]));
  test("passes a mount, which holds data", () =>
    assert.deepEqual(said(rightsNotRetained, vault.mount, { retainOnDelete: true }), []));
});
