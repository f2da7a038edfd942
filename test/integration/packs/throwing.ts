#!/usr/bin/env node
// A policy pack with one rule, which has a mistake.
import type { ResourceRule } from "../../../policies/rule.ts";
import { serve } from "../../../policies/serve.ts";

const throwing: ResourceRule = {
  name: "broken-rule",
  sentence: "It holds.",
  severity: "low",
  fix: "None.",
  controls: ["R7"],
  types: ["vault:index/policy:Policy"],
  judge: () => {
    throw new TypeError("the rule's own mistake");
  },
};

const { port } = await serve({
  name: "throwing",
  version: "0.1.0",
  description: "Has a mistake.",
  rules: [throwing],
  excuse: async () => undefined,
});
console.log(port);
