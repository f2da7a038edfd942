import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { ruleFiles, rulesAmong } from "../../../operations/gates/rule-files.ts";

test("what a gate is run with, asks by or reads its settings from changes the rules; a catalogue or a service does not", () => {
  const decide = [
    // The second gate takes its pack from there, the third its probes.
    "local/gates.ts",
    "operations/audit/trail.ts",
    "clients/vault.ts",
    "Pulumi.yaml",
    "Pulumi.production.yaml",
    ".pre-commit-config.yaml",
    ".github/workflows/deploy.yml",
  ];
  const others = [
    "catalogue/systems/titan.yaml",
    "local/up.ts",
    "operations/rotation/engine.ts",
    "README.md",
  ];
  assert.deepEqual(rulesAmong([...decide, ...others]), decide);
});

test("each path of the rules is there", () => {
  assert.deepEqual(
    ruleFiles.filter((path) => !existsSync(path)),
    [],
  );
});
