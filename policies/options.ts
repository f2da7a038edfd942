import type { ResourceRule } from "./rule.ts";
import { dataHolding } from "./state.ts";
import { vault } from "./vault/types.ts";

/** Who else writes a field, on purpose: the table of infra/README.md. */
const othersWrite: Readonly<Record<string, readonly string[]>> = {
  [vault.key]: ["minDecryptionVersion", "minEncryptionVersion"],
  [vault.connection]: ["postgresql.password"],
  [vault.entity]: ["disabled"],
};

export const changesNotIgnored: ResourceRule = {
  name: "state-changes-not-ignored",
  sentence:
    "An update makes everything as it is declared: what somebody changed by hand, or the catalogue no longer says, does not stay.",
  severity: "critical",
  fix: "Take ignoreChanges out; a field that something else writes on purpose stands in the table of infra/README.md and in policies/options.ts.",
  controls: ["NIST-800-53r5/CM-3", "NIST-800-53r5/CM-6", "R7"],
  types: [],
  *judge({ type, ignoreChanges = [] }) {
    if (ignoreChanges.length === 0) return;
    for (const name of ignoreChanges)
      if (othersWrite[type]?.includes(name) !== true) yield `changes of ${name} are ignored`;
  },
};

export const rightsNotRetained: ResourceRule = {
  name: "state-rights-not-retained",
  sentence:
    "What the program no longer declares is gone, but for what holds data: no right outlives its entry.",
  severity: "critical",
  fix: "Leave retainOnDelete to what dataHolding() is for.",
  controls: ["NIST-800-53r5/AC-2(3)", "NIST-800-53r5/CM-6", "R7", "R47"],
  types: [],
  *judge({ type, props, retainOnDelete }) {
    if (retainOnDelete !== true || dataHolding.includes(type)) return;
    // Vault itself refuses to delete this one.
    if (type === vault.policy && props.name === "default") return;
    yield "it stays, with whatever it allows";
  },
};
