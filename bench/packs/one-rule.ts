#!/usr/bin/env node
// The pack with one of its rules, which looks at every resource.
import { rules } from "../../policies/rules.ts";
import { serve } from "../../policies/serve.ts";

const { port } = await serve({
  name: "one-rule",
  version: "0.1.0",
  description: "One rule.",
  rules: rules.filter(({ name }) => name === "state-type-judged"),
  excuse: async () => undefined,
});
console.log(port);
