#!/usr/bin/env node
// A policy pack that is killed half-way: at the second policy that it judges.
import type { ResourceRule } from "../../../policies/rule.ts";
import { serve } from "../../../policies/serve.ts";

let judged = 0;
const dying: ResourceRule = {
  name: "dying-rule",
  sentence: "It holds.",
  severity: "low",
  fix: "None.",
  controls: ["R7"],
  types: ["vault:index/policy:Policy"],
  judge: () => {
    judged++;
    if (judged === 2) process.kill(process.pid, "SIGKILL");
    return [];
  },
};

const { port } = await serve({
  name: "dying",
  version: "0.1.0",
  description: "Is killed half-way.",
  rules: [dying],
  excuse: async () => undefined,
});
console.log(port);
