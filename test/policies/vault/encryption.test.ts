import assert from "node:assert/strict";
import { test } from "node:test";
import * as encryption from "../../../policies/vault/encryption.ts";
import { vault } from "../../../policies/vault/types.ts";
import { everything, findings, ruleSuite, shipped, without } from "../examples.ts";

const key = shipped(vault.key, "titan.documents");

ruleSuite(encryption.keyStays, key, {
  exportable: [{ exportable: true }, ["exportable is not false"]],
  unset: [
    { exportable: undefined, allowPlaintextBackup: undefined },
    ["exportable is not false", "allowPlaintextBackup is not false"],
  ],
});
ruleSuite(encryption.keyNotDeletable, key, {
  deletable: [{ deletionAllowed: true }, ["deletionAllowed is not false while the key is in use"]],
  unset: [{ deletionAllowed: undefined }, ["deletionAllowed is not false while the key is in use"]],
});
ruleSuite(encryption.keyRotates, key, {
  never: [{ autoRotatePeriod: 0 }, ["autoRotatePeriod is not between 1 h and 90 d"]],
  unset: [{ autoRotatePeriod: undefined }, ["autoRotatePeriod is not between 1 h and 90 d"]],
  "a day over 90": [{ autoRotatePeriod: 91 * 86_400 }, ["autoRotatePeriod is not between 1 h and 90 d"]],
});
ruleSuite(encryption.keyRotates, shipped(vault.key, "keyplane.fingerprint"), {
  "fingerprints that change": [
    { autoRotatePeriod: 7_776_000 },
    ["autoRotatePeriod is not 0: fingerprints could no longer be compared"],
  ],
});
ruleSuite(encryption.keyStrong, key, {
  unset: [{ type: undefined }, ["the type is not set"]],
  "128 bits": [{ type: "aes128-gcm96" }, ["the type is aes128-gcm96"]],
  "equal plaintexts show": [
    { convergentEncryption: true },
    ["convergentEncryption shows which plaintexts are equal"],
  ],
});
ruleSuite(encryption.kvVersioned, shipped(vault.mount, "kv"), {
  "version 1": [{ "options.version": "1" }, ["options.version is not 2"]],
  unset: [{ options: undefined }, ["options.version is not 2"]],
});
ruleSuite(encryption.kvKeepsVersions, shipped(vault.kv), {
  "one version": [{ maxVersions: 1 }, ["maxVersions is not between 2 and 50"]],
  unset: [
    { maxVersions: undefined, casRequired: undefined },
    ["maxVersions is not between 2 and 50", "casRequired is not true"],
  ],
  "gone after a week": [{ deleteVersionAfter: 604_800 }, ["deleteVersionAfter deletes what may be in use"]],
});

test("kv-configured: refuses a key-value engine of which nobody says what it keeps", () => {
  assert.deepEqual(findings(encryption.kvConfigured, everything()), []);
  assert.deepEqual(findings(encryption.kvConfigured, without(vault.kv)), [
    "nothing says how many versions it keeps and that writes name the version before",
  ]);
});
