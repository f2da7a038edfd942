import type { Command } from "commander";
import { define } from "./command.ts";

export function command(): Command {
  return define({
    name: "down",
    summary: "stop the local stack",
    details:
      "Data stays, and the next `keyplane up` goes on with it, unless --delete is given. While an `up` runs there it " +
      "does nothing and names it (exit 4).",
    examples: [
      ["keyplane down", "stop everything that `keyplane up` started"],
      ["keyplane down --delete", "also remove the local Vault, its keys, the databases and the state"],
    ],
    configure: (command) => command.option("--delete", "remove the data as well", false),
    async run({ home, dryRun, report, options }) {
      const { down, servicesStatus } = await import("../local/services/index.ts");
      const deleteData = options.delete === true;
      const services = await servicesStatus(home);
      const running = services.filter(({ state }) => state !== "stopped").map(({ name }) => name);
      if (dryRun) {
        const text = [
          running.length > 0 ? `Would stop ${running.join(", ")}.` : "Nothing runs.",
          deleteData ? `Would remove ${home}.` : "",
        ];
        return { json: { running, deleteData }, text: text.filter((line) => line !== "").join("\n") };
      }
      await down(home, { deleteData, report });
      return {
        json: { stopped: running, deleted: deleteData },
        text: `${running.length > 0 ? `Stopped ${running.join(", ")}.` : "Nothing was running."}${
          deleteData ? ` Removed ${home}.` : ""
        }`,
      };
    },
  });
}
