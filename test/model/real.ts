import { globSync, readFileSync } from "node:fs";

/** The texts of the repository's own catalogue, by their path in its folder. */
export function realFiles(): Record<string, string> {
  const files = ["organization.yaml", ...globSync("systems/*.yaml", { cwd: "catalogue" })].sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(`catalogue/${file}`, "utf8")]));
}
