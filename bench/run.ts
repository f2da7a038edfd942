/**
 * `npm run bench`: ratios, side by side in one run, printed. Arguments: --publish (write the tables into
 * bench/README.md), --full (the largest sizes), --cold (also the first `up` with no tool in the cache), names of
 * sections.
 */
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { Row, Scale } from "./measure.ts";

/** Loaded when they are run: a section must not pay for another's imports. */
const sections: Record<string, () => Promise<(scale: Scale) => Promise<Row[]>>> = {
  imports: async () => (await import("./imports.ts")).importsOfProgram,
  model: async () => (await import("./model.ts")).modelOfManySecrets,
  preview: async () => (await import("./preview.ts")).previewOfProgram,
  organizations: async () => (await import("./scale.ts")).organizations,
  credentials: async () => (await import("./credentials.ts")).credentialsPerSecond,
  policies: async () => (await import("./policies.ts")).policies,
  rotation: async () => (await import("./rotation.ts")).rotations,
  scan: async () => (await import("./scan.ts")).scans,
  lambdas: async () => (await import("./lambdas.ts")).lambdas,
  up: async () => (await import("./up.ts")).timesOfUp,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    publish: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    cold: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`No such section: ${unknown.join(", ")}. There are ${Object.keys(sections).join(", ")}.`);
  process.exit(2);
}

const scale: Scale = {
  full: values.full || process.env.KEYPLANE_SCALE === "prove",
  cold: values.cold,
  say: (text) => console.error(text),
};
const readme = new URL("README.md", import.meta.url);
for (const [name, load] of Object.entries(sections)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  scale.say(`${name} …`);
  const measure = await load();
  const rows = await measure(scale);
  const table = tableOf(rows);
  console.log(table);
  if (values.publish) await publish(name, table);
}
process.exit();

function tableOf(rows: Row[]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(["what", "measured", "ratio", "goal"]),
    line(["---", "---", "---:", "---:"]),
    ...rows.map(({ what, measured, ratio, goal }) =>
      line([what, measured, ratio?.toFixed(2) ?? "", goal ?? ""]),
    ),
  ].join("\n");
}

/** Puts a section's table between its two marks, with what made it. */
async function publish(name: string, table: string): Promise<void> {
  const text = await readFile(readme, "utf8");
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(open);
  const end = text.indexOf(close);
  if (start < 0 || end < start)
    throw new Error(`bench/README.md has no place ${open} … ${close} for a table.`);
  const flags = `${scale.full ? " --full" : ""}${scale.cold ? " --cold" : ""}`;
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`;
  const made = `\`npm run bench -- ${name}${flags}\`, ${new Date().toISOString().slice(0, 10)}, ${machine}`;
  await writeFile(
    readme,
    `${text.slice(0, start + open.length)}\n\n${made}\n\n${table}\n\n${text.slice(end)}`,
  );
}
