import type { Command } from "commander";
import { define } from "./command.ts";

export function command(): Command {
  return define({
    name: "env-example <service>",
    summary: "print the .env.example of a service: placeholders only",
    details:
      "Made of the catalogue alone: settings as they are, a placeholder for each secret. Reaches nothing.",
    examples: [
      ["keyplane env-example solo/api > .env.example", "what a developer copies to .env and fills in"],
      ["keyplane env-example solo/api --environment production", "with production's settings"],
    ],
    async run(invocation) {
      const [{ envExample }, { loadCatalogue }, { derive }] = await Promise.all([
        import("../operations/delivery/env-example.ts"),
        import("../model/catalogue.ts"),
        import("../model/derive.ts"),
      ]);
      const model = derive(await loadCatalogue(invocation.catalogue), invocation.environment);
      const [service = ""] = invocation.arguments;
      const text = envExample(model, service);
      return { json: { service, text }, text: text.trimEnd() };
    },
  });
}
