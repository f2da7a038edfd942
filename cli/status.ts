import type { Command } from "commander";
import { define } from "./command.ts";
import { exit } from "./exit.ts";

export function command(): Command {
  return define({
    name: "status",
    summary: "say what of the local stack runs, and where",
    examples: [["keyplane status", "a line per service; exit code 1 when one does not run"]],
    async run({ home }) {
      const [{ servicesStatus }, { kubernetesStatus }] = await Promise.all([
        import("../local/services/index.ts"),
        import("../local/kubernetes/status.ts"),
      ]);
      const services = [...(await servicesStatus(home)), ...(await kubernetesStatus(home))];
      const width = Math.max(...services.map(({ name }) => name.length), 10);
      const down = services.filter(({ state }) => state !== "running");
      return {
        json: { home, services },
        text: services
          .map(({ name, state, address, pid, reason, log }) =>
            [
              name.padEnd(width),
              state.padEnd(10),
              (address ?? "").padEnd(26),
              pid === undefined ? "" : `pid ${pid}`,
              reason === undefined ? "" : `${reason} (${log})`,
            ]
              .join(" ")
              .trimEnd(),
          )
          .join("\n"),
        ...(down.length > 0 && { code: exit.finding }),
      };
    },
  });
}
