import type { Command } from "commander";
import { define } from "./command.ts";

export function command(): Command {
  return define({
    name: "stacks",
    summary: "list the stacks of an environment, in the order of their updates",
    details:
      "One stack holds everything, unless the catalogue names parts: then `staging.platform` comes first and a stack per " +
      "part follows. Each has its own Pulumi.<stack>.yaml.",
    examples: [
      ["keyplane stacks --environment staging", "a name a line, for a loop"],
      [
        "keyplane stacks --environment staging --json",
        "with its part, and its stage: those of one may run side by side",
      ],
    ],
    async run(invocation) {
      const [{ modelOf }, { partsOf }] = await Promise.all([
        import("./session.ts"),
        import("../model/parts.ts"),
      ]);
      const stages = partsOf(await modelOf(invocation));
      const stacks = stages.flatMap((parts, index) => parts.map((part) => ({ ...part, stage: index + 1 })));
      return { json: { stacks }, text: stacks.map(({ stack }) => stack).join("\n") };
    },
  });
}
