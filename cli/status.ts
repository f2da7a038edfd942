import type { Command } from "commander";
import { define } from "./command.ts";
import { exit } from "./exit.ts";

export function command(): Command {
  return define({
    name: "status",
    summary: "say what of the local stack runs, and where",
    details:
      "Of AWS also what is recorded, what rings, what is called when, what rotates and what was put aside.",
    examples: [
      ["keyplane status", "a line per service; exit code 1 when one does not run, or an alarm rings"],
    ],
    async run({ home }) {
      const [{ servicesStatus }, { kubernetesStatus }] = await Promise.all([
        import("../local/services/index.ts"),
        import("../local/kubernetes/status.ts"),
      ]);
      const services = [...(await servicesStatus(home)), ...(await kubernetesStatus(home))];
      const emulator = services.find(({ name, state }) => name === "aws" && state === "running")?.address;
      const account =
        emulator === undefined
          ? []
          : await (await import("../local/aws/status.ts")).accountStatus(home, emulator);
      const isWell = services.every(({ state }) => state === "running") && account.every((one) => one.isWell);
      return {
        json: { home, services, aws: account },
        text: table([
          ...services.map(({ name, state, address, pid, reason, log }) => [
            name,
            state,
            address ?? "",
            pid === undefined ? "" : `pid ${pid}`,
            reason === undefined ? "" : `${reason} (${log})`,
          ]),
          ...account.map(({ what, name, state, detail }) => [`aws ${what}`, state, name, detail]),
        ]),
        ...(!isWell && { code: exit.finding }),
      };
    },
  });
}

/** Rows in columns, as wide as those of services are at least. */
function table(rows: string[][]): string {
  const least = [10, 10, 26];
  const widths = least.map((width, column) =>
    Math.max(width, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(" ")
        .trimEnd(),
    )
    .join("\n");
}
